"""The family's story against a fake API server and Kafka's admin in memory."""

import pytest

from agentmemory.api.labels import FINALIZER
from agentmemory.families.model import MANAGED_KEYS
from agentmemory.families.reconcile import FamilyReconciler
from tests import teams
from tests.fakekafka import FakeKafka, FakePool, timed_out
from tests.fakekube.fixture import World
from tests.teams import CLUSTER_KEY, FAMILY_KEY, PLATFORM, PREFIX, TEAM, TENANT_KEY, family, topic

EVENTS = PREFIX + "events"


@pytest.fixture
def kafka(world: World) -> FakeKafka:
    """A platform that runs, and nothing of the team's yet."""
    made = FakeKafka()
    world.kafka(FakePool(made))
    world.use(FamilyReconciler)
    world.put(teams.handover(), teams.cluster(), teams.tenant())
    world.cluster.set_status(CLUSTER_KEY, teams.running())
    world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
    world.cluster.namespace(TEAM)
    return made


async def settle(world: World, within: float = 0.0) -> None:
    """Run, then see that it is at rest: a look at everything again writes nothing and reads no object."""
    await world.run_until_quiet(within)
    world.fake.requests.clear()
    await world.resync()
    assert world.fake.requests.writes() == []
    assert [request for request in world.fake.requests if request.verb == "get"] == []


def reason(world: World) -> str:
    return str(world.condition(FAMILY_KEY).get("reason"))


def message(world: World) -> str:
    return str(world.condition(FAMILY_KEY).get("message"))


def is_ready(world: World) -> bool:
    return bool(world.condition(FAMILY_KEY).get("status") == "True")


