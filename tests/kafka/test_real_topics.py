"""Topics on a real broker: what is made, what is refused and in which words."""

import asyncio

import pytest

from agentmemory.core.errors import Invalid, OperatorError, Transient
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.model import CreatedTopic, NewTopicSpec, TopicView, or_raise
from tests.kafka.conftest import eventually

pytestmark = pytest.mark.kafka


async def _make(admin: KafkaAdmin, name: str, partitions: int = 1, **configs: str) -> CreatedTopic:
    """Made, and known to the broker that is asked for descriptions."""
    settings = {key.replace("_", "."): value for key, value in configs.items()}
    made = or_raise(await admin.create_topics([NewTopicSpec(name, partitions, 1, settings)]))
    await eventually(lambda: admin.describe_topics([name]), lambda found: name in found)
    return made[name]


def _view(found: dict[str, TopicView | OperatorError], name: str) -> TopicView:
    return or_raise(found)[name]


async def test_create_describe_grow_delete(admin: KafkaAdmin) -> None:
    name = "acme.agents.life.events"
    made = await _make(admin, name, partitions=2)
    view = _view(await admin.describe_topics([name]), name)
    assert view.topic_id == made.topic_id
    assert [(part.id, part.leader, part.replicas, part.isr) for part in view.partitions] == [
        (0, 1000, (1000,), (1000,)),
        (1, 1000, (1000,), (1000,)),
    ]
    assert or_raise(await admin.create_partitions({name: 5})) == {name: None}
    await eventually(lambda: admin.describe_topics([name]), lambda found: len(_view(found, name).partitions) == 5)
    assert await admin.delete_topics(ids=[made.topic_id]) == {made.topic_id: None}
    await eventually(lambda: admin.describe_topics([name]), lambda found: name not in found)
    assert await admin.delete_topics(ids=[made.topic_id], names=[name]) == {made.topic_id: None, name: None}


async def test_a_topic_made_anew_survives_a_delete_of_the_old_one(admin: KafkaAdmin) -> None:
    name = "acme.agents.anew.events"
    old = await _make(admin, name)
    or_raise(await admin.delete_topics(names=[name]))
    new = await _make(admin, name)
    assert new.topic_id != old.topic_id
    assert await admin.delete_topics(ids=[old.topic_id]) == {old.topic_id: None}
    await eventually(lambda: admin.list_topics(name), lambda found: name in found)
    assert (await admin.list_topics(name))[name].topic_id == new.topic_id


async def test_one_bad_topic_fails_alone(admin: KafkaAdmin) -> None:
    await _make(admin, "acme.bad.there")
    results = await admin.create_topics(
        [
            NewTopicSpec("acme.bad.good", 1, 1),
            NewTopicSpec("acme.bad.value", 1, 1, {"retention.ms": "soon"}),
            NewTopicSpec("acme.bad.key", 1, 1, {"no.such.key": "1"}),
            NewTopicSpec("acme.bad/name", 1, 1),
            NewTopicSpec("acme.bad.partitions", 0, 1),
            NewTopicSpec("acme.bad.factor", 1, 3),
            NewTopicSpec("acme.bad.there", 1, 1),
        ]
    )
    assert isinstance(results.pop("acme.bad.good"), CreatedTopic)
    errors = {name: error for name, error in results.items() if isinstance(error, OperatorError)}
    assert {name: (type(error), error.reason) for name, error in errors.items()} == {
        "acme.bad.value": (Invalid, "InvalidConfig"),
        "acme.bad.key": (Invalid, "InvalidConfig"),
        "acme.bad/name": (Invalid, "InvalidTopic"),
        "acme.bad.partitions": (Invalid, "InvalidPartitions"),
        "acme.bad.factor": (Transient, "InvalidReplicationFactor"),
        "acme.bad.there": (Transient, "TopicAlreadyExists"),
    }
    assert "Invalid value soon for configuration retention.ms" in errors["acme.bad.value"].message
    assert "only 1 broker(s) are registered" in errors["acme.bad.factor"].message
    assert errors["acme.bad.factor"].message.endswith("Add brokers, or lower the replication factor.")


