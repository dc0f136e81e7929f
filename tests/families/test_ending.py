"""How a family ends: what is deleted, what stays, and that nothing is held up for good."""

from typing import Any

import pytest

from agentmemory.api.labels import FINALIZER
from agentmemory.core.errors import Invalid
from agentmemory.families.reconcile import FamilyReconciler
from agentmemory.kube.errors import Stale
from tests import teams
from tests.fakekafka import FakeKafka, FakePool, unreachable
from tests.fakekube.fixture import World
from tests.teams import CLUSTER_KEY, FAMILY_KEY, PREFIX, TEAM, TENANT_KEY, family, topic

EVENTS, AUDIT = PREFIX + "events", PREFIX + "audit"


@pytest.fixture
async def kafka(world: World) -> FakeKafka:
    """A Delete family with two topics, ready, beside a topic of somebody else."""
    made = FakeKafka()
    made.make("support.agents.trail-2.events")
    world.kafka(FakePool(made))
    world.use(FamilyReconciler)
    world.put(teams.handover(), teams.cluster(), teams.tenant())
    world.cluster.set_status(CLUSTER_KEY, teams.running())
    world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
    world.put(family(deletionPolicy="Delete", topics=[topic(), topic("audit")]))
    await world.run_until_quiet()
    assert len(made.topics) == 3
    return made


def others(kafka: FakeKafka) -> list[str]:
    return sorted(kafka.topics)


async def test_delete_takes_the_topics_by_id_and_ends(world: World, kafka: FakeKafka) -> None:
    ids = {kafka.topics[name].topic_id for name in (EVENTS, AUDIT)}
    world.delete(FAMILY_KEY)
    await world.run_until_quiet()
    assert world.find(FAMILY_KEY) is None
    assert others(kafka) == ["support.agents.trail-2.events"]
    (call,) = kafka.of("delete_topics")
    assert set(call.items) == ids


async def test_a_topic_that_no_broker_lists_yet_goes_too(world: World, kafka: FakeKafka) -> None:
    """Seen on a busy Kafka: a second after its creation a broker did not list a topic, and it was left behind."""
    kafka.topics[EVENTS].hidden = 1
    world.delete(FAMILY_KEY)
    await world.run_until_quiet()
    assert world.find(FAMILY_KEY) is None
    assert others(kafka) == ["support.agents.trail-2.events"]


async def test_a_topic_that_somebody_deleted_holds_up_nothing(world: World, kafka: FakeKafka) -> None:
    del kafka.topics[EVENTS]
    world.delete(FAMILY_KEY)
    await world.run_until_quiet()
    assert world.find(FAMILY_KEY) is None
    assert others(kafka) == ["support.agents.trail-2.events"]


async def test_retain_has_no_finalizer_and_keeps_its_topics(world: World, kafka: FakeKafka) -> None:
    world.edit(FAMILY_KEY, {"spec": {"deletionPolicy": "Retain"}})
    await world.run_until_quiet()
    assert "finalizers" not in world.get(FAMILY_KEY)["metadata"]
    world.delete(FAMILY_KEY)
    await world.run_until_quiet()
    assert world.find(FAMILY_KEY) is None
    assert EVENTS in kafka.topics
    assert kafka.of("delete_topics") == []


async def test_a_recreated_retain_family_finds_its_data(world: World, kafka: FakeKafka) -> None:
    before = kafka.topics[EVENTS].topic_id
    world.edit(FAMILY_KEY, {"spec": {"deletionPolicy": "Retain"}})
    await world.run_until_quiet()
    world.delete(FAMILY_KEY)
    await world.run_until_quiet()
    world.put(family())
    await world.run_until_quiet()
    assert world.get(FAMILY_KEY)["status"]["topics"][0]["topicId"] == before


async def test_retain_while_it_is_already_ending(world: World, kafka: FakeKafka) -> None:
    kafka.available = False
    world.delete(FAMILY_KEY)
    await world.run_until_quiet()
    world.edit(FAMILY_KEY, {"spec": {"deletionPolicy": "Retain"}})
    await world.run_until_quiet()
    assert world.find(FAMILY_KEY) is None
    assert EVENTS in kafka.topics


