"""Brokers that hold nothing leave one by one: order, refusals, a change of mind, a process that dies anywhere."""

import itertools
from typing import Any

import pytest

from agentmemory.core.errors import OperatorError
from tests.brokers.shared_storage import (
    brokers_of,
    objects_of,
    rise,
    rise_and_age,
    set_stage,
    steps,
    use_shared_storage,
)
from tests.engines.stage import NAMESPACE, POOL_KEY, Stage, pool
from tests.fakekafka import Call, timed_out
from tests.fakekube.fixture import World


@pytest.fixture(autouse=True)
def shared_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    use_shared_storage(monkeypatch)


async def scale(stage: Stage, replicas: int, within: float = 60.0) -> None:
    stage.world.edit(POOL_KEY, {"spec": {"replicas": replicas}})
    await stage.settle(within=within)


def is_gone(stage: Stage, node_id: int) -> bool:
    kafka = stage.kafka
    known = kafka.known_nodes | kafka.excluded | kafka.brokers.keys() | set(kafka.placed.values())
    return node_id not in known and objects_of(stage.world, node_id) == []


async def test_a_broker_leaves_in_order(world: World) -> None:
    stage = set_stage(world, partitions=200)
    await rise_and_age(stage)
    before = stage.pods()
    await scale(stage, 2)
    assert steps(stage) == ["exclude_broker", "reassign", "unregister_broker", "readmit_broker"]
    assert [len(call.items) for call in stage.kafka.of("reassign")] == [50, 16]
    assert is_gone(stage, 1002)
    assert sorted(stage.kafka.placed.values()) == [1000] * 100 + [1001] * 100
    assert brokers_of(world) == {1000: "Registered", 1001: "Registered"}
    assert world.condition(POOL_KEY)["message"] == "2 brokers registered"
    assert {name: uid for name, uid in before.items() if name != "mem-1002"} == stage.pods()


async def test_a_list_that_kafka_hides_holds_nobody_up(world: World) -> None:
    """It does so with settings that it does not know by itself: what is written cannot be read back."""
    stage = set_stage(world)
    stage.kafka.hides_excluded = True
    await rise_and_age(stage)
    await scale(stage, 2)
    assert is_gone(stage, 1002)
    assert list(dict.fromkeys(steps(stage))) == ["exclude_broker", "reassign", "unregister_broker", "readmit_broker"]


