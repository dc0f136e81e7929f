"""Who leaves, and who is wanted again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentmemory.api.conditions import stalled
from agentmemory.api.labels import CLUSTER
from agentmemory.brokers import leaving, policy
from agentmemory.brokers.leaving import Decision
from agentmemory.brokers.world import World
from agentmemory.core.errors import Invalid, Transient
from agentmemory.engines.pods import PodState, Trouble
from agentmemory.engines.roster import RETIRING, retiring
from agentmemory.engines.sight import Sight
from agentmemory.kafka.nodes import ACTIVE, FENCED, NodeView
from tests.brokers.shared_storage import use_shared_storage
from tests.brokers.test_policy import IDS, SILENT, WELL, world
from tests.engines.builders import NOW, pod_view, pool_model

CRASHES = Trouble("CrashLoopBackOff", "it ends again and again")
OLD = NOW - timedelta(hours=1)
NODES = {node_id: NodeView(node_id, ACTIVE, 0, True) for node_id in IDS}


@pytest.fixture(autouse=True)
def shared_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    use_shared_storage(monkeypatch)


def pods(*ids: int, **changes: Any) -> dict[int, Any]:
    """All brokers' pods, old ones; those named with the changes."""
    return {
        node_id: pod_view(node_id, **({"running_since": OLD} | (changes if node_id in ids else {}))) for node_id in IDS
    }


def shared(replicas: int = 3, **changes: Any) -> World:
    return world(**({"pool": pool_model(replicas=replicas), "nodes": NODES, "pods": pods()} | changes))


def without(node_id: int) -> Sight:
    return replace(WELL, registered=IDS - {node_id})


SICK = {"pods": pods(1001, state=PodState.STARTING, proven=True, trouble=CRASHES), "sight": without(1001)}
MARKED = {1002: OLD}
CASES: dict[str, tuple[World, Decision]] = {
    "as declared": (shared(), Decision()),
    "too many": (shared(2), Decision(leave=((1002, "spec.replicas is smaller"),))),
    "too many, one of them sick": (shared(2, **SICK), Decision(leave=((1001, "spec.replicas is smaller"),))),
    "too many, one leaves already": (shared(1, leaving=MARKED), Decision()),
    "too many, one is over but for its pod": (
        shared(1, leaving=MARKED, silent={1002}, nodes={1000: NODES[1000], 1001: NODES[1001]}),
        Decision(leave=((1001, "spec.replicas is smaller"),)),
    ),
    "too many, and nobody tells of streams": (shared(2, nodes=None), Decision()),
    "too many, and Kafka is silent": (shared(2, sight=SILENT), Decision()),
    "wanted again": (shared(3, leaving=MARKED), Decision(stay=(1002,))),
    "wanted again, the last first": (
        shared(2, leaving={1001: OLD, 1002: NOW, 1000: OLD}),
        Decision(stay=(1002, 1001)),
    ),
    "wanted again, and it ends": (shared(3, leaving=MARKED, pods=pods(1002, state=PodState.ENDING)), Decision()),
    "wanted again, and fenced": (shared(3, leaving=MARKED, sight=without(1002)), Decision()),
    "wanted again, and its pod is gone": (
        shared(3, leaving=MARKED, pods={1000: pod_view(1000), 1001: pod_view(1001)}),
        Decision(),
    ),
    "a lost machine": (
        shared(silent={1001}, sight=without(1001)),
        Decision(leave=((1001, "its machine is lost"),)),
    ),
    "a lost machine comes before all else": (
        shared(1, silent={1001}, sight=without(1001)),
        Decision(leave=((1001, "its machine is lost"),)),
    ),
    "a silent machine, and it serves": (shared(silent={1001}), Decision()),
    "a silent machine, it serves and was told to go": (
        shared(silent={1001}, pods=pods(1001, state=PodState.ENDING)),
        Decision(leave=((1001, "its machine is lost"),)),
    ),
    "a silent machine, and no pod": (shared(silent={1001}, pods={}), Decision()),
    "stuck": (shared(**SICK), Decision(leave=((1001, "CrashLoopBackOff"),))),
    "stuck, and never was up": (
        shared(pods=pods(1001, state=PodState.STARTING, proven=False, trouble=CRASHES), sight=without(1001)),
        Decision(),
    ),
    "stuck, and AutoMQ does not know it": (shared(**SICK, nodes={1000: NODES[1000]}), Decision()),
    "stuck, and another leaves": (shared(2, **SICK, leaving=MARKED), Decision()),
    "stuck, and another is too": (
        shared(pods=SICK["pods"], sight=replace(WELL, registered=frozenset({1000}))),
        Decision(),
    ),
    "stuck, and another is young": (
        shared(**SICK | {"pods": {**pods(1001, trouble=CRASHES), 1000: pod_view(1000)}}),
        Decision(),
    ),
    "stuck, and Kafka is silent": (shared(pods=SICK["pods"], sight=SILENT), Decision()),
    "stuck, and nobody tells of streams": (shared(**SICK, nodes=None), Decision()),
    "fenced a moment ago": (shared(sight=without(1001)), Decision()),
}