async def test_a_new_family_costs_one_write_and_is_ready(world: World, kafka: FakeKafka) -> None:
    world.put(family(retention={"time": "240h", "bytes": "10Gi"}))
    await world.run_until_quiet()
    assert [str(request.verb) for request in world.fake.requests.writes()] == ["patch"]
    assert is_ready(world)
    made = kafka.topics[EVENTS]
    assert (made.partitions, made.factor) == (4, 3)
    assert made.configs["retention.ms"] == str(240 * 3600 * 1000)
    assert made.configs["retention.bytes"] == str(10 * 1024**3 // 4)
    status = world.get(FAMILY_KEY)["status"]
    assert status["topics"] == [
        {
            "name": "events",
            "topicName": EVENTS,
            "topicId": made.topic_id,
            "partitions": 4,
            "retentionBytesPerPartition": 10 * 1024**3 // 4,
        }
    ]
    assert status["observedGeneration"] == 1
    assert {entry["state"] for entry in status["enforcement"]} >= {"Enforced", "DependsOnProducer", "Unsupported"}
    await settle(world)
    assert kafka.writes()[1:] == []


async def test_a_delete_family_costs_two_writes(world: World, kafka: FakeKafka) -> None:
    world.put(family(deletionPolicy="Delete"))
    await world.run_until_quiet()
    assert len(world.fake.requests.writes()) == 2
    assert world.get(FAMILY_KEY)["metadata"]["finalizers"] == [FINALIZER]
    assert is_ready(world)
    await settle(world)


async def test_edits_reach_the_topic(world: World, kafka: FakeKafka) -> None:
    world.put(family(retention={"time": "240h", "bytes": "1Gi"}))
    await world.run_until_quiet()
    world.edit(FAMILY_KEY, {"spec": {"topics": [topic(partitions=8)], "retention": {"time": "48h"}}})
    await world.run_until_quiet()
    made = kafka.topics[EVENTS]
    assert made.partitions == 8
    assert made.configs["retention.ms"] == str(48 * 3600 * 1000)
    world.edit(FAMILY_KEY, {"spec": {"retention": {"bytes": None}}})
    await world.run_until_quiet()
    assert made.configs["retention.bytes"] == "-1"
    assert "segment.bytes" not in made.configs, "a field that left the spec takes its key along"
    assert is_ready(world)
    assert "retentionBytesPerPartition" not in world.get(FAMILY_KEY)["status"]["topics"][0]
    await settle(world)


async def test_drift_is_repaired_and_foreign_keys_are_left_alone(world: World, kafka: FakeKafka) -> None:
    world.put(family())
    await world.run_until_quiet()
    made = kafka.topics[EVENTS]
    right = dict(made.configs)
    made.configs |= {"retention.ms": "1000", "segment.ms": "60000", "unclean.leader.election.enable": "true"}
    del made.configs["compression.type"]
    await world.resync()
    assert made.configs == right | {"unclean.leader.election.enable": "true"}
    assert world.fake.requests.writes()[1:] == [], "repairing drift needs no write in Kubernetes"


async def test_a_topic_that_was_there_is_taken_over_with_its_data(world: World, kafka: FakeKafka) -> None:
    there = kafka.make(EVENTS, partitions=4, retention_ms="5")
    world.put(family())
    await world.run_until_quiet()
    assert kafka.topics[EVENTS].topic_id == there.topic_id
    assert kafka.topics[EVENTS].configs["retention.ms"] == str(240 * 3600 * 1000)
    assert is_ready(world)


async def test_a_topic_deleted_by_hand_is_made_anew_and_said_so(world: World, kafka: FakeKafka) -> None:
    world.put(family())
    await world.run_until_quiet()
    before = kafka.topics.pop(EVENTS).topic_id
    await world.resync()
    after = kafka.topics[EVENTS].topic_id
    assert after != before
    assert world.get(FAMILY_KEY)["status"]["topics"][0]["topicId"] == after
    (event,) = world.cluster.list("Event")
    assert event["reason"] == "TopicsMadeAnew"
    assert EVENTS in event["message"]
    assert event["involvedObject"]["uid"] == world.get(FAMILY_KEY)["metadata"]["uid"]
    await settle(world)


async def test_more_partitions_than_declared(world: World, kafka: FakeKafka) -> None:
    world.put(family(topics=[topic(), topic("audit")], retention={"bytes": "1Gi"}))
    await world.run_until_quiet()
    kafka.topics[EVENTS].partitions = 9
    world.edit(FAMILY_KEY, {"spec": {"retention": {"time": "48h"}}})
    await world.run_until_quiet()
    assert reason(world) == "PartitionsCannotShrink"
    assert "has 9 partitions" in message(world)
    assert "write 9" in message(world)
    assert world.condition(FAMILY_KEY, "Stalled")["status"] == "True"
    assert kafka.topics[EVENTS].configs["retention.bytes"] == str(-(-(1024**3) // 9))
    assert kafka.topics[PREFIX + "audit"].configs["retention.ms"] == str(48 * 3600 * 1000), "the others are done"
    await settle(world)
    world.edit(FAMILY_KEY, {"spec": {"topics": [topic(partitions=9), topic("audit")]}})
    await world.run_until_quiet()
    assert is_ready(world)


@pytest.mark.parametrize(("words", "expected"), [("at most 3 partitions here", "PolicyViolation")])
async def test_a_setting_that_kafka_refuses(world: World, kafka: FakeKafka, words: str, expected: str) -> None:
    kafka.policy = lambda name, configs: words if name == EVENTS else None
    world.put(family(topics=[topic(), topic("audit")]))
    await world.run_until_quiet()
    assert reason(world) == expected
    assert words in message(world)
    assert EVENTS in message(world)
    assert world.condition(FAMILY_KEY, "Accepted")["status"] == "False"
    assert PREFIX + "audit" in kafka.topics, "the other topic is done"
    await settle(world)
    kafka.policy = lambda name, configs: None
    await world.resync()
    assert is_ready(world)


async def test_an_alteration_that_kafka_refuses_alone(world: World, kafka: FakeKafka) -> None:
    world.put(family(topics=[topic(), topic("audit")]))
    await world.run_until_quiet()
    kafka.policy = lambda name, configs: "not here" if name == EVENTS else None
    world.edit(FAMILY_KEY, {"spec": {"retention": {"time": "1h"}}})
    await world.run_until_quiet()
    assert reason(world) == "PolicyViolation"
    assert kafka.topics[PREFIX + "audit"].configs["retention.ms"] == "3600000"
    assert kafka.topics[EVENTS].configs["retention.ms"] == str(240 * 3600 * 1000)


async def test_kafka_away_is_said_once_and_its_return_is_met_soon(world: World, kafka: FakeKafka) -> None:
    world.put(family(), family("other"))
    await world.run_until_quiet()
    kafka.available = False
    world.fake.requests.clear()
    await world.resync(within=60)
    assert reason(world) == "KafkaUnavailable"
    assert str(CLUSTER_KEY.name) in message(world)
    assert len(world.fake.requests.of("patch", "TopicFamily")) == 2, "once for each family"
    assert world.condition(FAMILY_KEY, "Reconciling")["status"] == "True"
    kafka.available = True
    await world.run_until_quiet(within=3)
    assert is_ready(world)
    await settle(world)


async def test_kafka_away_in_the_middle(world: World, kafka: FakeKafka) -> None:
    kafka.after.append(lambda call: timed_out(call.method) if call.method == "create_topics" else None)
    world.put(family())
    await world.run_until_quiet()
    assert reason(world) == "KafkaUnavailable"
    kafka.after.clear()
    await world.run_until_quiet(within=10)
    assert is_ready(world)
    assert len(kafka.of("create_topics")) == 1, "the effect was there although the answer was lost"


async def test_a_topic_that_brokers_do_not_list_yet(world: World, kafka: FakeKafka) -> None:
    kafka.make(EVENTS, partitions=4).hidden = 3
    world.put(family())
    await world.run_until_quiet(within=30)
    assert is_ready(world)
    assert len(world.fake.requests.of("patch", "TopicFamily")) == 1


async def test_brokers_that_are_too_few(world: World, kafka: FakeKafka) -> None:
    world.cluster.set_status(CLUSTER_KEY, {"brokers": {"registered": 2}})
    world.put(family())
    await world.run_until_quiet()
    assert reason(world) == "NotEnoughBrokers"
    assert "needs 3 brokers" in message(world)
    assert "2 are registered" in message(world)
    assert kafka.of("create_topics") == []
    world.cluster.set_status(CLUSTER_KEY, {"brokers": {"registered": 3}})
    await world.run_until_quiet(within=6)
    assert is_ready(world)


async def test_brokers_that_kafka_finds_too_few(world: World, kafka: FakeKafka) -> None:
    kafka.brokers.popitem()
    world.put(family())
    await world.run_until_quiet()
    assert reason(world) == "InvalidReplicationFactor"
    assert world.condition(FAMILY_KEY, "Reconciling")["status"] == "True"


async def test_a_namespace_that_the_tenant_does_not_list(world: World, kafka: FakeKafka) -> None:
    world.edit(TENANT_KEY, {"spec": {"namespaces": [{"name": "others"}]}})
    world.put(family())
    await world.run_until_quiet()
    assert reason(world) == "NamespaceNotAllowed"
    assert f"{PLATFORM}/support does not list namespace {TEAM}" in message(world)
    assert world.condition(FAMILY_KEY, "Accepted")["status"] == "False"
    assert kafka.calls == []
    world.edit(TENANT_KEY, {"spec": {"namespaces": [{"name": TEAM, "segment": "agents"}]}})
    await world.run_until_quiet()
    assert is_ready(world)


async def test_what_is_missing_is_waited_for(world: World, kafka: FakeKafka) -> None:
    world.delete(TENANT_KEY)
    world.delete(CLUSTER_KEY)
    world.put(family())
    await world.run_until_quiet()
    assert reason(world) == "TenantNotFound"
    world.put(teams.tenant())
    await world.run_until_quiet()
    assert reason(world) == "TenantNotReady"
    world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
    await world.run_until_quiet()
    assert reason(world) == "ClusterNotFound"
    world.put(teams.cluster())
    await world.run_until_quiet()
    assert reason(world) == "ClusterNotReady"
    world.cluster.set_status(CLUSTER_KEY, teams.running())
    await world.run_until_quiet()
    assert is_ready(world)


async def test_credentials_that_are_not_there_yet(world: World, kafka: FakeKafka) -> None:
    world.delete("Secret/agent-memory-system/agent-memory-tenant-principals")
    world.put(family())
    await world.run_until_quiet()
    assert reason(world) == "KafkaCredentialsPending"
    world.put(teams.handover())
    await world.run_until_quiet(within=10)
    assert is_ready(world)


async def test_credentials_that_may_not_be_read(world: World, kafka: FakeKafka) -> None:
    world.fake.faults.before.append(lambda request: 403 if request.kind == "Secret" else None)
    world.put(family())
    await world.run_until_quiet()
    assert world.condition(FAMILY_KEY, "Stalled")["status"] == "True"
    assert "Traceback" not in message(world)
    world.fake.faults.clear()
    await world.run_until_quiet(within=90)
    assert is_ready(world)


async def test_an_object_of_an_older_release(world: World, kafka: FakeKafka) -> None:
    world.put(family(surprise=1))
    world.put(family("good"))
    await world.run_until_quiet()
    assert reason(world) == "InvalidSpec"
    assert "spec.surprise" in message(world)
    assert PREFIX.replace("trail", "good") + "events" in kafka.topics
    await settle(world)
    world.edit(FAMILY_KEY, {"spec": {"surprise": None}})
    await world.run_until_quiet()
    assert is_ready(world)


async def test_a_bad_edit_leaves_the_topic_and_is_healed_by_its_reversal(world: World, kafka: FakeKafka) -> None:
    world.put(family())
    await world.run_until_quiet()
    before = dict(kafka.topics[EVENTS].configs)
    world.edit(FAMILY_KEY, {"spec": {"priority": "deferrable", "retention": {"time": "1h"}}})
    await world.run_until_quiet()
    assert reason(world) == "PriorityNotAllowed"
    assert kafka.topics[EVENTS].configs == before
    assert world.get(FAMILY_KEY)["status"]["topics"][0]["topicName"] == EVENTS
    world.edit(FAMILY_KEY, {"spec": {"priority": "critical", "retention": {"time": "240h"}}})
    await world.run_until_quiet()
    assert is_ready(world)
    assert kafka.topics[EVENTS].configs == before


async def test_paused(world: World, kafka: FakeKafka) -> None:
    world.put(family() | {"metadata": {**family()["metadata"], "annotations": {"agentmemory.dev/paused": "true"}}})
    await world.run_until_quiet()
    assert kafka.calls == []
    world.edit(FAMILY_KEY, {"metadata": {"annotations": {"agentmemory.dev/paused": None}}})
    await world.run_until_quiet()
    assert is_ready(world)


async def test_a_broker_that_restarts_wakes_nobody_who_is_ready(world: World, kafka: FakeKafka) -> None:
    world.put(family())
    await world.run_until_quiet()
    kafka.calls.clear()
    world.cluster.set_status(CLUSTER_KEY, teams.running(brokers=2, ready="False"))
    await world.run_until_quiet()
    world.cluster.set_status(CLUSTER_KEY, teams.running())
    await world.run_until_quiet()
    assert kafka.calls == []
    world.edit(CLUSTER_KEY, {"spec": {"replication": {"factor": 3, "minInSync": 1}}})
    await world.run_until_quiet()
    assert kafka.topics[EVENTS].configs["min.insync.replicas"] == "1"


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
@pytest.mark.parametrize("writes", [1, 2])
async def test_crash_after_every_write(world: World, kafka: FakeKafka, policy: str, writes: int) -> None:
    world.put(family(deletionPolicy=policy))
    world.die_after(writes)
    await world.run_until_quiet()
    await world.restart()
    await settle(world)
    assert is_ready(world)
    assert len(kafka.of("create_topics")) == 1
    assert set(kafka.topics[EVENTS].configs) <= set(MANAGED_KEYS)


async def test_two_leaders_at_once(world: World, kafka: FakeKafka) -> None:
    world.ctx.leading = lambda: False
    world.put(family())
    await world.run_until_quiet()
    assert kafka.writes() == []
    world.ctx.leading = lambda: True
    await world.run_until_quiet(within=10)
    assert is_ready(world)


@pytest.mark.parametrize("which", ["forbidden", "unreadable"])
async def test_a_topic_that_we_may_not_describe(world: World, kafka: FakeKafka, which: str) -> None:
    """Its state is not known, so nothing is done to it; the others are done."""
    getattr(kafka, which).add(EVENTS)
    kafka.make(EVENTS, partitions=1)
    world.put(family(topics=[topic(), topic("audit")]))
    await world.run_until_quiet()
    assert reason(world) == "TopicAuthorizationFailed"
    assert world.condition(FAMILY_KEY, "Stalled")["status"] == "True"
    assert PREFIX + "audit" in kafka.topics
    assert (kafka.topics[EVENTS].partitions, kafka.topics[EVENTS].configs) == (1, {})
    getattr(kafka, which).clear()
    await world.run_until_quiet(within=61)
    assert is_ready(world)
