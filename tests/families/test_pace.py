"""What throws away records waits for its turn, and holds up nothing else."""

from dataclasses import replace

import pytest

from agentmemory.families.reconcile import FamilyReconciler
from tests import teams
from tests.fakekafka import FakeKafka, FakePool
from tests.fakekube.fixture import World
from tests.teams import CLUSTER_KEY, PREFIX, TEAM, TENANT_KEY, family, topic

COUNT = 30
RATE = 4.0  # partitions a second: a family of four a second, and four at once


def name(number: int) -> str:
    return f"TopicFamily/{TEAM}/trail-{number}"


@pytest.fixture
async def kafka(world: World) -> FakeKafka:
    """Many Delete families of four partitions each."""
    made = FakeKafka()
    world.kafka(FakePool(made))
    world.ctx.settings = replace(world.settings, discard_rate=RATE)
    world.use(FamilyReconciler)
    world.put(teams.handover(), teams.cluster(), teams.tenant())
    world.cluster.set_status(CLUSTER_KEY, teams.running())
    world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
    for number in range(COUNT):
        made_family = family(deletionPolicy="Delete", topics=[topic()])
        made_family["metadata"]["name"] = f"trail-{number}"
        world.put(made_family)
    await world.run_until_quiet()
    assert len(made.topics) == COUNT
    return made


def retention(kafka: FakeKafka, number: int) -> str:
    return kafka.topics[f"{PREFIX.replace('trail', f'trail-{number}')}events"].configs["retention.ms"]


async def test_deletes_come_at_the_rate_and_none_is_forgotten(world: World, kafka: FakeKafka) -> None:
    for number in range(COUNT):
        world.delete(name(number))
    await world.run_until_quiet()
    at_once = COUNT - len(kafka.topics)
    assert 1 <= at_once <= 6
    await world.run_until_quiet(within=10)
    assert COUNT - len(kafka.topics) == at_once + 10
    await world.run_until_quiet(within=60)
    assert kafka.topics == {}
    assert [obj for number in range(COUNT) if (obj := world.find(name(number)))] == []


async def test_a_waiting_delete_says_nothing_and_asks_the_api_for_nothing(world: World, kafka: FakeKafka) -> None:
    for number in range(COUNT):
        world.delete(name(number))
    await world.run_until_quiet()
    gone = COUNT - len(kafka.topics)
    requests = list(world.fake.requests)
    assert len([request for request in requests if request.verb == "get"]) <= gone + 1, "a look before each delete"
    assert len(kafka.of("delete_topics")) == gone


async def test_shorter_retentions_wait_and_other_changes_do_not(world: World, kafka: FakeKafka) -> None:
    for number in range(COUNT):
        world.edit(name(number), {"spec": {"retention": {"time": "24h"}}})
    world.edit(name(COUNT - 1), {"spec": {"topics": [{"name": "events", "partitions": 4}, {"name": "more"}]}})
    await world.run_until_quiet()
    shortened = [number for number in range(COUNT) if retention(kafka, number) == str(24 * 3600 * 1000)]
    assert 1 <= len(shortened) <= 6
    assert any(topic_name.endswith("more") for topic_name in kafka.topics), "a new topic waits for nothing"
    longer = next(number for number in range(COUNT) if number not in shortened)
    world.edit(name(longer), {"spec": {"retention": {"time": "9000h"}}})
    await world.run_until_quiet()
    assert retention(kafka, longer) == str(9000 * 3600 * 1000), "a longer retention waits for nothing"
    await world.run_until_quiet(within=60)
    assert [n for n in range(COUNT) if retention(kafka, n) != str(24 * 3600 * 1000)] == [longer]
    ready = [world.condition(name(number))["status"] for number in range(COUNT)]
    assert ready == ["True"] * COUNT


async def test_a_topic_that_left_the_spec_waits_too(world: World, kafka: FakeKafka) -> None:
    for number in range(COUNT):
        world.edit(name(number), {"spec": {"topics": [{"name": "other", "partitions": 4}]}})
    await world.run_until_quiet()
    left = [topic_name for topic_name in kafka.topics if topic_name.endswith(".events")]
    assert COUNT - 6 <= len(left) < COUNT
    await world.run_until_quiet(within=60)
    assert all(topic_name.endswith(".other") for topic_name in kafka.topics)
    assert len(kafka.topics) == COUNT
