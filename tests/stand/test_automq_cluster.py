"""What the suite of engine automq does to a cluster before it looks: partitions on a new broker, pods' last words."""

import json
from pathlib import Path
from typing import Any

import pytest
from kafka.protocol.metadata import MetadataResponse

from e2e import automq_cluster
from e2e.automq_cluster import AutoMQ
from e2e.kubectl import GaveUpError, KubectlError


class Kubectl:
    """A family, and two pods of which one never had an earlier container."""

    def __init__(self) -> None:
        self.topics: list[dict[str, Any]] = [{"name": "events", "partitions": 6}]

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        return {"spec": {"topics": self.topics}}

    def list(self, kind: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        if kind == "service":
            return [{"metadata": {"name": name}} for name in ("agents", "agents-0", "agents-1000", "agents-1002")]
        state = {"waiting": {"reason": "CrashLoopBackOff"}}
        status = {"phase": "Running", "containerStatuses": [{"state": state}]}
        return [{"metadata": {"name": name}, "status": status} for name in ("agents-0", "agents-1000")]

    def wait_ready(self, kind: str, name: str, namespace: str, seconds: float) -> dict[str, Any]:
        if kind == "memorycluster":
            raise GaveUpError("memorycluster is not Ready")
        return {}

    def apply(self, *objects: Any) -> str:
        return ""

    def __call__(self, *args: str) -> str:
        if "patch" in args:
            self.topics = json.loads(args[-1])["spec"]["topics"]
            return ""
        if args[3] == "agents-1000" and "--previous" in args:
            raise KubectlError("previous terminated container not found")
        return f"log of {args[3]}, {args[-1]}"


@pytest.fixture
def automq() -> AutoMQ:
    return AutoMQ(Kubectl(), None, "image", "agent", None)  # type: ignore[arg-type]


def partitions(automq: AutoMQ) -> int:
    return int(automq.kubectl.get("topicfamily", "trail", "team")["spec"]["topics"][0]["partitions"])  # type: ignore[index]


def test_a_family_grows_until_the_new_broker_leads(monkeypatch: pytest.MonkeyPatch, automq: AutoMQ) -> None:
    def leaders(self: AutoMQ, on: str = "", seconds: float = 60) -> dict[str, int]:
        return {"agents-1000": 12} if partitions(self) < 18 else {"agents-1000": 16, on: 2}

    monkeypatch.setattr(AutoMQ, "leaders", leaders)
    assert automq.grow_onto("agents-1002") == 2
    assert partitions(automq) == 18
    assert automq.kubectl.get("topicfamily", "trail", "team")["spec"]["topics"][0]["name"] == "events"  # type: ignore[index]


def test_it_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch, automq: AutoMQ) -> None:
    monkeypatch.setattr(AutoMQ, "leaders", lambda self, on="", seconds=60: {"agents-1000": 12})
    with pytest.raises(GaveUpError, match="agents-1002 leads none of 24 partitions"):
        automq.grow_onto("agents-1002")


def test_a_cluster_that_does_not_come_up_leaves_its_pods_words(automq: AutoMQ) -> None:
    with pytest.raises(GaveUpError) as late:
        automq.rise(1)
    said = str(late.value)
    assert said.startswith("memorycluster is not Ready")
    assert "pod agents-0: Running" in said
    assert "CrashLoopBackOff" in said
    assert "log of agents-0, --previous\n" in said
    assert "log of agents-1000, --previous=false" in said


def test_only_brokers_services_are_named(automq: AutoMQ) -> None:
    assert automq.services() == {"agents-1000", "agents-1002"}


def test_leaders_are_counted_from_kafkas_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(automq_cluster.EXAMPLES)))
    from e2e import leaders

    topic = MetadataResponse.MetadataResponseTopic
    of = [topic.MetadataResponsePartition(partition_index=n, leader_id=id_) for n, id_ in enumerate((1000, 1002, 1000))]
    answer = MetadataResponse(topics=[topic(name="a", partitions=of)]).to_dict()
    assert leaders.counted(answer["topics"]) == {"1000": 2, "1002": 1}
