"""Families and clients on a real Kafka, by the tenant role's own principal and rights; the API server is a fake."""

import asyncio
import base64
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from agentmemory.clients.reconcile import ClientReconciler
from agentmemory.core.key import Key
from agentmemory.engines.handover import SECRET, key_in_secret, pack
from agentmemory.engines.kafka import acls
from agentmemory.families.reconcile import FamilyReconciler
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.connection import KafkaPool
from agentmemory.kafka.model import TopicView
from tests import teams
from tests.fakekube.fixture import World
from tests.kafka.conftest import eventually
from tests.kafka.realkafka import RealKafka
from tests.teams import CLIENT_KEY, CLUSTER_KEY, FAMILY_KEY, PREFIX, TEAM, TENANT_KEY, client, family, topic

pytestmark = pytest.mark.kafka

EVENTS = PREFIX + "events"
USER = "support.agents.bot"


@pytest.fixture
async def team(world: World, real_kafka: RealKafka, admin: KafkaAdmin) -> AsyncIterator[World]:
    """The platform's side on one real broker; the tenant role has the rights that the engine grants it."""
    await acls.keep(admin)
    pool = KafkaPool(limit=10.0)
    world.kafka(pool)
    world.use(FamilyReconciler, ClientReconciler)
    text = pack(real_kafka.credentials("tenant-operator"))
    world.put(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": "agent-memory-system"},
            "stringData": {key_in_secret(CLUSTER_KEY): text},
        },
        teams.cluster(replication={"factor": 1, "minInSync": 1}),
        teams.tenant(),
    )
    status = {**teams.running(brokers=1), "bootstrapServers": real_kafka.bootstrap("CLIENTS")}
    world.cluster.set_status(CLUSTER_KEY, status)
    world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
    yield world
    for key in (CLIENT_KEY, FAMILY_KEY):
        if world.find(key):
            if key == FAMILY_KEY:
                world.edit(key, {"spec": {"deletionPolicy": "Delete"}})
                await run(world)
            world.delete(key)
    await run(world)
    await pool.close()
    left = await eventually(lambda: admin.list_topics("support."), lambda found: not found)
    assert left == {}
    assert await admin.describe_acls(f"User:{USER}") == set()
    assert await admin.describe_scram([USER]) == {}


async def run(world: World) -> None:
    """Until all is quiet; brokers take some milliseconds of real time to tell each other news."""
    await world.run_until_quiet(within=5)


def ready(world: World, key: Key) -> None:
    condition = world.condition(key)
    assert condition.get("status") == "True", condition


async def is_at_rest(world: World) -> None:
    world.fake.requests.clear()
    await world.resync()
    assert world.fake.requests.writes() == []


def content(world: World) -> dict[str, str]:
    data = world.get(Key("Secret", TEAM, "bot-kafka"))["data"]
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


async def partitions(admin: KafkaAdmin, name: str, count: int) -> None:
    def grown(found: dict[str, Any]) -> bool:
        return isinstance(found.get(name), TopicView) and len(found[name].partitions) == count

    await eventually(lambda: admin.describe_topics([name]), grown)