async def test_kafka_away_is_waited_for_and_said(world: World, kafka: FakeKafka) -> None:
    kafka.available = False
    world.delete(FAMILY_KEY)
    world.fake.requests.clear()
    await world.run_until_quiet(within=60)
    assert world.condition(FAMILY_KEY)["reason"] == "KafkaUnavailable"
    assert len(world.fake.requests.writes()) == 1
    kafka.available = True
    await world.run_until_quiet(within=3)
    assert world.find(FAMILY_KEY) is None
    assert others(kafka) == ["support.agents.trail-2.events"]


async def test_deletion_that_kafka_refuses(world: World, kafka: FakeKafka) -> None:
    refusal = Invalid("TopicDeletionDisabled", "topic: Topic deletion is disabled. Set delete.topic.enable.")
    kafka.before.append(lambda call: refusal if call.method == "delete_topics" else None)
    world.delete(FAMILY_KEY)
    await world.run_until_quiet()
    found = world.condition(FAMILY_KEY, "Stalled")
    assert found["status"] == "True"
    assert "delete.topic.enable" in found["message"]
    kafka.before.clear()
    await world.resync()
    assert world.find(FAMILY_KEY) is None


async def _tenant_gone(world: World) -> None:
    world.delete(TENANT_KEY)


async def _tenant_lets_go(world: World) -> None:
    world.edit(TENANT_KEY, {"spec": {"namespaces": [{"name": "others"}]}})


async def _cluster_gone(world: World) -> None:
    world.delete(CLUSTER_KEY)


async def _cluster_going(world: World) -> None:
    world.edit(CLUSTER_KEY, {"metadata": {"finalizers": ["somebody/else"]}})
    world.delete(CLUSTER_KEY)


async def _cluster_unreadable(world: World) -> None:
    world.edit(CLUSTER_KEY, {"spec": {"surprise": True}})


async def _family_unreadable(world: World) -> None:
    world.edit(FAMILY_KEY, {"spec": {"surprise": True}})


@pytest.mark.parametrize(
    "goes", [_tenant_gone, _tenant_lets_go, _cluster_gone, _cluster_going, _cluster_unreadable, _family_unreadable]
)
@pytest.mark.parametrize("first", [True, False])
async def test_ends_although_its_frame_goes(world: World, kafka: FakeKafka, goes: Any, first: bool) -> None:
    kafka.available = False
    if first:
        await goes(world)
        await world.run_until_quiet()
    world.delete(FAMILY_KEY)
    await world.run_until_quiet()
    if not first:
        await goes(world)
    await world.run_until_quiet(within=5)
    assert world.find(FAMILY_KEY) is None
    assert EVENTS in kafka.topics, "what cannot be deleted rightly is kept"


async def test_a_namespace_that_ends_is_not_held_up(world: World, kafka: FakeKafka) -> None:
    kafka.available = False
    world.delete(f"Namespace//{TEAM}")
    await world.run_until_quiet(within=5)
    assert world.find(f"Namespace//{TEAM}") is None
    assert EVENTS in kafka.topics


async def test_a_namespace_that_ends_with_kafka_there(world: World, kafka: FakeKafka) -> None:
    world.delete(f"Namespace//{TEAM}")
    await world.run_until_quiet()
    assert world.find(f"Namespace//{TEAM}") is None
    assert others(kafka) == ["support.agents.trail-2.events"]


async def test_a_tenant_that_ends_meanwhile_does_not_keep_the_data(world: World, kafka: FakeKafka) -> None:
    world.edit(TENANT_KEY, {"metadata": {"finalizers": [FINALIZER]}})
    world.delete(TENANT_KEY)
    world.delete(FAMILY_KEY)
    await world.run_until_quiet()
    assert world.find(FAMILY_KEY) is None
    assert others(kafka) == ["support.agents.trail-2.events"]


@pytest.mark.parametrize("writes", [1, 2])
async def test_crash_while_it_ends(world: World, kafka: FakeKafka, writes: int) -> None:
    world.delete(FAMILY_KEY)
    world.die_after(writes)
    await world.run_until_quiet()
    await world.restart()
    await world.run_until_quiet(within=5)
    assert world.find(FAMILY_KEY) is None
    assert others(kafka) == ["support.agents.trail-2.events"]


