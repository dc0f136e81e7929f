"""A cluster's objects, whole: what is given reaches them, and nothing else does."""

from dataclasses import replace
from typing import Any

import pytest

from agentmemory.clusters import desired
from agentmemory.clusters.world import World
from agentmemory.engines.base import Disk, Node, NodePlan, Owner
from agentmemory.engines.kafka.quorum import Claim, Quorum
from tests.clusters.test_policy import world
from tests.engines.builders import cluster_model, pool_model

DIRECTORIES = {0: "dir-0", 1: "dir-1", 2: "dir-2"}
NEW = Quorum("the-id", begun=False, directories=DIRECTORIES, initial=frozenset({0, 1, 2}), create=(0, 1, 2))
BEGUN = replace(NEW, begun=True, create=())
STORAGE = {"storage": {"size": "7Gi", "storageClassName": "fast"}, "resources": {"cpu": "3", "memory": "3Gi"}}


@pytest.fixture
def fast() -> World:
    return world(cluster=cluster_model(controllers=STORAGE), claims={})


def test_a_controllers_plan_takes_everything_from_the_cluster(fast: World) -> None:
    node = Node("mem", "data", 1, "controller")
    plan = desired.controller_plan(fast, NEW, node, "kafka:9", "print")
    assert plan == NodePlan(
        node=node,
        cluster=fast.cluster,
        cluster_id="the-id",
        image="kafka:9",
        resources=fast.cluster.spec.controllers.resources,
        disk=Disk(True, fast.cluster.spec.controllers.storage.size, "fast"),
        owner=Owner("MemoryCluster", "mem", "uid-of-mem"),
        tls_hash="print",
        mode="bootstrap",
    )
    assert desired.controller_plan(fast, NEW, node, "kafka:9").tls_hash == ""


def test_only_an_initial_controller_of_a_quorum_that_has_not_begun_may_bootstrap(fast: World) -> None:
    node = Node("mem", "data", 1, "controller")
    assert desired.controller_plan(fast, BEGUN, node, "i").mode == "join"
    assert desired.controller_plan(fast, replace(NEW, initial=frozenset({0, 2})), node, "i").mode == "join"


def marks(claim: dict[str, Any]) -> dict[str, str]:
    return {name.rpartition("/")[2]: value for name, value in claim["metadata"]["annotations"].items()}


def test_the_claims_of_a_new_cluster_name_their_directories(fast: World) -> None:
    made = desired.claims(fast, NEW)
    assert [claim["metadata"]["name"] for claim in made] == ["mem-0", "mem-1", "mem-2"]
    assert [marks(claim) for claim in made] == [
        {"cluster-id": "the-id", "directory-id": f"dir-{node}"} for node in range(3)
    ]
    for claim in made:
        assert claim["spec"]["resources"]["requests"]["storage"] == "7Gi"
        assert claim["spec"]["storageClassName"] == "fast"
        assert "ownerReferences" not in claim["metadata"], "it outlives the cluster"


def test_a_claim_that_comes_later_joins_and_one_that_may_not_be_made_is_not() -> None:
    claims = {node: Claim(node, "the-id", None, begun=True) for node in (0, 1)}
    later = replace(BEGUN, initial=frozenset({0}), create=(2,))
    made = desired.claims(world(claims=claims), later)
    assert [marks(claim) for claim in made] == [
        {"cluster-id": "the-id", "directory-id": "dir-0", "quorum-begun": "true"},
        {"cluster-id": "the-id", "quorum-begun": "true"},
        {"cluster-id": "the-id", "quorum-begun": "true"},
    ]
    waits = desired.claims(world(claims=claims), replace(later, create=()))
    assert [claim["metadata"]["name"] for claim in waits] == ["mem-0", "mem-1"]


def test_a_controllers_disk_is_always_a_claim(fast: World) -> None:
    assert desired.controller_disk(fast) == Disk(True, fast.cluster.spec.controllers.storage.size, "fast")


@pytest.mark.parametrize(("quorum", "mode"), [(NEW, "bootstrap"), (BEGUN, "join")])
def test_how_an_empty_volume_may_be_formatted(quorum: Quorum, mode: str) -> None:
    made = desired.quorum_config(world(), quorum)
    assert made["kind"] == "ConfigMap"
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("mem-quorum", "data")
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-of-mem"
    voters = ",".join(f"{node}@mem-{node}.data.svc:9093:dir-{node}" for node in range(3))
    assert made["data"] == {"mode": mode, "initial-controllers": voters}


def test_what_a_cluster_has_once() -> None:
    made = desired.once(world(pools=(pool_model(replicas=4), pool_model(replicas=2))), "the authority")
    by_name = {(found["kind"], found["metadata"]["name"]): found for found in made}
    assert set(by_name) == {
        ("ConfigMap", "mem-ca-public"),
        ("Service", "mem-bootstrap"),
        ("PodDisruptionBudget", "mem-controllers"),
        ("PodDisruptionBudget", "mem-brokers"),
    }
    for found in made:
        assert found["metadata"]["namespace"] == "data"
        (owner,) = found["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("MemoryCluster", "mem", "uid-of-mem")
        assert found["metadata"]["labels"]["app.kubernetes.io/instance"] == "mem"
    assert by_name["ConfigMap", "mem-ca-public"]["data"] == {"ca.crt": "the authority"}
    budgets = {name: by_name["PodDisruptionBudget", f"mem-{name}"]["spec"] for name in ("controllers", "brokers")}
    assert (budgets["controllers"]["minAvailable"], budgets["brokers"]["minAvailable"]) == (2, 5)
    for name, budget in budgets.items():
        assert name.removesuffix("s") in budget["selector"]["matchLabels"].values()


@pytest.mark.parametrize(("wanted", "least"), [(0, 0), (1, 0), (2, 1), (3, 2)])
def test_one_broker_may_go_at_a_time(wanted: int, least: int) -> None:
    made = desired.once(world(pools=(pool_model(replicas=wanted),)), "ca")
    assert [found["spec"]["minAvailable"] for found in made if found["metadata"]["name"] == "mem-brokers"] == [least]


def test_where_clients_connect() -> None:
    assert desired.client_bootstrap(world()) == "mem-bootstrap.data.svc:9092"
