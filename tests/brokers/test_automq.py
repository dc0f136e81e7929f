"""The engine for which brokers leave, as it is declared: with its buckets, its pods and its controllers."""

from tests.brokers.shared_storage import brokers_of, objects_of, steps
from tests.clusters.test_automq import KEYS, automq, bucket, declare, ops, secret, stage_for
from tests.engines.stage import NAMESPACE, POOL_KEY, pool
from tests.fakekube.fixture import World


async def test_a_cluster_of_engine_automq_shrinks_and_loses_a_machine(world: World) -> None:
    stage = stage_for(world)
    stage.kafka.make("acme.a.b.events", 9)
    declare(world, secret(KEYS), bucket(), ops(), automq(), pool(replicas=3))
    await stage.settle(within=60)
    await world.clock.advance(3600)
    await stage.settle()
    stage.kafka.calls.clear()
    assert world.get(f"Pod/{NAMESPACE}/mem-1002")["spec"]["terminationGracePeriodSeconds"] >= 120

    world.edit(POOL_KEY, {"spec": {"replicas": 2}})
    await stage.settle(within=60)
    assert steps(stage) == ["exclude_broker", "reassign", "unregister_broker", "readmit_broker"]
    assert brokers_of(world) == {1000: "Registered", 1001: "Registered"}
    assert objects_of(world, 1002) == []

    silent = {"conditions": [{"type": "Ready", "status": "Unknown"}]}
    world.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "lost"}, "status": silent})
    world.edit(f"Pod/{NAMESPACE}/mem-1001", {"spec": {"nodeName": "lost"}})
    stage.kafka.brokers.pop(1001)
    await stage.settle(within=60)
    assert brokers_of(world) == {1000: "Registered", 1002: "Registered"}
    assert world.condition(POOL_KEY)["message"] == "2 brokers registered"
