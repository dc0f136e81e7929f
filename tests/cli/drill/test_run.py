"""The drill on the fake API server: what it deletes, what it refuses, what it reports when things come back or not."""

import json
from collections.abc import Mapping
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from agentmemory.api.labels import PAUSED
from agentmemory.cli.drill import render
from agentmemory.cli.drill.application import Application
from agentmemory.cli.drill.facts import Facts
from agentmemory.cli.drill.kafkaview import KafkaView
from agentmemory.cli.drill.model import Means, Report, Request
from agentmemory.cli.drill.probe import Measured
from agentmemory.cli.drill.run import drill
from agentmemory.core.errors import Invalid, OperatorError, Transient
from agentmemory.core.key import Key
from agentmemory.kafka.model import PartitionRef, StopCheck
from tests.cli.drill.builders import NAMESPACE, NOT_READY, budget, cluster, kafka, part, pod, pool
from tests.fakekube.fixture import World

REQUEST = Request(NAMESPACE, broker=1001, run=True, timeout=5.0)
WITHOUT = kafka((1000, 1002), [part(0, 1000), part(1, 1002), part(2, 1002)])
BEFORE: Mapping[PartitionRef, int] = {PartitionRef("t", 1): 1000}


class Side:
    """Kafka as a list of views, the last of which stays; an error in it is raised."""

    who = "a test"

    def __init__(self, *views: KafkaView | OperatorError) -> None:
        self._views = list(views)
        after = {PartitionRef("t", 1): 1200, PartitionRef("t", 2): 30}
        # A broker that is back is asked at its old address first.
        self._sizes = [BEFORE, Transient("KafkaTimedOut", "no answer"), after]
        self.closed = False

    async def look(self) -> KafkaView:
        view = self._views.pop(0) if len(self._views) > 1 else self._views[0]
        if isinstance(view, OperatorError):
            raise view
        return view

    async def stop_check(self, broker: int) -> StopCheck | None:
        return StopCheck((), ())

    async def sizes(self, broker: int) -> Mapping[PartitionRef, int] | None:
        found = self._sizes.pop(0)
        if isinstance(found, OperatorError):
            raise found
        return found

    async def close(self) -> None:
        self.closed = True


class FakeProbe:
    """An application that notices nothing, or loses what it is told to."""

    topic = "t"

    def __init__(self, lost: int = 0) -> None:
        self.led: list[int] = []
        self.stopped = False
        self._lost = lost

    def start(self, led: list[int], limit: float) -> None:
        self.led = led

    def stop(self) -> None:
        self.stopped = True

    def acknowledged_since(self, moment: float) -> bool:
        return True

    def measure(self, killed: float, led: list[int], limit: float) -> Measured:
        return Measured("t", 3, 1, 40, 80, self._lost, 0, 1.5, 2.0, 2.1, 2.4)


def everything(world: World, engine: str = "kafka", claim: bool = True) -> None:
    put(world, cluster(engine), pool(), budget(), *(pod(node, claim=claim) for node in (1000, 1001, 1002)))
    for key, obj in (("MemoryCluster", cluster(engine)), ("BrokerPool", pool()), ("PodDisruptionBudget", budget())):
        name = obj["metadata"]["name"]
        world.cluster.set_status(_key(key, name), obj["status"])
    for node in (1000, 1001, 1002):
        world.cluster.set_status(_key("Pod", f"main-{node}"), pod(node)["status"])


def put(world: World, *objects: dict[str, Any]) -> None:
    """As a user would write them: without what the server says."""
    served = ("uid", "resourceVersion", "creationTimestamp", "generation")
    for obj in objects:
        metadata = {name: value for name, value in obj["metadata"].items() if name not in served}
        world.put(obj | {"metadata": metadata})


def _key(kind: str, name: str) -> Any:
    return Key(kind, NAMESPACE, name)


def means(world: World, side: Side | None, probe: FakeProbe | None = None, brings_back: bool = True) -> Means:
    """`brings_back`: the operator and a kubelet, who have the pod ready again at the first milestone."""
    told: list[str] = []

    async def opened(kube: Any, facts: Facts, request: Request, application: Application | None) -> tuple[Any, str]:
        return side, "as a test"

    def tell(at: float, name: str, timeline: Any) -> None:
        told.append(name)
        if name == "gone" and not brings_back:
            world.cluster.set_status(_key("BrokerPool", "brokers"), pool((), NOT_READY)["status"])
        if name == "gone" and brings_back:
            put(world, pod(1001))
            world.cluster.set_status(_key("Pod", "main-1001"), pod(1001)["status"])

    return Means(world.ctx.kube, world.clock, opened, lambda *_: probe, tell)  # type: ignore[arg-type, return-value]


async def test_a_broker_goes_and_comes_back(world: World) -> None:
    everything(world)
    uid = world.get("Pod/memory-system/main-1001")["metadata"]["uid"]
    lost = Transient("KafkaTimedOut", "no answer")
    side = Side(kafka(), kafka(), WITHOUT, lost, kafka())
    report = await drill(means(world, side), REQUEST)
    assert report.ran
    assert report.fine, report.missing
    assert list(report.reached) != []
    assert set(report.reached) >= {"gone", "fenced", "ready", "registered", "synced", "settled"}
    assert (report.copied, report.copied_how) == (230, "DescribeLogDirs after and before")
    assert report.heir == "main-1001"
    assert side.closed
    writes = world.fake.requests.writes()
    assert [str(write) for write in writes] == [str(writes[0])]
    assert writes[0].verb == "delete"
    assert writes[0].body["preconditions"]["uid"] == uid
    assert writes[0].body["gracePeriodSeconds"] == 1


