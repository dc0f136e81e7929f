"""A family on a cluster that tiers: its settings reach Kafka, stay there, and are read again; nothing is left over."""

import pytest

from agentmemory.families.reconcile import FamilyReconciler
from tests import teams
from tests.fakekafka import FakeKafka, FakePool
from tests.fakekube.fixture import World
from tests.teams import CLUSTER_KEY, FAMILY_KEY, PREFIX, TEAM, TENANT_KEY, family, topic

EVENTS = PREFIX + "events"
HOUR_MS = 3_600_000


@pytest.fixture
def kafka(world: World) -> FakeKafka:
    """A tiered cluster that runs, and nothing of the team's yet."""
    made = FakeKafka()
    made.tiered = True
    world.kafka(FakePool(made))
    world.use(FamilyReconciler)
    tiering = {"bucketRef": {"name": "segments"}, "hotWindow": "24h"}
    world.put(teams.handover(), teams.cluster(engine="kafka-tiered", tiering=tiering), teams.tenant())
    world.cluster.set_status(CLUSTER_KEY, teams.running())
    world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
    world.cluster.namespace(TEAM)
    return made


def reason(world: World) -> str:
    return str(world.condition(FAMILY_KEY)["reason"])


async def test_a_window_is_set_changed_and_kept(world: World, kafka: FakeKafka) -> None:
    world.put(family())
    await world.run_until_quiet()
    made = kafka.topics[EVENTS]
    assert (made.configs["remote.storage.enable"], made.configs["local.retention.ms"]) == ("true", str(24 * HOUR_MS))

    world.edit(FAMILY_KEY, {"spec": {"retention": {"hot": "48h"}}})
    await world.run_until_quiet()
    assert made.configs["local.retention.ms"] == str(48 * HOUR_MS)

    # Kafka would refuse a retention below the window that is still set.
    world.edit(FAMILY_KEY, {"spec": {"retention": {"hot": None, "time": "12h"}}})
    await world.run_until_quiet(within=10)
    assert (made.configs["retention.ms"], made.configs["local.retention.ms"]) == (str(12 * HOUR_MS), "-2")
    assert world.condition(FAMILY_KEY)["status"] == "True"

    right = dict(made.configs)
    made.configs |= {"remote.log.copy.disable": "true", "local.retention.ms": "1"}
    await world.resync()
    assert made.configs == right

    world.fake.requests.clear()
    written = len(kafka.writes())
    await world.resync()
    assert world.fake.requests.writes() == []
    assert len(kafka.writes()) == written


async def test_a_new_window_of_the_cluster_reaches_its_families(world: World, kafka: FakeKafka) -> None:
    world.put(family())
    await world.run_until_quiet()
    world.edit(CLUSTER_KEY, {"spec": {"tiering": {"hotWindow": "6h"}}})
    await world.run_until_quiet()
    assert kafka.topics[EVENTS].configs["local.retention.ms"] == str(6 * HOUR_MS)


async def test_compaction_makes_no_topic(world: World, kafka: FakeKafka) -> None:
    world.put(family(topics=[topic(compaction="KeepLatest")]))
    await world.run_until_quiet()
    assert reason(world) == "CompactionUnsupported"
    assert kafka.topics == {}
