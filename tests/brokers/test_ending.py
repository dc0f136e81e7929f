"""A pool of brokers that hold nothing is deleted: they leave one by one while other pools stay, and go with it else."""

import itertools

import pytest

from agentmemory.api.labels import FINALIZER
from agentmemory.core.errors import Transient
from tests.brokers.shared_storage import objects_of, rise, set_stage, steps, use_shared_storage
from tests.engines.stage import NAMESPACE, POOL_KEY, Stage, pool
from tests.fakekube.fixture import World

MORE = f"BrokerPool/{NAMESPACE}/more"


@pytest.fixture
def stage(world: World, monkeypatch: pytest.MonkeyPatch) -> Stage:
    use_shared_storage(monkeypatch)
    return set_stage(world)


async def rise_with_two(stage: Stage, replicas: int = 2) -> None:
    """The pool `main` with brokers 1000 to 1002, `more` with those from 1003 on, and partitions on all of them."""
    await rise(stage)
    await stage.rise(pool("more", replicas=replicas))
    await stage.world.clock.advance(3600)
    await stage.settle()
    stage.kafka.placed.clear()
    stage.kafka.place()
    stage.kafka.calls.clear()


async def delete(stage: Stage, key: str, within: float = 60.0) -> None:
    stage.world.delete(key)
    await stage.settle(within=within)


def is_held(world: World, key: str) -> bool:
    return FINALIZER in world.get(key)["metadata"].get("finalizers", [])


async def test_its_brokers_leave_before_it_goes(stage: Stage) -> None:
    await rise_with_two(stage)
    stage.kafka.slow_moves = True
    await delete(stage, MORE, within=30)
    told = stage.world.condition(MORE)
    assert (told["status"], told["reason"]) == ("False", "Terminating")
    assert told["message"] == (
        "the pool goes when its brokers have left: 1 broker registered; mem-1004 leaves: moving its partitions to "
        "other brokers"
    )
    for _ in range(4):
        stage.kafka.finish_moves()
        await stage.settle(within=60)
    assert stage.world.find(MORE) is None
    assert [call.items for call in stage.kafka.of("unregister_broker")] == [(1004,), (1003,)]
    assert set(stage.kafka.placed.values()) == {1000, 1001, 1002}
    assert stage.kafka.known_nodes == {1000, 1001, 1002}
    assert stage.kafka.excluded == set()
    assert objects_of(stage.world, 1003) == objects_of(stage.world, 1004) == []
    assert stage.world.condition(POOL_KEY)["status"] == "True"


async def test_the_first_pool_waits_too_from_the_moment_that_there_is_a_second(stage: Stage) -> None:
    await rise(stage)
    assert not is_held(stage.world, POOL_KEY)
    stage.world.put(pool("more", replicas=2))
    await stage.settle(within=1)
    assert is_held(stage.world, POOL_KEY)
    assert is_held(stage.world, MORE)


async def test_once_it_is_the_only_pool_again_it_does_not_wait(stage: Stage) -> None:
    await rise_with_two(stage)
    await delete(stage, MORE, within=300)
    assert not is_held(stage.world, POOL_KEY)


async def test_at_rest_nothing_is_written(stage: Stage) -> None:
    await rise_with_two(stage)
    stage.world.fake.requests.clear()
    await stage.world.resync()
    assert stage.world.fake.requests.writes() == []


async def test_a_lone_pool_goes_at_once(stage: Stage) -> None:
    await rise(stage)
    await delete(stage, POOL_KEY, within=1)
    assert stage.world.find(POOL_KEY) is None
    assert steps(stage) == []


async def test_a_pool_without_a_broker_takes_nothing_over(stage: Stage) -> None:
    await rise_with_two(stage, replicas=0)
    await delete(stage, POOL_KEY, within=1)
    assert stage.world.find(POOL_KEY) is None


@pytest.mark.parametrize("order", list(itertools.permutations([POOL_KEY, MORE, f"MemoryCluster/{NAMESPACE}/mem"])))
async def test_a_whole_cluster_goes_at_once(stage: Stage, order: tuple[str, ...]) -> None:
    await rise_with_two(stage)
    for key in order:
        stage.world.delete(key)
    await stage.settle(within=5)
    assert [key for key in order if stage.world.find(key) is not None] == []
    assert steps(stage) == []


async def test_both_pools_at_once_go_at_once(stage: Stage) -> None:
    await rise_with_two(stage)
    stage.world.delete(MORE)
    stage.world.delete(POOL_KEY)
    await stage.settle(within=5)
    assert stage.world.find(POOL_KEY) is None
    assert stage.world.find(MORE) is None


@pytest.mark.parametrize("cascade", ["foregroundDeletion", "orphan"])
async def test_who_asks_for_its_objects_first_or_not_at_all_is_not_kept_waiting(stage: Stage, cascade: str) -> None:
    """As `kubectl delete --cascade=foreground` does it: the garbage collector's finalizer, then the deletion."""
    await rise_with_two(stage)
    names = [*stage.world.get(MORE)["metadata"]["finalizers"], cascade]
    stage.world.edit(MORE, {"metadata": {"finalizers": names}})
    await delete(stage, MORE, within=5)
    assert stage.world.get(MORE)["metadata"]["finalizers"] == [cascade]
    assert steps(stage) == []


async def test_where_nobody_tells_of_streams_it_goes_at_once(stage: Stage) -> None:
    stage.kafka.automq = False
    await rise_with_two(stage)
    await delete(stage, MORE, within=5)
    assert stage.world.find(MORE) is None


async def test_it_waits_while_kafka_does_not_answer(stage: Stage) -> None:
    await rise_with_two(stage)
    away = Transient("KafkaUnavailable", "no broker answers")
    stage.kafka.before.append(lambda call: away)
    await delete(stage, MORE, within=60)
    assert stage.world.condition(MORE)["reason"] == "KafkaUnavailable"
    assert steps(stage) == []
    stage.kafka.before.clear()
    await stage.settle(within=300)
    assert stage.world.find(MORE) is None
    assert stage.kafka.known_nodes == {1000, 1001, 1002}


async def test_a_paused_pool_is_left_as_it_is(stage: Stage) -> None:
    await rise_with_two(stage)
    stage.world.edit(MORE, {"metadata": {"annotations": {"agentmemory.dev/paused": "true"}}})
    await delete(stage, MORE)
    assert stage.world.get(MORE)["metadata"]["deletionTimestamp"]
    stage.world.edit(MORE, {"metadata": {"annotations": {"agentmemory.dev/paused": None}}})
    await stage.settle(within=300)
    assert stage.world.find(MORE) is None
    assert stage.kafka.known_nodes == {1000, 1001, 1002}


async def test_an_engine_with_volumes_waits_for_nothing(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    await stage.rise(pool("more", replicas=1))
    assert not is_held(world, MORE)
    await delete(stage, MORE, within=5)
    assert world.find(MORE) is None
