"""What a replay costs when nothing changed, and that it still finds what did."""

import pytest

from agentmemory.api.base import parse
from agentmemory.api.topicfamily import TopicFamily
from agentmemory.families import reconcile
from agentmemory.families.reconcile import FamilyReconciler
from agentmemory.families.settled import Settled, basis_of
from agentmemory.families.world import gather
from tests import teams
from tests.fakekafka import FakeKafka, FakePool
from tests.fakekube.fixture import World
from tests.fakekube.requests import Request
from tests.teams import CLUSTER_KEY, FAMILY_KEY, PREFIX, TEAM, TENANT_KEY, family, topic

EVENTS = PREFIX + "events"


@pytest.fixture
async def kafka(world: World) -> FakeKafka:
    """A family that was made a moment ago."""
    made = FakeKafka()
    world.kafka(FakePool(made))
    world.use(FamilyReconciler)
    world.put(teams.handover(), teams.cluster(), teams.tenant())
    world.cluster.set_status(CLUSTER_KEY, teams.running())
    world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
    world.cluster.namespace(TEAM)
    world.put(family(topics=[topic(), topic("audit")]))
    await world.run_until_quiet()
    made.calls.clear()
    world.fake.requests.clear()
    return made


async def test_a_replay_asks_kafka_and_judges_nothing(
    world: World, kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "gather", lambda *_: pytest.fail("judged again"))
    await world.resync()
    assert [call.method for call in kafka.calls] == ["describe_topics", "describe_configs"]
    assert [*world.fake.requests] == []


@pytest.mark.parametrize("what", ["configs", "partitions", "gone", "made anew"])
async def test_drift_in_kafka_is_found(world: World, kafka: FakeKafka, what: str) -> None:
    before = dict(kafka.topics[EVENTS].configs)
    match what:
        case "configs":
            kafka.topics[EVENTS].configs["retention.ms"] = "1000"
        case "partitions":
            kafka.topics[EVENTS].partitions = 1
        case "gone":
            del kafka.topics[EVENTS]
        case "made anew":
            kafka.make(EVENTS, 4, 3, retention_ms="5")
    await world.resync()
    assert kafka.topics[EVENTS].configs == before
    assert kafka.topics[EVENTS].partitions == 4
    assert world.condition(FAMILY_KEY)["status"] == "True"
    listed = {entry["topicName"]: entry["topicId"] for entry in world.get(FAMILY_KEY)["status"]["topics"]}
    assert listed[EVENTS] == kafka.topics[EVENTS].topic_id


async def test_an_edit_a_tenant_and_a_cluster_are_noticed(world: World, kafka: FakeKafka) -> None:
    world.edit(FAMILY_KEY, {"spec": {"retention": {"time": "48h"}}})
    await world.run_until_quiet()
    assert kafka.topics[EVENTS].configs["retention.ms"] == str(48 * 3600 * 1000)
    await world.resync()
    world.edit(CLUSTER_KEY, {"spec": {"replication": {"factor": 3, "minInSync": 2}}})
    await world.run_until_quiet()
    assert kafka.topics[EVENTS].configs["min.insync.replicas"] == "2"
    await world.resync()
    world.edit(TENANT_KEY, {"spec": {"namespaces": [{"name": "others"}]}})
    await world.run_until_quiet()
    assert world.condition(FAMILY_KEY)["reason"] == "NamespaceNotAllowed"


async def test_kafka_goes_and_comes_back(world: World, kafka: FakeKafka) -> None:
    kafka.available = False
    await world.resync()
    assert world.condition(FAMILY_KEY)["reason"] == "KafkaUnavailable"
    assert len(world.fake.requests.writes()) == 1
    await world.run_until_quiet(within=60)
    assert len(world.fake.requests.writes()) == 1, "said once, however long it takes"
    kafka.available = True
    await world.run_until_quiet(within=5)
    assert world.condition(FAMILY_KEY)["status"] == "True"
    assert len(world.fake.requests.writes()) == 2


async def test_what_is_put_back_after_an_edit_is_found(world: World, kafka: FakeKafka) -> None:
    """A write of a leader before us arrives late: Kafka then has again what it had before the edit."""
    before = settings(kafka)
    world.edit(FAMILY_KEY, {"spec": {"retention": {"time": "480h"}}})
    await world.run_until_quiet()
    wanted = settings(kafka)
    assert wanted != before
    for name, configs in before.items():
        kafka.topics[name].configs = configs
    await world.resync()
    assert settings(kafka) == wanted


def settings(kafka: FakeKafka) -> dict[str, dict[str, str]]:
    return {name: dict(found.configs) for name, found in kafka.topics.items()}


async def test_what_is_gone_is_forgotten(world: World) -> None:
    world.put(teams.tenant(), teams.cluster(), family())
    world.pump()
    obj = world.store.get(FAMILY_KEY)
    assert obj is not None
    basis = basis_of(world.store, obj, gather(world.store, parse(TopicFamily, obj)))
    settled = Settled(world.store)
    settled.remember(FAMILY_KEY, basis, (EVENTS,), {})
    assert settled.find(FAMILY_KEY, obj) is not None
    assert settled.find(FAMILY_KEY, {**obj}) is None, "another object, so another verdict"
    assert settled.find(FAMILY_KEY, obj) is None, "and the old one is dropped"
    settled.remember(FAMILY_KEY, basis, (EVENTS,), {})
    settled.forget(FAMILY_KEY)
    assert settled.find(FAMILY_KEY, obj) is None


async def test_a_tenant_that_changes_while_the_finalizer_is_written_is_noticed(world: World, kafka: FakeKafka) -> None:
    """The look was at the tenant as it was: what was judged by it must not stand for the new one."""

    def drop_the_namespace(request: Request) -> None:
        if request.body and "finalizers" in request.body.get("metadata", {}) and not done:
            done.append(world.edit(TENANT_KEY, {"spec": {"namespaces": [{"name": "others"}]}}))
            world.pump()

    done: list[object] = []
    world.fake.faults.after.append(drop_the_namespace)
    world.edit(FAMILY_KEY, {"spec": {"deletionPolicy": "Delete"}})
    await world.run_until_quiet()
    assert done
    assert world.condition(FAMILY_KEY)["reason"] == "NamespaceNotAllowed"


async def test_a_warning_that_could_not_be_posted_is_posted_later(world: World, kafka: FakeKafka) -> None:
    """Before the status says that all is well: nobody would post it then."""
    away = [True]
    world.fake.faults.before.append(lambda request: 500 if request.kind == "Event" and away else None)
    del kafka.topics[EVENTS]
    await world.resync()
    assert world.cluster.list("Event", TEAM) == []
    away.clear()
    await world.run_until_quiet(within=10)
    assert [found["reason"] for found in world.cluster.list("Event", TEAM)] == ["TopicsMadeAnew"]
    assert world.condition(FAMILY_KEY)["status"] == "True"
