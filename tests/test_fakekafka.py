"""The in-memory Kafka gives the answers of a real one: the same calls on both, compared without ids and words."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from agentmemory.core.errors import OperatorError, Transient
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.connection import Credentials
from agentmemory.kafka.model import Acl, CreatedTopic, NewTopicSpec, TopicView, id_text
from tests.fakekafka import VALID, FakeAdmin, FakeKafka, timed_out
from tests.kafka.conftest import admin, eventually, real_kafka

__all__ = ["admin", "real_kafka"]

Admin = Any
Script = Callable[[Admin], Awaitable[Any]]
A, B = "fake.a", "fake.b"
USER = "fake.user"
RULE = Acl(f"User:{USER}", "TOPIC", "fake.", "PREFIXED", "READ")


def essence(result: Any) -> Any:
    """What must be equal: kinds and reasons of errors, names, numbers; neither ids nor words."""
    match result:
        case OperatorError(reason=reason):
            return type(result).__name__, reason
        case CreatedTopic(name=name):
            return "created", name
        case TopicView(name=name, partitions=partitions, internal=internal):
            return name, [part.id for part in partitions], internal
        case dict():
            return {key: essence(value) for key, value in result.items()}
        case _:
            return result


async def told(call: Awaitable[Any]) -> Any:
    """The result, or the error that was raised."""
    try:
        return essence(await call)
    except OperatorError as error:
        return essence(error)


def topic(name: str = A, partitions: int = 2, factor: int = 1, **configs: str) -> NewTopicSpec:
    return NewTopicSpec(name, partitions, factor, {key.replace("_", "."): value for key, value in configs.items()})


async def _make(kafka: Admin) -> Any:
    results = essence(await kafka.create_topics([topic(), topic(B, retention_ms="5")]))
    await eventually(lambda: kafka.describe_topics([A, B]), lambda found: len(found) == 2)
    return results


async def _describe(kafka: Admin) -> Any:
    await _make(kafka)
    topics = await told(kafka.describe_topics([A, B, "fake.none"]))
    configs = await told(kafka.describe_configs([A, B, "fake.none"], ["retention.ms", "segment.ms"]))
    return topics, configs


async def _make_again(kafka: Admin) -> Any:
    await _make(kafka)
    results = await told(kafka.create_topics([topic(), topic("fake.c")]))
    await eventually(lambda: kafka.list_topics("fake."), lambda found: len(found) == 3)
    return results


async def _bad_topics(kafka: Admin) -> Any:
    await _make(kafka)
    specs = [
        topic("fake bad"),
        topic("fake.none.left", partitions=0),
        topic("fake.copies", factor=5),
        topic("fake.unknown", no_such_key="1"),
        topic("fake.value", retention_ms="soon"),
        topic("fake.policy", cleanup_policy="shrink"),
        topic("x" * 250),
    ]
    return await told(kafka.create_topics(specs))


async def _grow(kafka: Admin) -> Any:
    await _make(kafka)
    return await told(kafka.create_partitions({A: 4, B: 2, "fake.none": 3})), await told(
        kafka.create_partitions({A: 1})
    )


async def _alter(kafka: Admin) -> Any:
    await _make(kafka)
    changes = {
        A: {"segment.ms": "77", "retention.ms": None},
        B: {"retention.ms": "x"},
        "fake.none": {"segment.ms": "1"},
    }
    results = await told(kafka.alter_configs(changes))
    await eventually(
        lambda: kafka.describe_configs([A], ["segment.ms"]), lambda found: found.get(A) == {"segment.ms": "77"}
    )
    return results, await told(kafka.describe_configs([A, B], ["segment.ms", "retention.ms"]))


async def _delete(kafka: Admin) -> Any:
    await _make(kafka)
    found = (await kafka.describe_topics([A]))[A].topic_id
    results = await kafka.delete_topics(ids=[found, id_text(uuid.UUID(int=7))], names=[B, "fake.none"])
    await eventually(lambda: kafka.list_topics("fake."), lambda left: not left)
    return [essence(result) for result in results.values()], (await told(kafka.delete_topics(ids=[found]))) == {
        found: None
    }


async def _rules(kafka: Admin) -> Any:
    made = [await told(kafka.create_acls([RULE])) for _ in range(2)]
    await eventually(lambda: kafka.describe_acls(RULE.principal), lambda found: found == {RULE})
    others = await told(kafka.describe_acls("User:fake"))
    taken = [await told(kafka.delete_acls([RULE])) for _ in range(2)]
    await eventually(lambda: kafka.describe_acls(RULE.principal), lambda found: not found)
    return made, others, taken


async def _users(kafka: Admin) -> Any:
    steps = [
        await told(kafka.describe_scram([USER])),
        await told(kafka.upsert_scram(USER, "SCRAM-SHA-512", "p", 5000)),
        await told(kafka.upsert_scram(USER, "SCRAM-SHA-256", "p")),
        await told(kafka.upsert_scram(USER, "SCRAM-SHA-256", "p", 4095)),
        await told(kafka.upsert_scram(USER, "SCRAM-SHA-256", "p", 16385)),
    ]
    both = {"SCRAM-SHA-512": 5000, "SCRAM-SHA-256": 4096}
    await eventually(lambda: kafka.describe_scram([USER]), lambda found: found.get(USER) == both)
    steps += [await told(kafka.delete_scram(USER, name)) for name in (*both, "SCRAM-SHA-512")]
    await eventually(lambda: kafka.describe_scram([USER]), lambda found: found == {})
    return steps


SCRIPTS: dict[str, Script] = {
    script.__name__: script
    for script in (_make, _describe, _make_again, _bad_topics, _grow, _alter, _delete, _rules, _users)
}


@pytest.fixture
async def clean(admin: KafkaAdmin) -> AsyncIterator[KafkaAdmin]:
    """A real broker without topics of this file."""
    yield admin
    await admin.delete_topics(names=[*await admin.list_topics("fake.")])
    await eventually(lambda: admin.list_topics("fake."), lambda left: not left)


@pytest.mark.kafka
@pytest.mark.parametrize("name", SCRIPTS)
async def test_as_the_real_one(name: str, clean: KafkaAdmin) -> None:
    fake = FakeAdmin(FakeKafka(brokers=1), Credentials("fake:1", None))
    assert await SCRIPTS[name](fake) == await SCRIPTS[name](clean)


def _values() -> Iterator[tuple[str, str]]:
    for key in VALID:
        for value in (
            "-2",
            "-1",
            "0",
            "1",
            "1048575",
            "1048576",
            "2147483647",
            "2147483648",
            "x",
            "true",
            "compact,delete",
        ):
            yield key, value


@pytest.mark.kafka
async def test_the_same_values_are_taken(clean: KafkaAdmin) -> None:
    """Every key that the fake knows, with values around the bounds."""
    fake = FakeAdmin(FakeKafka(brokers=1), Credentials("fake:1", None))
    pairs = list(_values())
    specs = [NewTopicSpec(f"fake.v{number}", 1, 1, {key: value}) for number, (key, value) in enumerate(pairs)]
    real, made = await clean.create_topics(specs), await fake.create_topics(specs)
    differing = [
        (pair, essence(made[spec.name]), essence(real[spec.name]))
        for pair, spec in zip(pairs, specs, strict=True)
        if essence(made[spec.name]) != essence(real[spec.name])
    ]
    assert differing == []


async def test_faults() -> None:
    kafka = FakeKafka()
    fake = FakeAdmin(kafka, Credentials("fake:1", None))
    kafka.after.append(lambda call: timed_out(call.method) if call.is_write else None)
    assert await told(fake.create_topics([topic()])) == {A: ("Transient", "KafkaTimedOut")}
    assert A in kafka.topics, "the effect is there"
    kafka.after.clear()
    kafka.available = False
    with pytest.raises(Transient, match="no connection"):
        await fake.describe_topics([A])
    assert await told(fake.delete_topics(names=[A])) == {A: ("Transient", "KafkaUnreachable")}
    assert [call.method for call in kafka.writes()] == ["create_topics", "delete_topics"]
