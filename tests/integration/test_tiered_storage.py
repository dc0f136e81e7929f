"""Real Apache Kafka, real S3 server: old segments leave the broker's volume, are read back, and go with their topic."""

import asyncio
import operator
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from agentmemory.core.errors import OperatorError
from agentmemory.families import desired
from agentmemory.families.model import TIERED_KEYS
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.model import CreatedTopic, NewTopicSpec
from tests import teams
from tests.families.worlds import make_world
from tests.integration.tieredkafka import BUCKET, TIERED, TieredKafka, mount
from tests.kafka.conftest import eventually
from tests.objectstore.servers import VersityGw, run_versitygw
from tests.teams import PREFIX, family

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

EVENTS = PREFIX + "events"
RECORDS, SIZE = 150, 40_000
# So that minutes become seconds: what a family cannot declare, on top of what it does.
SOON = {"local.retention.ms": "1000", "segment.bytes": str(1024**2), "file.delete.delay.ms": "100"}


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VersityGw]:
    with run_versitygw(tmp_path_factory.mktemp("s3")) as server:
        server.client().create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory, s3: VersityGw) -> Iterator[TieredKafka]:
    secrets = mount(tmp_path_factory.mktemp("mount") / "tiering", s3.root)
    with TieredKafka(tmp_path_factory.mktemp("kafka"), s3, secrets) as running:
        yield running


@pytest.fixture
async def admin(kafka: TieredKafka) -> AsyncIterator[KafkaAdmin]:
    made = KafkaAdmin(kafka.credentials())
    yield made
    await made.close()


def settings(**declared: Any) -> dict[str, str]:
    """Of a topic, as the family's reconciler would make it."""
    cluster = {**teams.cluster(**TIERED), "status": teams.running()}
    world = make_world(family=family(**declared), cluster=cluster)
    return desired.configs(world, world.family.spec.topics[0], 1)


def objects(s3: VersityGw) -> list[str]:
    """Names of all objects in the bucket."""
    return [found["Key"] for found in s3.client().list_objects_v2(Bucket=BUCKET).get("Contents", [])]


async def until(look: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    async def seen() -> Any:
        return await asyncio.to_thread(look)

    return await eventually(seen, wanted, limit=60)


def produce(client: dict[str, str], values: list[bytes]) -> None:
    with KafkaProducer(**client, acks="all") as producer:
        for sent in [producer.send(EVENTS, value) for value in values]:
            sent.get(timeout=60)


def consume(client: dict[str, str], count: int) -> list[bytes]:
    """All records from the first offset on."""
    with KafkaConsumer(**client, enable_auto_commit=False, consumer_timeout_ms=30_000) as consumer:
        consumer.assign([TopicPartition(EVENTS, 0)])
        consumer.seek(TopicPartition(EVENTS, 0), 0)
        return [record.value for record in islice(consumer, count)]


async def test_a_segment_leaves_is_read_back_and_goes_with_its_topic(
    kafka: TieredKafka, s3: VersityGw, admin: KafkaAdmin, tmp_path: Path
) -> None:
    client, dice = kafka.client(tmp_path), random.Random(5)
    values = [dice.randbytes(SIZE) for _ in range(RECORDS)]
    made = await admin.create_topics([NewTopicSpec(EVENTS, 1, 1, settings() | SOON)])
    assert isinstance(made[EVENTS], CreatedTopic)
    await asyncio.to_thread(produce, client, values)

    # Gone from the volume: nothing is left there from before the last few records.
    left = await until(lambda: kafka.segments(EVENTS), lambda names: len(names) == 1 and int(names[0]) > 0)
    assert int(left[0]) >= RECORDS * 3 // 4
    kept = await asyncio.to_thread(objects, s3)
    assert sum(name.endswith(".log") for name in kept) >= 3
    assert all(name.startswith("cluster-id/") for name in kept)

    assert await asyncio.to_thread(consume, client, RECORDS) == values

    assert await admin.delete_topics(names=[EVENTS]) == {EVENTS: None}
    await until(lambda: objects(s3), lambda names: names == [])


async def test_the_keys_are_nowhere_but_in_their_mount(
    kafka: TieredKafka, s3: VersityGw, admin: KafkaAdmin, tmp_path: Path
) -> None:
    """Not in a log line, a file of Kafka's, or what it tells of its own settings."""
    await admin.create_topics([NewTopicSpec(PREFIX + "secrets", 1, 1, settings())])
    told = await asyncio.to_thread(broker_settings, kafka.client(tmp_path))
    assert "rsm.config.storage.s3.bucket.name" in told
    planted = [s3.root.access_key_id.encode(), s3.root.secret_access_key.encode()]
    assert [key for key in planted if key.decode() in told] == []
    files = [file for file in kafka.folder.rglob("*") if file.is_file()]
    assert any(file.name == "log" and file.stat().st_size > 10_000 for file in files)
    assert [file for file in files for key in planted if key in file.read_bytes()] == []


def broker_settings(client: dict[str, str]) -> str:
    """All that a broker tells of its settings."""
    with closing(KafkaAdminClient(**client)) as asked:
        return repr(
            asked.describe_configs([ConfigResource(ConfigResourceType.BROKER, "1000", None)], config_filter="all")
        )


FAMILIES: dict[str, dict[str, Any]] = {
    "the cluster's window": {},
    "its own window": {"retention": {"time": "240h", "hot": "1m"}},
    "short-lived": {"retention": {"time": "1h"}},
    "by size": {"retention": {"bytes": "1Gi"}},
    "to be erased": {"erasure": {"method": "Expiry", "maxDelay": "900h"}},
}


async def test_kafka_takes_what_families_want_and_every_change_of_it(kafka: TieredKafka, admin: KafkaAdmin) -> None:
    """There and back again: a window that shrinks with its retention, and one that grows."""
    name = PREFIX + "changes"
    declared = [*FAMILIES.values(), *reversed(FAMILIES.values())]
    made = await admin.create_topics([NewTopicSpec(name, 1, 1, settings(**declared[0]))])
    assert isinstance(made[name], CreatedTopic)
    for one in declared:
        wanted = settings(**one)
        changes = desired.changes(wanted, await configs(admin, name), TIERED_KEYS)
        assert set((await admin.alter_configs({name: changes} if changes else {})).values()) <= {None}
        await eventually(partial(configs, admin, name), partial(operator.eq, wanted))


async def test_what_is_refused_here_kafka_would_refuse(kafka: TieredKafka, admin: KafkaAdmin) -> None:
    compacted = settings() | {"cleanup.policy": "compact"}
    hot = settings(retention={"time": "1h"}) | {"local.retention.ms": str(2 * 3_600_000)}
    specs = [NewTopicSpec(PREFIX + kind, 1, 1, wanted) for kind, wanted in (("compact", compacted), ("hot", hot))]
    made = await admin.create_topics(specs)
    assert [isinstance(found, OperatorError) and found.reason for found in made.values()] == ["InvalidConfig"] * 2


async def configs(admin: KafkaAdmin, name: str) -> dict[str, str]:
    """Of a new topic a broker knows nothing for some moments."""
    answer = await eventually(partial(admin.describe_configs, [name], TIERED_KEYS), lambda seen: name in seen)
    found = answer[name]
    assert isinstance(found, dict)
    return found