async def test_an_orderly_end_leaves_the_pods_own_grace(world: World) -> None:
    everything(world)
    request = Request(NAMESPACE, broker=1001, how="Graceful", run=True, timeout=5.0)
    await drill(means(world, Side(kafka(), kafka(), WITHOUT, kafka())), request)
    assert "gracePeriodSeconds" not in world.fake.requests.writes()[0].body


async def test_what_does_not_come_back_is_named(world: World) -> None:
    everything(world)
    request = Request(NAMESPACE, broker=1001, run=True, timeout=0.6)
    report = await drill(means(world, Side(kafka(), kafka(), WITHOUT), brings_back=False), request)
    assert not report.fine
    assert {"scheduled", "started", "ready", "registered", "synced", "settled"} == set(report.missing)
    assert (report.copied, report.copied_how) == (None, "the copies are not in sync")
    assert report.said == "Rolling: replacing main-1001"
    shown = screen(report)
    assert "the BrokerPool says: Rolling: replacing main-1001" in shown
    assert "Not within the time: made again, and has a machine" in shown
    assert json.loads(render.to_json(report))["fine"] is False


async def test_without_kafka_nothing_is_lost_on_a_stateless_engine(world: World) -> None:
    everything(world, "automq", claim=False)
    report = await drill(means(world, None), REQUEST)
    assert report.ran
    assert report.fine, report.missing
    assert (report.copied, report.copied_how) == (0, "brokers hold no data")
    assert any("leaders and copies" in words for words in report.not_measured)


@pytest.mark.parametrize(("lost", "fine"), [(0, True), (1, False)])
async def test_an_application_writes_meanwhile(world: World, monkeypatch: Any, lost: int, fine: bool) -> None:
    async def found(*_: Any) -> Application:
        return Application("team/agents", None, "t", "tool.call")  # type: ignore[arg-type]

    monkeypatch.setattr("agentmemory.cli.drill.run.find", found)
    everything(world)
    probe = FakeProbe(lost)
    request = Request(NAMESPACE, run=True, timeout=5.0, broker=1001, probe_client="team/agents")
    report = await drill(means(world, Side(kafka(), kafka(), WITHOUT, kafka()), probe), request)
    assert (probe.led, probe.stopped) == ([1], True)
    assert report.fine is fine
    assert f"lost: {lost}" in screen(report)


async def test_a_plan_writes_nothing(world: World) -> None:
    everything(world)
    report = await drill(means(world, Side(kafka())), Request(NAMESPACE))
    assert (report.ran, report.plan.refusals) == (False, ())
    assert world.fake.requests.writes() == []
    shown = screen(report)
    assert "Nothing was done" in shown
    assert "all copies are in sync" in shown
    assert json.loads(render.to_json(report))["ran"] is False


async def test_a_refused_run_deletes_nothing(world: World) -> None:
    everything(world)
    world.edit("BrokerPool/memory-system/brokers", {"metadata": {"annotations": {PAUSED: "true"}}})
    report = await drill(means(world, Side(kafka())), REQUEST)
    assert not report.ran
    assert [found.reason for found in report.plan.refusals] == ["Paused"]
    assert world.fake.requests.writes() == []
    assert "a run would be refused now" in screen(report)


async def test_what_is_not_safe_any_more_is_refused_at_the_last_moment(world: World) -> None:
    everything(world)
    report = await drill(means(world, Side(kafka(), WITHOUT)), REQUEST)
    assert not report.ran
    assert [found.reason for found in report.plan.refusals] == ["NotRegistered"]
    assert world.fake.requests.writes() == []


async def test_a_pod_that_was_replaced_meanwhile_is_left_alone(world: World) -> None:
    everything(world)
    side = Side(kafka())

    async def replaced(broker: int) -> StopCheck:
        world.cluster.delete(_key("Pod", "main-1001"))
        put(world, pod(1001))
        return StopCheck((), ())

    side.stop_check = replaced  # type: ignore[method-assign]
    with pytest.raises(Invalid, match="another one since"):
        await drill(means(world, side), REQUEST)
    assert world.find("Pod/memory-system/main-1001") is not None


@pytest.mark.parametrize(
    ("objects", "request_", "words"),
    [
        ([], Request(NAMESPACE), "has these MemoryClusters: none"),
        ([], Request(NAMESPACE, cluster="other"), "there is no MemoryCluster memory-system/other"),
        ([cluster("external")], Request(NAMESPACE), "run by somebody else"),
        ([cluster()], Request(NAMESPACE), "has no broker"),
        ([cluster(), pool(), pod(1000)], Request(NAMESPACE, broker=7), "no broker 7; the brokers are 1000"),
        ([cluster()], Request(NAMESPACE, probe_client="x/y"), "there is no MemoryClient/x/y"),
    ],
)
async def test_what_cannot_be_told_is_an_error(world: World, objects: list[Any], request_: Request, words: str) -> None:
    put(world, *objects)
    with pytest.raises(Invalid) as caught:
        await drill(means(world, None), request_)
    assert words in caught.value.message


async def test_the_one_that_leads_most_of_those_that_may_go(world: World) -> None:
    everything(world)
    busy = kafka(parts=[*kafka().topics[0].partitions, *kafka().topics[0].partitions[2:]])
    report = await drill(means(world, Side(busy)), Request(NAMESPACE))
    assert report.plan.broker == 1002


def screen(report: Report) -> str:
    console = Console(width=400, file=StringIO())
    render.show(report, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]
