"""Many families towards one cluster: few calls, and one that fails fails alone."""

import asyncio

import pytest

from agentmemory.core.errors import OperatorError
from agentmemory.core.key import Key
from agentmemory.core.router import CURRENT, URGENT
from agentmemory.core.turns import Turns
from agentmemory.engines.handover import Handover
from agentmemory.engines.outage import PAUSE, Breaker, Unanswered
from agentmemory.families.batched import BatchedTopics
from agentmemory.families.model import Needs, Results, Seen
from agentmemory.families.topics import DirectTopics
from agentmemory.kafka.model import NewTopicSpec
from agentmemory.kube.errors import NotLeading
from tests import teams
from tests.fakekafka import FakeKafka, FakePool, timed_out
from tests.fakekube.fixture import World
from tests.teams import CLUSTER_KEY

OTHER = Key("MemoryCluster", "elsewhere", "other")


class Leader:
    leads = True

    def __call__(self) -> bool:
        return self.leads


@pytest.fixture
def leader() -> Leader:
    return Leader()


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka(brokers=1)


@pytest.fixture
def topics(world: World, kafka: FakeKafka, leader: Leader) -> BatchedTopics:
    world.put(teams.handover())
    handover = Handover(world.ctx.kube, world.settings.namespace, world.clock)
    direct = DirectTopics(FakePool(kafka), handover)
    return BatchedTopics(direct, direct, leader, Breaker(world.clock))


def new(name: str, **configs: str) -> Needs:
    return Needs(create=(NewTopicSpec(name, 1, 1, {key.replace("_", "."): value for key, value in configs.items()}),))


async def meet(topics: BatchedTopics, *needs: Needs) -> list[Results]:
    return await asyncio.gather(*(topics.meet(CLUSTER_KEY, one) for one in needs))


async def test_a_hundred_families_are_made_in_one_call(topics: BatchedTopics, kafka: FakeKafka) -> None:
    results = await meet(topics, *(new(f"t{n}") for n in range(100)))
    assert [len(call.items) for call in kafka.of("create_topics")] == [100]
    assert [[*result.created] for result in results] == [[f"t{n}"] for n in range(100)]


async def test_a_hundred_families_are_described_in_one_call_of_each_kind(
    topics: BatchedTopics, kafka: FakeKafka
) -> None:
    for n in range(60):
        kafka.make(f"t{n}", retention_ms="60000")
    seen = await asyncio.gather(*(topics.observe(CLUSTER_KEY, [f"t{n}", f"none{n}"]) for n in range(60)))
    assert all([*found] == [f"t{n}"] for n, found in enumerate(seen))
    assert [call.method for call in kafka.calls] == ["describe_topics", "describe_configs"]
    assert kafka.of("describe_configs")[0].items == tuple(f"t{n}" for n in range(60)), "of those that are there"


async def test_what_a_user_asks_for_does_not_wait_for_a_replay(world: World, leader: Leader) -> None:
    class Replays:
        """Under way for ever."""

        async def observe(self, cluster: Key, names: object) -> dict[str, Seen | OperatorError]:
            await asyncio.Event().wait()
            return {}

    class Users:
        async def observe(self, cluster: Key, names: object) -> dict[str, Seen | OperatorError]:
            return {}

    async def edited() -> object:
        URGENT.set(True)
        return await topics.observe(CLUSTER_KEY, ["t"])

    topics = BatchedTopics(Users(), Replays(), leader, Breaker(world.clock))  # type: ignore[arg-type]
    replay = asyncio.create_task(topics.observe(CLUSTER_KEY, ["t"]))
    await asyncio.sleep(0)
    assert await asyncio.create_task(edited()) == {}
    assert not replay.done()
    replay.cancel()


async def test_poisoned_ones_fail_alone(topics: BatchedTopics, kafka: FakeKafka) -> None:
    results = await meet(topics, new("good"), *(new(f"bad{n}", retention_ms="soon") for n in range(10)), new("fine"))
    assert [*results[0].created, *results[-1].created] == ["good", "fine"]
    assert {result.failed[f"bad{n}"].reason for n, result in enumerate(results[1:-1])} == {"InvalidConfig"}
    assert len(kafka.of("create_topics")) == 1


async def test_kinds_of_need_go_side_by_side(topics: BatchedTopics, kafka: FakeKafka) -> None:
    kafka.make("old", retention_ms="1")
    kafka.make("small")
    await meet(
        topics, new("t"), Needs(alter={"old": {"retention.ms": None}}), Needs(grow={"small": 3}, alter={"small": {}})
    )
    assert kafka.topics["old"].configs == {}
    assert kafka.topics["small"].partitions == 3
    assert "t" in kafka.topics