async def test_a_deletion_whose_answer_is_lost(world: World, kafka: FakeKafka) -> None:
    kafka.after.append(lambda call: unreachable("x") if call.method == "delete_topics" else None)
    world.delete(FAMILY_KEY)
    await world.run_until_quiet()
    assert world.condition(FAMILY_KEY)["reason"] == "KafkaUnavailable"
    kafka.after.clear()
    await world.run_until_quiet(within=5)
    assert world.find(FAMILY_KEY) is None


async def test_a_follower_deletes_nothing(world: World, kafka: FakeKafka) -> None:
    world.ctx.leading = lambda: False
    world.delete(FAMILY_KEY)
    await world.run_until_quiet(within=5)
    assert EVENTS in kafka.topics
    world.ctx.leading = lambda: True
    await world.run_until_quiet(within=60)
    assert others(kafka) == ["support.agents.trail-2.events"]


async def test_a_process_that_slept_deletes_nothing_of_the_next_family(world: World, kafka: FakeKafka) -> None:
    """It saw the deletion; meanwhile another ended the family, and a new one of that name has data."""
    world.delete(FAMILY_KEY)
    world.pump()
    world.edit(FAMILY_KEY, {"metadata": {"finalizers": None}})
    world.put(family())
    with pytest.raises(Stale, match="Gone"):
        await world.reconcilers["TopicFamily"].reconcile(FAMILY_KEY)
    assert EVENTS in kafka.topics


async def test_a_topic_that_leaves_a_delete_family_is_deleted(world: World, kafka: FakeKafka) -> None:
    world.edit(FAMILY_KEY, {"spec": {"topics": [topic()]}})
    await world.run_until_quiet()
    assert AUDIT not in kafka.topics
    assert EVENTS in kafka.topics
    assert [entry["name"] for entry in world.get(FAMILY_KEY)["status"]["topics"]] == ["events"]
    (event,) = world.cluster.list("Event")
    assert AUDIT in event["message"]


async def test_a_topic_that_leaves_a_retain_family_stays_and_is_shown(world: World, kafka: FakeKafka) -> None:
    world.edit(FAMILY_KEY, {"spec": {"deletionPolicy": "Retain", "topics": [topic()]}})
    await world.run_until_quiet()
    assert AUDIT in kafka.topics
    assert world.condition(FAMILY_KEY)["status"] == "True"
    assert AUDIT in world.condition(FAMILY_KEY)["message"]
    assert [entry["name"] for entry in world.get(FAMILY_KEY)["status"]["topics"]] == ["events", "audit"]
    world.fake.requests.clear()
    await world.resync()
    assert world.fake.requests.writes() == []
    del kafka.topics[AUDIT]
    await world.resync()
    assert [entry["name"] for entry in world.get(FAMILY_KEY)["status"]["topics"]] == ["events"]
    assert world.condition(FAMILY_KEY)["message"] == "1 topic is as declared"


async def test_a_leaving_topic_that_kafka_keeps(world: World, kafka: FakeKafka) -> None:
    refusal = Invalid("TopicDeletionDisabled", "topic: Topic deletion is disabled. Set delete.topic.enable.")
    kafka.before.append(lambda call: refusal if call.method == "delete_topics" else None)
    world.edit(FAMILY_KEY, {"spec": {"topics": [topic()]}})
    await world.run_until_quiet()
    assert world.condition(FAMILY_KEY)["reason"] == "TopicDeletionDisabled"
    assert [entry["name"] for entry in world.get(FAMILY_KEY)["status"]["topics"]] == ["events", "audit"]
    kafka.before.clear()
    await world.resync()
    assert AUDIT not in kafka.topics
    assert world.condition(FAMILY_KEY)["status"] == "True"


async def test_a_forged_status_deletes_nothing_of_others(world: World, kafka: FakeKafka) -> None:
    foreign = kafka.make("support.agents.secrets.events")
    entry = {"name": "loot", "topicName": foreign.name, "topicId": foreign.topic_id, "partitions": 1}
    world.cluster.set_status(FAMILY_KEY, {"topics": [*world.get(FAMILY_KEY)["status"]["topics"], entry]})
    await world.run_until_quiet()
    world.delete(FAMILY_KEY)
    await world.run_until_quiet()
    assert foreign.name in kafka.topics