async def test_a_family_from_beginning_to_end(team: World, admin: KafkaAdmin) -> None:
    team.put(
        family(
            topics=[topic(), topic("facts", compaction="KeepLatestAndExpire")],
            retention={"time": "240h", "bytes": "1Gi"},
            maxEventBytes="64Mi",
            compression="zstd",
        )
    )
    await run(team)
    ready(team, FAMILY_KEY)
    before = team.get(FAMILY_KEY)["status"]["topics"]
    seen = await eventually(lambda: admin.describe_topics([EVENTS]), lambda found: EVENTS in found)
    assert isinstance(seen[EVENTS], TopicView)
    assert before[0]["topicId"] == seen[EVENTS].topic_id
    await is_at_rest(team)

    team.edit(FAMILY_KEY, {"spec": {"retention": {"bytes": None}, "topics": [topic(partitions=6), topic("facts")]}})
    await run(team)
    ready(team, FAMILY_KEY)
    await partitions(admin, EVENTS, 6)
    configs = await admin.describe_configs([PREFIX + "facts"], ["cleanup.policy", "segment.bytes", "compression.type"])
    assert configs == {PREFIX + "facts": {"cleanup.policy": "delete", "compression.type": "zstd"}}
    await is_at_rest(team)

    await admin.alter_configs({EVENTS: {"retention.ms": "1000", "unclean.leader.election.enable": "true"}})
    await eventually(
        lambda: admin.describe_configs([EVENTS], ["retention.ms"]),
        lambda found: found[EVENTS]["retention.ms"] == "1000",
    )
    await team.resync(within=5)
    repaired = await eventually(
        lambda: admin.describe_configs([EVENTS], ["retention.ms", "unclean.leader.election.enable"]),
        lambda found: found[EVENTS]["retention.ms"] != "1000",
    )
    assert repaired[EVENTS] == {"retention.ms": str(240 * 3_600_000), "unclean.leader.election.enable": "true"}

    await admin.create_partitions({EVENTS: 7})
    await partitions(admin, EVENTS, 7)
    await team.resync(within=5)
    assert team.condition(FAMILY_KEY)["reason"] == "PartitionsCannotShrink"
    team.edit(FAMILY_KEY, {"spec": {"topics": [topic(partitions=7), topic("facts")]}})
    await run(team)
    ready(team, FAMILY_KEY)

    await admin.delete_topics(names=[EVENTS])
    await eventually(lambda: admin.describe_topics([EVENTS]), lambda found: not found)
    await team.resync(within=5)
    ready(team, FAMILY_KEY)
    assert team.get(FAMILY_KEY)["status"]["topics"][0]["topicId"] != before[0]["topicId"]
    assert [event["reason"] for event in team.cluster.list("Event")] == ["TopicsMadeAnew"]


@pytest.mark.parametrize(
    "spec",
    [
        {"topics": [topic(compaction="KeepLatest")], "erasure": {"method": "Tombstone", "maxDelay": "72h"}},
        {"retention": {"time": "720h"}, "erasure": {"method": "Expiry", "maxDelay": "740h"}, "compression": "gzip"},
        {"retention": {"bytes": "1"}, "timestamps": "LogAppendTime", "compression": "uncompressed"},
        {"retention": {"time": "99999h", "bytes": "7Ei"}, "maxEventBytes": "1Ki", "compression": "lz4"},
    ],
)
async def test_every_setting_is_one_that_kafka_takes_and_gives_back(team: World, spec: dict[str, Any]) -> None:
    team.put(family(**spec))
    await run(team)
    ready(team, FAMILY_KEY)
    await is_at_rest(team)


async def test_more_copies_than_brokers(team: World) -> None:
    team.edit(CLUSTER_KEY, {"spec": {"replication": {"factor": 3, "minInSync": 1}}})
    team.cluster.set_status(CLUSTER_KEY, {"brokers": {"registered": 3}})
    team.put(family())
    await team.run_until_quiet()
    assert team.condition(FAMILY_KEY)["reason"] == "InvalidReplicationFactor"
    assert EVENTS in team.condition(FAMILY_KEY)["message"]
    team.edit(CLUSTER_KEY, {"spec": {"replication": {"factor": 1, "minInSync": 1}}})
    await run(team)
    ready(team, FAMILY_KEY)


def settings(held: dict[str, str], folder: Path) -> dict[str, Any]:
    """The Secret's keys as kafka-python names them."""
    (folder / "ca.crt").write_text(held["ca.crt"])
    return {
        "bootstrap_servers": held["bootstrap.servers"].split(","),
        "security_protocol": held["security.protocol"],
        "sasl_mechanism": held["sasl.mechanism"],
        "sasl_plain_username": held["username"],
        "sasl_plain_password": held["password"],
        "ssl_cafile": str(folder / "ca.crt"),
    }


def work(held: dict[str, str], folder: Path, group: str) -> list[bytes]:
    """Write three records and read them back in a group."""
    producer = KafkaProducer(**settings(held, folder), acks="all")
    for number in range(3):
        producer.send(EVENTS, key=b"session", value=str(number).encode()).get(20)
    producer.close()
    consumer = KafkaConsumer(
        EVENTS, **settings(held, folder), group_id=group, auto_offset_reset="earliest", consumer_timeout_ms=15_000
    )
    found = []
    for record in consumer:
        found.append(record.value)
        if len(found) == 3:
            break
    consumer.commit()
    consumer.close()
    return sorted(found)