async def test_an_answer_that_is_lost_is_lost_for_all_of_the_call(topics: BatchedTopics, kafka: FakeKafka) -> None:
    kafka.after.append(lambda call: timed_out("creating topics") if call.method == "create_topics" else None)
    results = await meet(topics, new("a"), new("b"))
    reasons = [error.reason for result in results for error in result.failed.values()]
    assert reasons == ["KafkaUnavailable", "KafkaUnavailable"]
    seen = await topics.observe(CLUSTER_KEY, ["a", "b"])
    assert [type(found) for found in seen.values()] == [Seen, Seen], "the effect stayed: the next look finds it"


async def test_what_waited_is_not_sent_after_the_lease_was_lost(
    topics: BatchedTopics, kafka: FakeKafka, leader: Leader
) -> None:
    """The first call is under way when the Lease goes; what waits behind it must not follow."""
    kafka.make("doomed")
    sent = asyncio.Event()

    def lose(call: object) -> OperatorError | None:
        leader.leads = False
        sent.set()
        return None

    kafka.before.append(lose)
    waiting = asyncio.create_task(topics.meet(CLUSTER_KEY, new("first")))
    await sent.wait()
    with pytest.raises(NotLeading):
        await topics.meet(CLUSTER_KEY, new("second"))
    with pytest.raises(NotLeading):
        await topics.delete(CLUSTER_KEY, [kafka.topics["doomed"].topic_id])
    await waiting
    assert sorted(kafka.topics) == ["doomed", "first"]


async def test_clusters_do_not_wait_for_each_other(world: World, kafka: FakeKafka, leader: Leader) -> None:
    class Direct:
        """One cluster hangs."""

        async def observe(self, cluster: Key, names: object) -> dict[str, Seen | OperatorError]:
            if cluster == OTHER:
                await asyncio.Event().wait()
            return {}

    topics = BatchedTopics(Direct(), Direct(), leader, Breaker(world.clock))  # type: ignore[arg-type]
    hanging = asyncio.create_task(topics.observe(OTHER, ["a"]))
    await asyncio.sleep(0)
    assert await topics.observe(CLUSTER_KEY, ["a"]) == {}
    hanging.cancel()


async def test_while_a_cluster_is_silent_one_asks_and_the_others_are_told(
    world: World, topics: BatchedTopics, kafka: FakeKafka
) -> None:
    """A call to a frozen broker hangs for seconds: it must not hold the workers that others need."""
    kafka.available = False
    for n in range(10):
        with pytest.raises(Unanswered, match="is asked again until it does"):
            await topics.observe(CLUSTER_KEY, [f"t{n}"])
    assert len(kafka.of("describe_topics")) == 1
    await world.clock.advance(PAUSE)
    for n in range(10):
        with pytest.raises(Unanswered):
            await topics.observe(CLUSTER_KEY, [f"t{n}"])
    assert len(kafka.of("describe_topics")) == 2
    kafka.available = True
    with pytest.raises(Unanswered):
        await topics.observe(CLUSTER_KEY, ["t"])
    await world.clock.advance(PAUSE)
    assert await topics.observe(CLUSTER_KEY, ["t"]) == {}
    assert await topics.observe(CLUSTER_KEY, ["t"]) == {}, "for all again"


async def test_a_family_that_is_edited_while_it_is_replayed_does_not_wait_for_the_others(topics: BatchedTopics) -> None:
    """Users' edits make replays pause; the edit of a family in the middle of one would wait for that very pause."""
    topics._turns = Turns(at_once=1, pause=3600.0)
    topics._turns.user_asked()
    families = [Key("TopicFamily", "team", f"f{number}") for number in range(3)]

    async def replay(family: Key) -> None:
        CURRENT.set(family)
        await topics.observe(CLUSTER_KEY, [family.name])

    tasks = [asyncio.create_task(replay(family)) for family in families]
    await asyncio.wait_for(tasks[0], 5)
    topics.hurry(families[2])
    await asyncio.wait_for(tasks[2], 5)
    assert not tasks[1].done()
    topics._awaited = lambda family: family.name == "f9"  # it is edited before it comes to wait
    await asyncio.wait_for(replay(Key("TopicFamily", "team", "f9")), 5)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
