"""Each check by itself, where the stories do not come by."""

from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentmemory.api.conditions import Phase, stalled
from agentmemory.clusters import desired, policy, status
from agentmemory.clusters.world import World
from agentmemory.core.errors import Denied, Transient
from agentmemory.engines.kafka import pki
from agentmemory.engines.kafka.engine import KafkaEngine
from agentmemory.engines.kafka.quorum import Claim, plan
from agentmemory.engines.placement import Lost
from agentmemory.engines.pods import PodState, Trouble
from agentmemory.engines.sight import Sight
from tests.engines.builders import NOW, cluster_model, pod_view, pool_model

WELL = Sight(registered=frozenset({1000, 1001, 1002}), leader=0, voters=frozenset({0, 1, 2}))
NODES = (0, 1, 2, 1000, 1001, 1002)


def world(**changes: Any) -> World:
    cluster = changes.pop("cluster", cluster_model())
    own = (
        cluster.status.cluster_id
        or plan(World(cluster, KafkaEngine(), NOW, {}, {}, (), None, None).evidence).cluster_id
    )
    fixed: dict[str, Any] = {
        "claims": {node: Claim(node, own, f"d-{node}", begun=True) for node in range(3)},
        "pods": {node: pod_view(node) for node in NODES},
        "pools": (pool_model(),),
        "quorum_map": {"data": {"mode": "join"}},
        "authority": None,
        "sight": WELL,
    }
    return World(cluster, KafkaEngine(), NOW, **(fixed | changes))


def test_all_well() -> None:
    assert policy.judge(world()) == Phase("Ready", "Ready", "3 controllers and the brokers are up")
    lone = world(cluster=cluster_model(controllers={"replicas": 1}))
    assert policy.judge(lone).message == "1 controller and the brokers are up"


def changed(node_id: int, **changes: Any) -> dict[int, Any]:
    return {node: pod_view(node, **changes) if node == node_id else pod_view(node) for node in NODES}


STUCK = Trouble("ImagePullBackOff", "no such image")
LATER = stalled("VolumeCannotGrow", "it cannot")

FOUND = {
    "a stuck controller": (world(pods=changed(1, trouble=STUCK)), "ImagePullBackOff", "no such image"),
    "a stuck broker is its pool's to tell": (world(pods=changed(1000, trouble=STUCK)), "Ready", ""),
    "a hindrance": (world(hindrances=(LATER,)), "VolumeCannotGrow", ""),
    "a lost machine": (world(lost=(Lost(pod_view(1), "n7"),)), "NodeLost", "pod mem-1 is on node n7"),
    "a roll-out": (world(rolling=Phase("Progressing", "Rolling", "x")), "Rolling", "x"),
    "a controller that starts": (world(pods=changed(2, state=PodState.STARTING)), "ControllersStarting", "mem-2"),
    "no pools": (world(pools=()), "NoBrokers", "spec.clusterRef.name mem"),
    "pools without brokers": (world(pools=(pool_model(replicas=0),)), "FactorExceedsBrokers", "0 brokers"),
    "one broker for three copies": (world(pools=(pool_model(replicas=1),)), "FactorExceedsBrokers", "1 broker:"),
    "Kafka is silent": (world(sight=Sight(error=Transient("X", "no answer"))), "KafkaUnavailable", "no answer"),
    "Kafka refuses us": (world(sight=Sight(error=Denied("X", "no right"))), "KafkaRefuses", "no right"),
    "no broker is up": (
        world(
            sight=Sight(error=Transient("X", "no answer")),
            pods={node: pod_view(node, PodState.STARTING if node > 2 else PodState.READY) for node in NODES},
        ),
        "BrokersStarting",
        "to be ready",
    ),
    "no leader": (world(sight=replace(WELL, leader=-1)), "NoQuorum", "majority"),
    "one does not vote": (world(sight=replace(WELL, voters=frozenset({0, 2}))), "VoterMissing", "controller 1"),
    "fewer brokers than copies": (world(sight=replace(WELL, registered=frozenset({1000}))), "BrokersStarting", "3"),
}