async def test_more_partitions_than_one_request_takes(admin: KafkaAdmin) -> None:
    """KRaft refuses a CreateTopics of more than 10,000 partitions as a whole: cut in two, only the giant fails."""
    specs = [NewTopicSpec("acme.many.small", 1, 1), NewTopicSpec("acme.many.giant", 10_001, 1)]
    results = await admin.create_topics(specs)
    assert isinstance(results["acme.many.small"], CreatedTopic)
    giant = results["acme.many.giant"]
    assert isinstance(giant, Invalid)
    assert giant.reason == "PolicyViolation"


async def test_partitions_never_shrink(admin: KafkaAdmin) -> None:
    await _make(admin, "acme.shrink", partitions=3)
    results = await admin.create_partitions({"acme.shrink": 2, "acme.shrink.absent": 2})
    assert isinstance(results["acme.shrink"], Invalid)
    assert "currently has 3 partition(s); 2 would not be an increase" in results["acme.shrink"].message
    assert isinstance(results["acme.shrink.absent"], Transient)


async def test_configs_are_the_named_ones_that_are_set_on_the_topic(admin: KafkaAdmin) -> None:
    name = "acme.configs"
    await _make(admin, name, retention_ms="1000", segment_ms="60000")
    keys = ["retention.ms", "cleanup.policy"]
    assert await admin.describe_configs([name, "acme.absent"], keys) == {name: {"retention.ms": "1000"}}

    changes: dict[str, str | None] = {"retention.ms": None, "cleanup.policy": "compact"}
    assert await admin.alter_configs({name: changes}) == {name: None}
    await eventually(
        lambda: admin.describe_configs([name], keys), lambda found: found == {name: {"cleanup.policy": "compact"}}
    )
    assert await admin.describe_configs([name], ["segment.ms"]) == {name: {"segment.ms": "60000"}}


async def test_a_refused_value_changes_nothing_of_its_topic_and_all_of_the_others(admin: KafkaAdmin) -> None:
    await _make(admin, "acme.alter.a")
    await _make(admin, "acme.alter.b")
    results = await admin.alter_configs(
        {
            "acme.alter.a": {"retention.ms": "5000", "max.message.bytes": "-7"},
            "acme.alter.b": {"retention.ms": "5000"},
            "acme.alter.absent": {"retention.ms": "5000"},
        }
    )
    assert isinstance(results["acme.alter.a"], Invalid)
    assert "-7" in results["acme.alter.a"].message
    assert results["acme.alter.b"] is None
    assert isinstance(results["acme.alter.absent"], Transient)
    names = ["acme.alter.a", "acme.alter.b"]
    await eventually(
        lambda: admin.describe_configs(names, ["retention.ms", "max.message.bytes"]),
        lambda found: found == {"acme.alter.a": {}, "acme.alter.b": {"retention.ms": "5000"}},
    )


async def test_listing_by_prefix(admin: KafkaAdmin) -> None:
    await _make(admin, "acme.list.a")
    await _make(admin, "acme.listing")
    assert set(await admin.list_topics("acme.list.")) == {"acme.list.a"}


async def test_names_that_do_not_exist_and_cannot(admin: KafkaAdmin) -> None:
    found = await admin.describe_topics(["acme.absent", "acme/not.a.name"])
    assert set(found) == {"acme/not.a.name"}
    assert isinstance(found["acme/not.a.name"], Invalid)


async def test_five_hundred_calls_at_once_are_all_answered(admin: KafkaAdmin) -> None:
    """More than one connection takes: they wait for their turn, none is refused."""
    name = "acme.agents.busy.events"
    made = await _make(admin, name)
    found = await asyncio.gather(*(admin.describe_topics([name]) for _ in range(500)))
    assert [_view(one, name).topic_id for one in found] == [made.topic_id] * 500
    await admin.delete_topics(ids=[made.topic_id])