def may_write(held: dict[str, str], folder: Path, name: str) -> bool:
    producer = KafkaProducer(**settings(held, folder), acks="all", max_block_ms=5000, request_timeout_ms=5000)
    try:
        producer.send(name, b"x").get(10)
    except KafkaError:
        return False
    finally:
        producer.close(timeout=1)
    return True


def may_log_in(held: dict[str, str], folder: Path) -> bool:
    try:
        consumer = KafkaConsumer(**settings(held, folder), bootstrap_timeout_ms=3000)
    except KafkaError:
        return False
    consumer.close()
    return True


async def wait_for(world: World, check: Any, *args: Any) -> None:
    async def ask() -> bool:
        return bool(await asyncio.to_thread(check, *args))

    await eventually(ask, lambda good: good)


async def test_a_client_works_with_what_its_secret_says(team: World, real_kafka: RealKafka, tmp_path: Path) -> None:
    team.put(family(), family("private"), client())
    await run(team)
    ready(team, FAMILY_KEY)
    ready(team, CLIENT_KEY)
    await is_at_rest(team)
    held = content(team)
    await wait_for(team, may_log_in, held, tmp_path)
    found = await asyncio.to_thread(work, held, tmp_path, held["group.prefix"] + "reader")
    assert found == [b"0", b"1", b"2"]
    private = "support.agents.private.events"
    assert not await asyncio.to_thread(may_write, held, tmp_path, private), "families that are not listed stay closed"

    properties = tmp_path / "client.properties"
    properties.write_text(held["client.properties"].replace("/etc/agent-memory", str(tmp_path)))
    arguments = ("--bootstrap-server", held["bootstrap.servers"], "--command-config", str(properties), "--list")
    command = real_kafka._java("org.apache.kafka.tools.TopicCommand", *arguments)
    listed = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=True)
    assert EVENTS in listed.stdout.split()
    assert private not in listed.stdout.split()

    team.delete(FAMILY_KEY)
    await run(team)
    assert team.condition(CLIENT_KEY)["reason"] == "FamilyNotFound"
    await wait_for(team, lambda: not may_write(held, tmp_path, EVENTS))
    team.put(family())
    await run(team)
    await wait_for(team, may_write, held, tmp_path, EVENTS)

    team.delete(Key("Secret", TEAM, "bot-kafka"))
    await team.resync(within=5)
    await wait_for(team, lambda: not may_log_in(held, tmp_path))
    await wait_for(team, may_log_in, content(team), tmp_path)

    held = content(team)
    team.delete(CLIENT_KEY)
    await run(team)
    assert team.find(CLIENT_KEY) is None
    await wait_for(team, lambda: not may_log_in(held, tmp_path))
    for name in ("trail", "private"):
        team.edit(FAMILY_KEY._replace(name=name), {"spec": {"deletionPolicy": "Delete"}})
    await run(team)
    team.delete(FAMILY_KEY._replace(name="private"))
    await run(team)


async def test_kafka_goes_away_and_comes_back(team: World, real_kafka: RealKafka) -> None:
    team.put(family(), client())
    await run(team)
    ready(team, FAMILY_KEY)
    real_kafka.nodes[1000].stop()
    try:
        team.edit(FAMILY_KEY, {"spec": {"retention": {"time": "1h"}}})
        await team.run_until_quiet()
        assert team.condition(FAMILY_KEY)["reason"] == "KafkaUnavailable"
    finally:
        real_kafka.start_broker(1000)  # not in a thread: the process would end with it

    async def settled() -> str:
        await team.run_until_quiet(within=3)
        return str(team.condition(FAMILY_KEY)["status"])

    await eventually(settled, lambda status: status == "True")


@asynccontextmanager
async def crashing(world: World, writes: int) -> AsyncIterator[None]:
    world.die_after(writes)
    yield
    await world.restart()
    await run(world)


@pytest.mark.parametrize("writes", range(1, 6))
async def test_crash_after_every_write(team: World, writes: int, tmp_path: Path) -> None:
    async with crashing(team, writes):
        team.put(family(deletionPolicy="Delete"), client())
        await run(team)
    ready(team, FAMILY_KEY)
    ready(team, CLIENT_KEY)
    await wait_for(team, may_write, content(team), tmp_path, EVENTS)
    await is_at_rest(team)