@pytest.mark.parametrize("case", CASES)
def test_who_leaves(case: str) -> None:
    seen, wanted = CASES[case]
    assert leaving.decide(seen) == wanted


@pytest.mark.parametrize(("minutes", "status", "leaves"), [(6, "False", True), (4, "False", False), (6, "True", False)])
def test_missed_by_kafka_for_long(minutes: int, status: str, leaves: bool) -> None:
    """The pool's own word since when it is not ready is the clock."""
    pool = pool_model()
    since = (NOW - timedelta(minutes=minutes)).isoformat()
    found = {"type": "Ready", "status": status, "reason": "x", "message": "", "lastTransitionTime": since}
    told = type(pool).model_validate(
        pool.model_dump(by_alias=True, exclude_none=True) | {"status": {"conditions": [found]}}
    )
    seen = shared(pool=told, sight=without(1001))
    assert leaving.decide(seen) == (Decision(leave=((1001, "NotRegistered"),)) if leaves else Decision())


def test_other_engines_brokers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert not leaving.drains(shared(2))
    assert leaving.decide(shared(2)) == Decision()


LEAVES = stalled("NodeLocked", "mem-1002 is locked")
GOES = replace(LEAVES, kind="Progressing", reason="Draining", message="mem-1002 leaves: ending its pod")


def test_what_the_pool_says_meanwhile() -> None:
    two = shared(2, leaving=MARKED)
    going = policy.judge(replace(two, drains={1002: GOES}))
    assert (going.kind, going.reason) == ("Ready", "Draining")
    assert going.message == "2 brokers registered; mem-1002 leaves: ending its pod"
    assert policy.judge(replace(two, drains={1002: LEAVES})) == LEAVES
    assert policy.state_of(two, 1002) == "Leaving"
    assert policy.reason_of(two, 1002) == ""
    assert policy.reason_of(replace(two, drains={1002: LEAVES}), 1002) == "NodeLocked"


def test_a_pool_that_cannot_shrink_says_why() -> None:
    unknown = Invalid("UnsupportedVersion", "asking how the nodes stand (AutomqGetNodes, API key 514): no")
    told = policy.judge(shared(2, nodes=None, nodes_error=unknown))
    assert (told.kind, told.reason) == ("Stalled", "ScaleDownUnsupported")
    assert "API key 514" in told.message
    assert "nobody was asked" in policy.judge(shared(2, nodes=None)).message
    silent = policy.judge(shared(2, nodes=None, sight=Sight(error=Transient("KafkaTimedOut", "late"))))
    assert silent.reason == "KafkaUnavailable"


def test_the_roll_out_waits_for_open_streams_of_one_that_has_stopped() -> None:
    stopped = shared(2, leaving=MARKED, sight=without(1002), nodes={**NODES, 1002: NodeView(1002, FENCED, 0, True)})
    assert "waiting for mem-1002, which leaves" in policy.hold_of(stopped)
    closed = replace(stopped, nodes={**NODES, 1002: NodeView(1002, FENCED, 0, False)})
    assert policy.hold_of(closed) == ""
    assert policy.hold_of(shared(2, leaving=MARKED)) == ""


def test_ids_of_those_that_leave_and_of_ghosts_are_not_given() -> None:
    seen = shared(4, leaving=MARKED, nodes={**NODES, 1003: NodeView(1003, FENCED, 0, False)})
    assert policy.wanted_ids(seen) == (1000, 1001, 1004, 1005)


class Marks:
    """A store with three Services."""

    def list(self, kind: str, namespace: str) -> list[dict[str, Any]]:
        values = {1000: None, 1001: "2026-01-01T00:00:00Z", 1002: "soon", 1003: "2026-01-01T00:00:00"}
        return [
            {
                "metadata": {
                    "labels": {CLUSTER: "mem", "agentmemory.dev/node-id": str(node_id)},
                    "annotations": {} if value is None else {RETIRING: value},
                }
            }
            for node_id, value in values.items()
        ]


def test_marks_are_read_whatever_is_in_them() -> None:
    found = retiring(Marks(), world().cluster_key)  # type: ignore[arg-type]
    assert {node_id: since.year for node_id, since in found.items()} == {1001: 2026, 1002: 1970, 1003: 2026}
