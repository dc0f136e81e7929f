"""A broker that holds nothing is replaced under a new id when it is lost or stuck; its old id is unregistered."""

from typing import Any

import pytest

from agentmemory.kafka.model import BrokerView
from tests.brokers.shared_storage import (
    brokers_of,
    objects_of,
    rise,
    rise_and_age,
    set_stage,
    steps,
    use_shared_storage,
)
from tests.engines.stage import NAMESPACE, POOL_KEY, STAMP, Stage
from tests.fakekube.fixture import World

Object = dict[str, Any]

STAYS = "somebody.else/waits"
STUCK = {
    "conditions": [
        {"type": "Initialized", "status": "True", "lastTransitionTime": STAMP},
        {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:01:00Z"},
    ],
    "containerStatuses": [
        {
            "name": "kafka",
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting"}},
            "lastState": {"terminated": {"reason": "Error", "exitCode": 1}},
        }
    ],
}


@pytest.fixture(autouse=True)
def shared_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    use_shared_storage(monkeypatch)


def machine(name: str, ready: bool) -> Object:
    status = {"conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}


def place(stage: Stage, pod: str, on: str) -> None:
    stage.world.edit(f"Pod/{NAMESPACE}/{pod}", {"spec": {"nodeName": on}})


def fence(stage: Stage, node_id: int) -> None:
    """Kafka misses it, and another broker has taken its partitions over."""
    stage.kafka.brokers[node_id] = BrokerView(f"mem-{node_id}", 9091, None, fenced=True)
    stage.kafka.place()


async def lose(stage: Stage, name: str = "mem-1001", *, gone: bool = False) -> None:
    """Its machine goes silent, or is no more; the pod's object stays while the kubelet does not answer."""
    if not gone:
        stage.world.put(machine("lost", ready=False))
    place(stage, name, "lost")
    stage.world.edit(f"Pod/{NAMESPACE}/{name}", {"metadata": {"finalizers": [STAYS]}})
    fence(stage, int(name.removeprefix("mem-")))
    await stage.settle(within=60)


async def test_a_silent_machine_costs_no_time(world: World) -> None:
    """A new broker at once; the old id is unregistered while its pod still hangs on the lost machine."""
    stage = set_stage(world)
    await rise_and_age(stage)
    await lose(stage)
    assert brokers_of(world) == {1000: "Registered", 1001: "Leaving", 1002: "Registered", 1003: "Registered"}
    assert [call.items for call in stage.kafka.of("unregister_broker")] == [(1001,)]
    told = world.condition(POOL_KEY)
    assert told["status"] == "True"
    assert "its pod goes with its machine" in told["message"]
    world.fake.requests.clear()
    stage.kafka.calls.clear()
    await world.resync(within=60)
    assert world.fake.requests.writes() == []
    assert len(stage.kafka.of("excluded_brokers")) == 3  # at the pace of a pool at rest
    world.edit(f"Pod/{NAMESPACE}/mem-1001", {"metadata": {"finalizers": None}})
    await stage.settle(within=60)
    assert objects_of(world, 1001) == []
    assert brokers_of(world) == {1000: "Registered", 1002: "Registered", 1003: "Registered"}


async def test_the_old_id_is_not_given_again_while_kafka_knows_it(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    stage.kafka.streams_open.add(1001)
    await lose(stage)
    world.edit(POOL_KEY, {"spec": {"replicas": 4}})
    await stage.settle(within=60)
    assert set(brokers_of(world)) == {1000, 1001, 1002, 1003, 1004}
    assert stage.kafka.of("unregister_broker") == []
    stage.kafka.streams_open.clear()
    await stage.settle(within=60)
    assert [call.items for call in stage.kafka.of("unregister_broker")] == [(1001,)]


async def test_a_machine_that_is_no_more(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    await lose(stage, gone=True)
    assert brokers_of(world)[1003] == "Registered"
    world.edit(f"Pod/{NAMESPACE}/mem-1001", {"metadata": {"finalizers": None}})
    await stage.settle(within=60)
    assert brokers_of(world) == {1000: "Registered", 1002: "Registered", 1003: "Registered"}


async def test_a_broker_that_serves_on_a_silent_machine_is_left_alone(world: World) -> None:
    """Only its kubelet is away: Kafka has it."""
    stage = set_stage(world)
    await rise_and_age(stage)
    world.put(machine("quiet", ready=False))
    place(stage, "mem-1001", "quiet")
    before = stage.pods()
    await world.resync(within=60)
    assert stage.pods() == before
    assert brokers_of(world)[1001] == "Registered"


async def test_two_lost_at_once_are_both_replaced(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    world.put(machine("lost", ready=False))
    for node_id in (1000, 1001):
        place(stage, f"mem-{node_id}", "lost")
        fence(stage, node_id)
    await stage.settle(within=120)
    assert brokers_of(world) == {1002: "Registered", 1003: "Registered", 1004: "Registered"}
    assert {call.items[0] for call in stage.kafka.of("unregister_broker")} == {1000, 1001}


async def test_all_lost_at_once_come_back_under_new_ids(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    world.put(machine("lost", ready=False))
    for node_id in (1000, 1001, 1002):
        place(stage, f"mem-{node_id}", "lost")
        stage.set_status(f"mem-{node_id}", STUCK)
        fence(stage, node_id)
    await stage.settle(within=120)
    assert brokers_of(world) == dict.fromkeys((1003, 1004, 1005), "Registered")
    assert {call.items[0] for call in stage.kafka.of("unregister_broker")} == {1000, 1001, 1002}


async def test_a_stuck_broker_is_replaced_once(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    stage.set_status("mem-1001", STUCK)
    fence(stage, 1001)
    stage.hold.add("mem-1003")
    await stage.settle(within=60)
    assert set(brokers_of(world)) == {1000, 1002, 1003}
    stage.set_status("mem-1003", STUCK | {"conditions": []})
    await stage.settle(within=60)
    assert brokers_of(world)[1003] == "Failed"
    assert set(stage.pods()) == {"mem-0", "mem-1", "mem-2", "mem-1000", "mem-1002", "mem-1003"}


async def test_a_stuck_broker_waits_while_another_is_young(world: World) -> None:
    stage = set_stage(world)
    await rise(stage)
    stage.set_status("mem-1001", STUCK)
    fence(stage, 1001)
    await stage.settle(within=60)
    assert brokers_of(world)[1001] == "Failed"
    assert world.condition(POOL_KEY)["reason"] == "CrashLoopBackOff"
    await world.clock.advance(600)
    await stage.settle(within=60)
    assert set(brokers_of(world)) == {1000, 1002, 1003}


async def test_what_ails_all_is_not_cured_by_new_ids(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    for node_id in (1000, 1001, 1002):
        stage.set_status(f"mem-{node_id}", STUCK)
        fence(stage, node_id)
    await stage.settle(within=60)
    assert brokers_of(world) == dict.fromkeys((1000, 1001, 1002), "Failed")
    assert steps(stage) == []


async def test_a_deleted_pod_comes_back_under_its_id(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    world.delete(f"Pod/{NAMESPACE}/mem-1001")
    await stage.settle(within=60)
    assert brokers_of(world) == dict.fromkeys((1000, 1001, 1002), "Registered")
    assert stage.kafka.of("unregister_broker") == []


async def test_a_ghost_of_kafkas_is_not_an_id_to_give(world: World) -> None:
    """Known to AutoMQ, fenced, and of no pool: DescribeCluster of Kafka 3.9 does not show it."""
    stage = set_stage(world)
    await rise_and_age(stage)
    stage.kafka.known_nodes.add(1003)
    world.edit(POOL_KEY, {"spec": {"replicas": 4}})
    await stage.settle(within=60)
    assert set(brokers_of(world)) == {1000, 1001, 1002, 1004}


async def test_fenced_for_long_it_is_replaced_and_not_before(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    fence(stage, 1001)
    await stage.settle(within=60)
    assert brokers_of(world)[1001] == "Failed"
    assert world.condition(POOL_KEY)["reason"] == "NotRegistered"
    await world.clock.advance(300)
    await stage.settle(within=60)
    assert brokers_of(world) == dict.fromkeys((1000, 1002, 1003), "Registered")


async def test_the_roll_out_does_not_wait_for_one_that_is_lost_for_good(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    await lose(stage)
    before = stage.pods()
    world.edit(POOL_KEY, {"spec": {"resources": {"memory": "2Gi"}}})
    await stage.settle(within=120)
    replaced = {name for name, uid in stage.pods().items() if before[name] != uid}
    assert replaced == {"mem-1000", "mem-1002", "mem-1003"}