@pytest.mark.parametrize("case", FOUND)
def test_judged(case: str) -> None:
    made, reason, words = FOUND[case]
    found = policy.judge(made)
    assert found.reason == reason
    assert words in found.message


CA = pki.new_authority("mem", NOW)
AUTHORITY = {
    "data": {name: b64encode(text.encode()).decode() for name, text in (("ca.crt", CA.cert), ("ca.key", CA.key))}
}
GATES = {
    "a version that nobody knows": (world(cluster=cluster_model(version="4.999.0")), "UnknownVersion", "4.999.0"),
    "volumes of another cluster": (
        world(claims={0: Claim(0, "other", "d", begun=True)}, authority=AUTHORITY),
        "VolumesFound",
        "mem-0",
    ),
    "no authority under running nodes": (world(), "AuthorityLost", "mem"),
    "an authority that has ended": (
        replace(world(authority=AUTHORITY), now=NOW + timedelta(days=36_500)),
        "AuthorityUnusable",
        "Secret mem-ca",
    ),
}


@pytest.mark.parametrize("case", GATES)
def test_gates(case: str) -> None:
    made, reason, words = GATES[case]
    found = policy.first(policy.GATES, made)
    assert found is not None
    assert found.reason == reason
    assert words in found.message


@pytest.mark.parametrize("made", [world(authority=AUTHORITY), world(pods={})], ids=["an authority", "no nodes yet"])
def test_nothing_is_in_the_way(made: World) -> None:
    assert policy.first(policy.GATES, made) is None


def test_more_brokers_than_copies_can_lose_one() -> None:
    sight = replace(WELL, registered=frozenset({1000, 1001, 1002, 1003}))
    assert policy.judge(world(sight=sight)).kind == "Ready"


def test_what_kafka_knew_stays_while_it_is_silent() -> None:
    previous = {"status": {"controllers": {"voters": [0, 1, 2]}, "brokers": {"registered": 3}, "kafkaVersion": "4.3.1"}}
    obj = {"metadata": {"generation": 1}, **previous}
    silent = world(sight=Sight(error=Transient("X", "y")), pods=changed(1, state=PodState.STARTING))
    made = status.of_cluster(obj, silent, plan(silent.evidence), policy.judge(silent))
    assert made["controllers"] == {"desired": 3, "ready": 2, "voters": [0, 1, 2]}
    assert made["brokers"] == {"registered": 3}
    assert made["kafkaVersion"] == "4.3.1"


def test_a_region_is_not_verified() -> None:
    entries = status.enforcement(cluster_model(region={"name": "eu-central-1"}))
    assert {entry.path: entry.state for entry in entries}["spec.region.name"] == "Unverified"


def test_claims_are_made_for_all_or_only_where_the_quorum_allows() -> None:
    new = world(claims={}, quorum_map=None, sight=Sight(error=Transient("X", "y")))
    assert len(desired.claims(new, plan(new.evidence))) == 3
    two = {node: claim for node, claim in world().claims.items() if node != 1}
    silent = world(claims=two, sight=Sight(error=Transient("X", "y")))
    names = [made["metadata"]["name"] for made in desired.claims(silent, plan(silent.evidence))]
    assert names == ["mem-0", "mem-2"]


@pytest.mark.parametrize(("replicas", "least"), [(1, 0), (3, 2)])
def test_budget_of_controllers(replicas: int, least: int) -> None:
    made = desired.once(world(cluster=cluster_model(controllers={"replicas": replicas})), "ca")
    budgets = {
        found["metadata"]["name"]: found["spec"]["minAvailable"] for found in made if "Disruption" in found["kind"]
    }
    assert budgets == {"mem-controllers": least, "mem-brokers": 2}