async def test_at_rest_nothing_is_written(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    await scale(stage, 2)
    world.fake.requests.clear()
    stage.kafka.calls.clear()
    await world.resync()
    assert world.fake.requests.writes() == []
    assert stage.kafka.writes() == []


async def test_while_partitions_move_the_pool_is_ready_and_says_so_once(world: World) -> None:
    stage = set_stage(world)
    stage.kafka.slow_moves = True
    await rise_and_age(stage)
    await scale(stage, 2)
    told = world.condition(POOL_KEY)
    assert (told["status"], told["reason"]) == ("True", "Draining")
    assert told["message"] == "2 brokers registered; mem-1002 leaves: moving its partitions to other brokers"
    assert world.condition(POOL_KEY, "Reconciling")["status"] == "False"
    assert brokers_of(world)[1002] == "Leaving"
    assert world.get(POOL_KEY)["status"]["readyReplicas"] == 2
    assert len(stage.kafka.of("reassign")) == 1
    world.fake.requests.clear()
    await stage.settle(within=20)
    assert world.fake.requests.writes() == []
    stage.kafka.finish_moves()
    await stage.settle(within=60)
    assert is_gone(stage, 1002)


async def test_its_pod_goes_only_when_it_holds_no_partition(world: World) -> None:
    stage = set_stage(world)
    stage.kafka.slow_moves = True
    await rise_and_age(stage)
    held: list[bool] = []

    def watch(_: World, type_: str, obj: object) -> None:
        if type_ == "DELETED" and isinstance(obj, dict) and obj["metadata"]["name"] == "mem-1002":
            held.append(1002 in stage.kafka.placed.values())

    world.actors.append(watch)
    await scale(stage, 2)
    assert "mem-1002" in stage.pods()
    stage.kafka.finish_moves()
    await stage.settle(within=60)
    assert held[0] is False


async def test_a_young_broker_is_left_alone(world: World) -> None:
    stage = set_stage(world)
    await rise(stage)
    stage.kafka.calls.clear()
    await scale(stage, 2, within=30)
    assert steps(stage) == []
    assert "started less than 60 s ago" in world.condition(POOL_KEY)["message"]
    await stage.settle(within=120)
    assert is_gone(stage, 1002)


async def test_open_streams_hold_it_back(world: World) -> None:
    stage = set_stage(world)
    stage.kafka.streams_open.add(1002)
    await rise_and_age(stage)
    await scale(stage, 2)
    assert stage.kafka.of("unregister_broker") == []
    assert "Service" in objects_of(world, 1002)
    assert "its streams to be closed" in world.condition(POOL_KEY)["message"]
    await world.clock.advance(2000)
    await stage.settle()
    told = world.condition(POOL_KEY)
    assert (told["status"], told["reason"]) == ("False", "StreamsStayOpen")
    assert "keep the buckets" in told["message"]
    stage.kafka.streams_open.clear()
    await stage.settle(within=60)
    assert is_gone(stage, 1002)


async def test_a_locked_node_is_told(world: World) -> None:
    stage = set_stage(world)
    stage.kafka.locked.add(1002)
    await rise_and_age(stage)
    await scale(stage, 2)
    assert world.condition(POOL_KEY)["reason"] == "NodeLocked"
    assert stage.kafka.of("unregister_broker") == []
    stage.kafka.locked.clear()
    await stage.settle(within=60)
    assert is_gone(stage, 1002)


async def test_one_at_a_time_down_to_one(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    await scale(stage, 1, within=200)
    assert [call.items for call in stage.kafka.of("unregister_broker")] == [(1002,), (1001,)]
    assert set(stage.kafka.placed.values()) == {1000}
    assert brokers_of(world) == {1000: "Registered"}


async def test_the_last_broker_stays_while_it_has_partitions(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    await scale(stage, 0, within=200)
    assert world.condition(POOL_KEY)["reason"] == "NoBrokerTakesOver"
    assert "mem-1000" in stage.pods()
    await scale(stage, 1)
    assert brokers_of(world) == {1000: "Registered"}
    assert world.condition(POOL_KEY)["status"] == "True"


async def test_a_change_of_mind_takes_it_back(world: World) -> None:
    stage = set_stage(world)
    stage.kafka.slow_moves = True
    await rise_and_age(stage)
    before = stage.pods()
    await scale(stage, 2)
    assert stage.kafka.excluded == {1002}
    await scale(stage, 3)
    assert stage.kafka.excluded == set()
    assert stage.pods() == before
    assert brokers_of(world)[1002] == "Registered"
    assert world.condition(POOL_KEY)["reason"] == "Ready"


async def test_a_change_of_mind_while_kafka_does_not_answer(world: World) -> None:
    stage = set_stage(world)
    stage.kafka.slow_moves = True
    await rise_and_age(stage)
    before = stage.pods()
    await scale(stage, 2)
    stage.kafka.available = False
    await scale(stage, 3)
    assert stage.pods() == before, "nobody comes in the stead of one that may stay"
    stage.kafka.available = True
    await stage.settle(within=60)
    assert stage.pods() == before
    assert stage.kafka.excluded == set()
    assert world.condition(POOL_KEY)["reason"] == "Ready"


async def test_missed_news_of_its_last_objects_does_not_call_it_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    bring = world.feed.event

    def hard_of_hearing(kind: str, type_: str | None, obj: dict[str, Any]) -> None:
        if (kind, type_) != ("ConfigMap", "DELETED"):
            bring(kind, type_, obj)

    monkeypatch.setattr(world.feed, "event", hard_of_hearing)
    await scale(stage, 2, within=60)
    world.fake.requests.clear()
    await world.resync(within=60)
    assert world.fake.requests.of("create", "Pod") == []
    assert objects_of(world, 1002) == []


async def test_growing_after_it_has_stopped_takes_another_id(world: World) -> None:
    stage = set_stage(world)
    stage.kafka.streams_open.add(1002)
    await rise_and_age(stage)
    await scale(stage, 2)
    await scale(stage, 3)
    assert brokers_of(world) == {1000: "Registered", 1001: "Registered", 1002: "Leaving", 1003: "Registered"}


async def test_a_sick_node_elsewhere_holds_it_back(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    stage.kafka.voters.pop(1)
    await scale(stage, 2)
    assert steps(stage) == []
    assert "waiting for node 1" in world.condition(POOL_KEY)["message"]


async def test_two_pools_drain_one_after_the_other(world: World) -> None:
    stage = set_stage(world)
    await rise(stage)
    await stage.rise(pool("more", replicas=2))
    await world.clock.advance(3600)
    stage.kafka.slow_moves = True
    stage.kafka.place()
    await scale(stage, 2)
    world.edit(f"BrokerPool/{NAMESPACE}/more", {"spec": {"replicas": 1}})
    await stage.settle(within=30)
    assert stage.kafka.excluded == {1002}
    assert "waiting for mem-1002, which leaves first" in world.condition(f"BrokerPool/{NAMESPACE}/more")["message"]
    for _ in range(4):
        stage.kafka.finish_moves()
        await stage.settle(within=60)
    assert [call.items for call in stage.kafka.of("unregister_broker")] == [(1002,), (1004,)]


async def test_a_refused_move_is_told(world: World) -> None:
    stage = set_stage(world)
    await rise_and_age(stage)
    refused = OperatorError("InvalidReplicaAssignment", "moving acme.a.b.events-0: no")
    stage.kafka.before.append(lambda call: refused if call.method == "reassign" else None)
    await scale(stage, 2)
    assert world.condition(POOL_KEY)["status"] == "False"
    assert "mem-1002" in stage.pods()


async def test_an_engine_that_does_not_tell_of_its_streams_keeps_its_brokers(world: World) -> None:
    stage = set_stage(world)
    stage.kafka.automq = False
    await rise_and_age(stage)
    await scale(stage, 2)
    told = world.condition(POOL_KEY)
    assert (told["reason"], told["status"]) == ("ScaleDownUnsupported", "False")
    assert "514" in told["message"]
    assert len(brokers_of(world)) == 3


@pytest.mark.parametrize("number", range(1, 14))
async def test_it_ends_the_same_whichever_write_is_the_last(world: World, number: int) -> None:
    stage = set_stage(world, partitions=120)
    await rise_and_age(stage)
    world.die_after(number)
    await scale(stage, 2)
    assert world.dead
    await world.restart()
    world.kafka(stage.connections)
    await stage.settle(within=120)
    assert is_gone(stage, 1002)
    assert brokers_of(world) == {1000: "Registered", 1001: "Registered"}
    assert set(stage.pods()) == {"mem-0", "mem-1", "mem-2", "mem-1000", "mem-1001"}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 6))
async def test_it_ends_the_same_whichever_call_to_kafka_gets_lost(world: World, when: str, number: int) -> None:
    stage = set_stage(world, partitions=180)
    await rise_and_age(stage)
    calls = itertools.count(1)

    def lose(call: Call) -> OperatorError | None:
        return timed_out(call.method) if call.is_write and next(calls) == number else None

    (stage.kafka.before if when == "before" else stage.kafka.after).append(lose)
    await scale(stage, 2)
    assert next(calls) > number
    await world.restart()
    world.kafka(stage.connections)
    await stage.settle(within=120)
    assert is_gone(stage, 1002)
    order = list(dict.fromkeys(steps(stage)))
    assert order == ["exclude_broker", "reassign", "unregister_broker", "readmit_broker"]
