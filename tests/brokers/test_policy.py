"""Each check by itself, where the stories do not come by."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.api.base import parse
from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.conditions import Phase, stalled
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.brokers import desired, policy
from agentmemory.brokers.world import Volume, World
from agentmemory.core.errors import Denied, Transient
from agentmemory.engines.placement import Lost
from agentmemory.engines.pods import PodState, Trouble
from agentmemory.engines.sight import Sight
from tests.engines.builders import NOW, pod_view, pool_model

IDS = frozenset({1000, 1001, 1002})
WELL = Sight(registered=IDS, leader=0, voters=frozenset({0, 1, 2}))
SILENT = Sight(error=Transient("X", "no answer"))
STUCK = Trouble("CrashLoopBackOff", "it ends again and again")


def cluster(
    generation: int = 1, reason: str = "Ready", ready: int = 3, version: str | None = None, **metadata: Any
) -> MemoryCluster:
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": reason,
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return parse(
        MemoryCluster,
        {
            "metadata": {"name": "mem", "namespace": "data", "uid": "u", "generation": generation, **metadata},
            "spec": {"engine": "kafka"} | ({} if version is None else {"version": version}),
            "status": {
                "observedGeneration": 1,
                "clusterId": "id",
                "conditions": [condition],
                "controllers": {"desired": 3, "ready": ready},
            },
        },
    )


def world(**changes: Any) -> World:
    fixed: dict[str, Any] = {
        "pool": pool_model(),
        "now": NOW,
        "patience": timedelta(minutes=5),
        "cluster": cluster(),
        "authority": {},
        "ids": IDS,
        "pods": {node: pod_view(node) for node in IDS},
        "sight": WELL,
    }
    return World(**(fixed | changes))


def changed(**changes: Any) -> dict[int, Any]:
    return {node: pod_view(node, **changes) if node == 1001 else pod_view(node) for node in IDS}


def test_all_well() -> None:
    assert policy.first(policy.GATES, world()) is None
    assert policy.judge(world()) == Phase("Ready", "Ready", "3 brokers registered")
    one = world(pool=pool_model(replicas=1), ids=frozenset({1000}))
    assert policy.judge(one).message == "1 broker registered"
    none = world(pool=pool_model(replicas=0), ids=frozenset(), sight=SILENT)
    assert policy.judge(none).kind == "Ready"


LATE = NOW - timedelta(minutes=6)
FOUND = {
    "stuck": (world(pods=changed(trouble=STUCK)), "CrashLoopBackOff", "Failed", "again"),
    "its machine is lost": (world(lost=(Lost(pod_view(1001), "n1"),)), "NodeLost", "Failed", "n1"),
    "a hindrance": (world(hindrances=(stalled("VolumeCannotGrow", "x"),)), "VolumeCannotGrow", "Registered", "x"),
    "a roll-out": (world(rolling=Phase("Progressing", "Rolling", "x")), "Rolling", "Registered", "x"),
    "no pod": (
        world(pods={1000: pod_view(1000), 1002: pod_view(1002)}),
        "BrokersStarting",
        "Pending",
        "waiting for mem-1001",
    ),
    "its pod waits": (world(pods=changed(state=PodState.PENDING)), "BrokersStarting", "Pending", "mem-1001"),
    "its pod ends": (world(pods=changed(state=PodState.ENDING)), "BrokersStarting", "Pending", "mem-1001"),
    "it starts": (world(pods=changed(state=PodState.STARTING)), "BrokersStarting", "Starting", "mem-1001"),
    "it starts for long": (
        world(pods=changed(state=PodState.STARTING, running_since=LATE)),
        "NotRegistered",
        "Failed",
        "300 s",
    ),
    "it is fenced": (
        world(sight=replace(WELL, registered=frozenset({1000, 1002}))),
        "BrokersStarting",
        "Starting",
        "to be registered",
    ),
    "it is fenced for long": (
        world(sight=replace(WELL, registered=frozenset({1000, 1002})), pods=changed(running_since=LATE)),
        "NotRegistered",
        "Failed",
        "kubectl logs mem-1001",
    ),
    "brokers are still to be made": (world(pool=pool_model(replicas=4)), "BrokersStarting", "Registered", "made"),
    "it starts for just as long as it may": (
        world(pods=changed(state=PodState.STARTING, running_since=NOW - timedelta(minutes=5))),
        "BrokersStarting",
        "Starting",
        "waiting for mem-1001",
    ),
    "more brokers than wanted": (
        world(pool=pool_model(replicas=2)),
        "ScaleDownUnsupported",
        "Registered",
        "Set replicas back to 3",
    ),
    "Kafka is silent": (world(sight=SILENT, pods=changed(running_since=LATE)), "KafkaUnavailable", "Starting", "no"),
    "Kafka refuses us": (world(sight=Sight(error=Denied("X", "no right"))), "KafkaRefuses", "Starting", "no right"),
}


@pytest.mark.parametrize("case", FOUND)
def test_judged(case: str) -> None:
    made, reason, state, words = FOUND[case]
    found = policy.judge(made)
    assert found.reason == reason
    assert words in found.message
    assert policy.state_of(made, 1001) == state
    assert policy.reason_of(made, 1001) == (reason if state == "Failed" else "")


GATES = {
    "no cluster": (world(cluster=None), "ClusterNotFound", "data/mem"),
    "a cluster that cannot be read": (world(cluster=None, cluster_fault="bad"), "ClusterInvalid", "bad"),
    "a cluster on its way out": (
        world(cluster=cluster(deletionTimestamp="2026-01-01T00:00:00Z")),
        "ClusterTerminating",
        "volumes stay",
    ),
    "a cluster without its authority": (world(authority=None), "ClusterNotReady", "identity"),
    "a cluster that is refused": (
        world(cluster=cluster(version="4.999.0")),
        "ClusterRefused",
        "MemoryCluster mem is refused: spec.version 4.999.0 is not known",
    ),
    "a pool that is refused": (
        world(pool=pool_model(resources={"cpu": "1", "memory": "100Mi"})),
        "MemoryTooSmall",
        "spec.resources.memory is 100Mi",
    ),
    "volumes of another cluster": (
        world(volumes={1000: Volume(1000, "other", ending=False), 1001: Volume(1001, "id", ending=False)}),
        "VolumesFound",
        "volume claim mem-1000 holds data of Kafka cluster other",
    ),
    "nobody's volumes": (
        world(volumes={1000: Volume(1000, None, ending=False)}),
        "VolumesFound",
        "nobody knows which",
    ),
}


@pytest.mark.parametrize("case", GATES)
def test_gates(case: str) -> None:
    made, reason, words = GATES[case]
    found = policy.first(policy.GATES, made)
    assert found is not None
    assert found.reason == reason
    assert words in found.message


def test_checks_of_a_cluster_that_is_not_there_find_nothing() -> None:
    """Each check stands alone: what an earlier one would have said is passed over, not met with a crash."""
    gone = world(cluster=None, volumes={1000: Volume(1000, "other", ending=False)})
    assert policy.cluster_is_sound(gone) is None
    found = policy.volumes_are_the_clusters(gone)
    assert found is not None
    assert "MemoryCluster mem is None" in found.message


def remembered(**states: str) -> BrokerPool:
    """A pool whose status says so of `mem-<id>`; written as mem1001="Registered"."""
    brokers = [{"id": int(name[3:]), "pod": f"mem-{name[3:]}", "state": state} for name, state in states.items()]
    return parse(BrokerPool, {**pool_model().model_dump(by_alias=True, mode="json"), "status": {"brokers": brokers}})


@pytest.mark.parametrize(
    ("known", "state"),
    [
        ({}, "Starting"),
        ({"mem1001": "Registered"}, "Registered"),
        ({"mem1001": "Starting"}, "Starting"),
        ({"mem1000": "Registered"}, "Starting"),
        ({"mem1000": "Registered", "mem1001": "Failed"}, "Starting"),
        ({"mem1000": "Failed", "mem1001": "Registered"}, "Registered"),
    ],
)
def test_what_kafka_said_last_stands_while_it_is_silent(known: dict[str, str], state: str) -> None:
    assert policy.state_of(world(pool=remembered(**known), sight=SILENT), 1001) == state


@pytest.mark.parametrize(
    ("replicas", "ids", "waiting", "used", "expected"),
    [
        (3, (), (), (), (1000, 1001, 1002)),
        (3, (), (), (1000, 1002), (1001, 1003, 1004)),
        (3, (1005,), (), (1000,), (1001, 1002, 1005)),
        (3, (1005,), (1007, 1009), (), (1005, 1007, 1009)),
        (3, (1005, 1006), (1009, 1007), (), (1005, 1006, 1007)),
        (1, (1005, 1006), (1007,), (), (1005, 1006)),
    ],
)
def test_the_lowest_free_ids_are_taken(
    replicas: int, ids: tuple[int, ...], waiting: tuple[int, ...], used: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    volumes = {node: Volume(node, "id", ending=False) for node in waiting}
    made = world(
        pool=pool_model(replicas=replicas),
        ids=frozenset(ids),
        volumes=volumes,
        taken=frozenset(used[:1]),
        sight=Sight(registered=frozenset(used[1:])),
    )
    assert policy.wanted_ids(made) == expected


def test_the_engine_needs_a_cluster() -> None:
    with pytest.raises(ValueError, match="not there"):
        assert world(cluster=None).engine


@pytest.mark.parametrize(
    ("found", "held"),
    [
        (cluster(), False),
        (cluster(generation=2), True),
        (cluster(reason="Rolling"), True),
        (cluster(reason="WaitingForKafka"), True),
        (cluster(ready=2), True),
        (None, True),
    ],
)
def test_controllers_take_up_a_change_first(found: MemoryCluster | None, held: bool) -> None:
    assert bool(policy.hold_of(world(cluster=found))) is held


@given(
    replicas=st.integers(0, 8),
    ids=st.frozensets(st.integers(1000, 1010), max_size=6),
    waiting=st.frozensets(st.integers(1000, 1010), max_size=6),
    taken=st.frozensets(st.integers(1000, 1010), max_size=6),
    registered=st.frozensets(st.integers(1000, 1010), max_size=6),
)
def test_ids(
    replicas: int, ids: frozenset[int], waiting: frozenset[int], taken: frozenset[int], registered: frozenset[int]
) -> None:
    volumes = {node: Volume(node, "id", ending=False) for node in waiting}
    others = taken - ids - waiting
    made = world(
        pool=pool_model(replicas=replicas), ids=ids, volumes=volumes, taken=others, sight=Sight(registered=registered)
    )
    wanted = set(policy.wanted_ids(made))
    assert len(wanted) == max(replicas, len(ids))
    assert ids <= wanted
    assert not wanted & others
    new = wanted - ids - waiting
    assert not new & registered
    if new:
        assert waiting <= wanted


def test_a_brokers_disk() -> None:
    ephemeral = world(pool=pool_model(storage={"type": "Ephemeral", "size": "1Gi"}))
    plan = desired.broker_plan(ephemeral, cluster(), 1000, "image")
    assert plan.mode == "join"
    assert desired.broker_claim(plan) is None
    claim = desired.broker_claim(desired.broker_plan(world(), cluster(), 1000, "image"))
    assert claim is not None
    assert claim["metadata"]["annotations"] == {"agentmemory.dev/cluster-id": "id"}
