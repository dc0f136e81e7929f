"""A broker's plan, whole."""

import pytest

from agentmemory.brokers import desired
from agentmemory.engines.base import Disk, NodePlan, Owner
from tests.brokers.test_policy import cluster, world
from tests.engines.builders import pool_model

POOL = pool_model(
    storage={"type": "Persistent", "size": "7Gi", "storageClassName": "fast"}, resources={"cpu": "3", "memory": "3Gi"}
)


def test_a_brokers_plan_takes_everything_from_its_pool_and_cluster() -> None:
    made, of = world(pool=POOL), cluster()
    assert desired.broker_plan(made, of, 1001, "kafka:9", "print") == NodePlan(
        node=made.node(1001),
        cluster=of,
        cluster_id="id",
        image="kafka:9",
        resources=POOL.spec.resources,
        disk=Disk(True, POOL.spec.storage.size, "fast"),
        owner=Owner("BrokerPool", "main", "uid-of-main"),
        tls_hash="print",
        mode="join",
    )
    assert desired.broker_plan(made, of, 1001, "kafka:9").tls_hash == ""


def test_a_cluster_without_identity_gives_none() -> None:
    of = cluster()
    new = of.model_copy(update={"status": of.status.model_copy(update={"cluster_id": None})})
    assert desired.broker_plan(world(), new, 1000, "i").cluster_id == ""


@pytest.mark.parametrize(("kind", "claim"), [("Persistent", True), ("Ephemeral", False)])
def test_where_a_broker_keeps_its_log(kind: str, claim: bool) -> None:
    pool = pool_model(storage={"type": kind, "size": "7Gi"})
    assert desired.broker_disk(world(pool=pool)) == Disk(claim, pool.spec.storage.size, None)
