"""What users do while the leader is stopped in the middle of a write, one story for each kind of write and more."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from agentmemory.core.key import Key
from agentmemory.engines.handover import SECRET
from tests.faultproxy import Match

from .land import KafkaWrite, Land, StoreWrite

Act = Callable[[Land], Awaitable[Any]]


async def _nothing(_: Land) -> None:
    """The user waits."""


@dataclass(frozen=True)
class Story:
    """`deed` makes the first leader write; it is stopped in the middle of `held`; the second leader finishes the deed;
    `meanwhile` is done under the second; then what was held arrives.
    """

    name: str
    held: Callable[[Land], Match | KafkaWrite | StoreWrite]
    deed: Act
    meanwhile: Act = _nothing
    begin: Act = Land.begin
    told: str = ""
    """An Event by which users hear that what arrived late was mended."""
    shared: bool = False
    """The write is made by whichever land is looked at next: a gate for it would hold up another story's."""

    def __str__(self) -> str:
        return self.name


def _put(make: Callable[[Land], Any]) -> Act:
    return lambda land: land.put(make(land))


def _edit(kind: str, name: str, **spec: Any) -> Act:
    return lambda land: land.edit(kind, name, spec)


def _delete(kind: str, name: str) -> Act:
    return lambda land: land.delete(kind, name)


def _delete_later(kind: str, name: str) -> Act:
    return lambda land: land.delete_later(kind, name)


def _recreate(kind: str, name: str, make: Callable[[Land], Any]) -> Act:
    async def act(land: Land) -> None:
        await land.delete(kind, name)
        await land.put(make(land))

    return act


def _list_namespaces(*others: str) -> Act:
    """The tenant lists its first namespace and these (of `other`)."""

    async def act(land: Land) -> None:
        listed = land.tenant(*(getattr(land, name) for name in others))["spec"]["namespaces"]
        await land.edit("MemoryTenant", land.tag, {"namespaces": listed})

    return act


def _relist(land: Land) -> Awaitable[None]:
    return _list_namespaces("other")(land)


async def _unlist_first(land: Land) -> None:
    await land.edit("MemoryTenant", land.tag, {"namespaces": [{"name": land.other}]})


async def _list_again(land: Land) -> None:
    await land.edit("MemoryTenant", land.tag, {"namespaces": land.tenant()["spec"]["namespaces"]})


async def _spoil_binding(land: Land) -> None:
    key = Key("RoleBinding", land.team, BINDING)
    assert await land.kube.merge_patch(key, {"subjects": []}) is not None


async def _lose_a_topic(land: Land) -> None:
    """Somebody deletes it with Kafka's own tools; then the family is looked at."""
    del land.kafka.topics[f"{land.tag}.agents.trail.events"]
    await land.edit("TopicFamily", "trail", {"retention": SHORT})


def _move(bootstrap: str) -> Act:
    external = {"bootstrapServers": bootstrap}
    return lambda land: land.edit("MemoryCluster", "mem", {"external": external})


BINDING = "agent-memory-tenant-operator"
OPERATOR_NAMESPACE = "agent-memory-system"
SHORT, SHORTER = {"time": "24h"}, {"time": "1h"}
TWO_TOPICS = [{"name": "events", "partitions": 4}, {"name": "more", "partitions": 4}]


def _partitions(number: int) -> list[dict[str, Any]]:
    return [{"name": "events", "partitions": number}]


def _new(land: Land) -> Any:
    return land.family("new")


def _new_short(land: Land) -> Any:
    return land.family("new", retention=SHORTER)


def _waste(land: Land) -> Any:
    return land.family("waste", "Delete")


def _second(land: Land) -> Any:
    return land.client("two")


def _bot(land: Land) -> Any:
    return land.client("bot")


def _secret_two(verb: str) -> Callable[[Land], Match]:
    return lambda land: land.write(verb, "Secret", "two-kafka", namespace=land.team)


def _secret_bot(verb: str) -> Callable[[Land], Match]:
    return lambda land: land.write(verb, "Secret", "bot-kafka", namespace=land.team)


def _binding(verb: str, namespace: str) -> Callable[[Land], Match]:
    return lambda land: land.write(verb, "RoleBinding", BINDING, namespace=getattr(land, namespace))


def _handover(_: Land) -> Match:
    # One Secret for all clusters; only one story moves a cluster while its writes are held.
    return Match(verb="patch", kind="Secret", namespace=OPERATOR_NAMESPACE, name=SECRET)


def _on(verb: str, kind: str, name: str, subresource: str = "") -> Callable[[Land], Match]:
    return lambda land: land.write(verb, kind, name, subresource)


def _call(method: str, what: str) -> Callable[[Land], KafkaWrite]:
    return lambda land: land.call(method, what)


IN_KUBERNETES = [
    Story("create", _secret_two("create"), _put(_second)),
    Story("create, then recreated", _secret_two("create"), _put(_second), _recreate("MemoryClient", "two", _second)),
    Story("create of an event", lambda land: Match(verb="create", kind="Event", namespace=land.team), _lose_a_topic),
    Story("create of a binding", _binding("create", "other"), _relist),
    Story("create of a binding, then unlisted", _binding("create", "other"), _relist, _list_again),
    Story(
        "update, then changed back",
        _secret_bot("update"),
        _edit("MemoryClient", "bot", authentication={"type": "ScramSha256"}),
        _edit("MemoryClient", "bot", authentication={"type": "ScramSha512"}),
    ),
    Story(
        "update, then recreated",
        _secret_bot("update"),
        _edit("MemoryClient", "bot", authentication={"type": "ScramSha256"}),
        _recreate("MemoryClient", "bot", _bot),
    ),
    Story("merge patch", _binding("patch", "team"), _spoil_binding),
    Story("merge patch without a version", _handover, _move("b.example.com:9093"), _move("c.example.com:9093")),
    Story(
        "finalizer on, then edited",
        _on("patch", "TopicFamily", "new"),
        _put(lambda land: land.family("new", "Delete")),
        _edit("TopicFamily", "new", retention=SHORT),
    ),
    Story(
        "finalizer off, then recreated",
        _on("patch", "TopicFamily", "waste"),
        lambda land: land.delete_later("TopicFamily", "waste"),
        lambda land: land.put(_waste(land)),
    ),
    Story("status", _on("patch", "TopicFamily", "trail", "status"), _edit("TopicFamily", "trail", retention=SHORT)),
    Story(
        "status, then edited",
        _on("patch", "TopicFamily", "trail", "status"),
        _edit("TopicFamily", "trail", retention=SHORT),
        _edit("TopicFamily", "trail", topics=TWO_TOPICS),
    ),
    Story(
        "status, then recreated",
        _on("patch", "TopicFamily", "trail", "status"),
        _edit("TopicFamily", "trail", retention=SHORT),
        _recreate("TopicFamily", "trail", lambda land: land.family("trail")),
    ),
    Story(
        "delete, then made anew",
        _secret_bot("delete"),
        _edit("MemoryClient", "bot", secretName="else-where"),
        _edit("MemoryClient", "bot", secretName=None),
    ),
    Story(
        "delete of a binding, then listed again",
        _binding("delete", "team"),
        _unlist_first,
        _list_again,
        shared=True,
    ),
]

IN_KAFKA = [
    Story("create topics", _call("create_topics", "new."), _put(_new)),
    Story(
        "create topics, then edited",
        _call("create_topics", "new."),
        _put(_new),
        _edit("TopicFamily", "new", retention=SHORTER),
    ),
    Story(
        "create partitions, then more",
        _call("create_partitions", "trail."),
        _edit("TopicFamily", "trail", topics=_partitions(6)),
        _edit("TopicFamily", "trail", topics=_partitions(8)),
    ),
    Story("alter configs", _call("alter_configs", "trail."), _edit("TopicFamily", "trail", retention=SHORT)),
    Story(
        "alter configs, then otherwise",
        _call("alter_configs", "trail."),
        _edit("TopicFamily", "trail", retention=SHORT),
        _edit("TopicFamily", "trail", retention=SHORTER),
    ),
    Story(
        "delete topics, then recreated",
        _call("delete_topics", "waste.events"),
        lambda land: land.delete_later("TopicFamily", "waste"),
        lambda land: land.put(_waste(land)),
    ),
    Story("create rules", _call("create_acls", "two"), _put(_second)),
    Story(
        "create rules, then fewer",
        _call("create_acls", "two"),
        _put(_second),
        lambda land: land.edit("MemoryClient", "two", {"access": land.client("two", "Consume")["spec"]["access"]}),
    ),
    Story(
        "delete rules, then given again",
        _call("delete_acls", "bot"),
        lambda land: land.edit("MemoryClient", "bot", {"access": land.client("bot", "Consume")["spec"]["access"]}),
        lambda land: land.edit("MemoryClient", "bot", {"access": _bot(land)["spec"]["access"]}),
    ),
    Story(
        "delete rules, then recreated",
        _call("delete_acls", "bot"),
        lambda land: land.delete_later("MemoryClient", "bot"),
        lambda land: land.put(_bot(land)),
    ),
    Story("set password", _call("upsert_scram", "two"), _put(_second)),
    Story(
        "set password, then recreated",
        _call("upsert_scram", "two"),
        _put(_second),
        _recreate("MemoryClient", "two", _second),
    ),
    Story(
        "take password, then recreated",
        _call("delete_scram", "bot"),
        lambda land: land.delete_later("MemoryClient", "bot"),
        lambda land: land.put(_bot(land)),
    ),
    Story(
        "take password, then changed back",
        _call("delete_scram", "bot"),
        _edit("MemoryClient", "bot", authentication={"type": "ScramSha256"}),
        _edit("MemoryClient", "bot", authentication={"type": "ScramSha512"}),
    ),
]

# Kafka knows topics to create and to grow, users and rules by their names alone: what arrives after somebody has given
# the thing up meets nothing that could refuse it.
BY_NAME_ALONE = {
    Story(
        "create topics, then left out",
        _call("create_topics", "waste.more"),
        _edit("TopicFamily", "waste", topics=TWO_TOPICS),
        _recreate("TopicFamily", "waste", _waste),
    ): ["topic TAG.agents.waste.more is too much"],
    Story(
        "create partitions, then recreated with fewer",
        _call("create_partitions", "waste."),
        _edit("TopicFamily", "waste", topics=_partitions(6)),
        _recreate("TopicFamily", "waste", _waste),
    ): ["topic TAG.agents.waste.events[0] is 6, wanted 4", "TopicFamily/t-TAG/waste status"],
    Story(
        "create rules, then deleted",
        _call("create_acls", "two"),
        _put(_second),
        _delete("MemoryClient", "two"),
    ): ["User:TAG.agents.two may"],
    Story(
        "set password, then deleted",
        _call("upsert_scram", "two"),
        _put(_second),
        _delete("MemoryClient", "two"),
    ): ["user TAG.agents.two is too much"],
}


def _on_buckets(name: str, method: str, bucket: str, deed: Act, meanwhile: Act = _nothing, told: str = "") -> Story:
    return Story(name, lambda land: land.stored(method, bucket), deed, meanwhile, Land.begin_with_buckets, told)


def _extra(land: Land) -> Any:
    return land.bucket("extra")


def _plain_one(land: Land) -> Any:
    return land.bucket("plain")


async def _delete_what_is_full(land: Land) -> None:
    land.s3.buckets[f"{land.tag}-full"].objects |= {"one", "two"}
    await land.delete_later("MemoryBucket", "full")


MENDED = "DriftRepaired"
OWN_KEY: dict[str, Any] = {"type": "SSE-KMS", "kmsKeyId": "alias/memory"}
NETWORK = {"sourceCidrs": ["10.0.0.0/8"], "breakGlassPrincipals": ["arn:aws:iam::111122223333:role/rescue"]}

IN_S3 = [
    _on_buckets("create bucket", "create", "extra", _put(_extra)),
    _on_buckets("tag", "put_tags", "extra", _put(_extra)),
    _on_buckets(
        "create bucket, then recreated", "create", "extra", _put(_extra), _recreate("MemoryBucket", "extra", _extra)
    ),
    _on_buckets("encryption", "put_encryption", "plain", _edit("MemoryBucket", "plain", encryption=OWN_KEY)),
    _on_buckets(
        "encryption, then changed back",
        "put_encryption",
        "plain",
        _edit("MemoryBucket", "plain", encryption=OWN_KEY),
        _edit("MemoryBucket", "plain", encryption=None),
        MENDED,
    ),
    # The first of its writes is a trial of the server's conditions.
    _on_buckets("policy", "put_policy", "plain", _edit("MemoryBucket", "plain", policy=NETWORK), told=MENDED),
    _on_buckets(
        "policy, then changed back",
        "put_policy",
        "plain",
        _edit("MemoryBucket", "plain", policy=NETWORK),
        _edit("MemoryBucket", "plain", policy=None),
        MENDED,
    ),
    _on_buckets("delete bucket", "delete", "plain", _delete_later("MemoryBucket", "plain")),
    _on_buckets("delete contents", "delete_some", "full", _delete_what_is_full),
    _on_buckets("delete contents, then the bucket", "delete", "full", _delete_what_is_full),
]

# As in Kafka: S3 knows buckets and their parts by the bucket's name alone. It deletes none that has something in it.
BY_NAME_IN_S3 = {
    _on_buckets("create bucket, then deleted", "create", "extra", _put(_extra), _delete("MemoryBucket", "extra")): [
        "bucket TAG-extra is too much"
    ],
    _on_buckets("tag, then recreated", "put_tags", "extra", _put(_extra), _recreate("MemoryBucket", "extra", _extra)): [
        "bucket TAG-extra tags agentmemory.dev/uid",
        "MemoryBucket/p-TAG/extra status",
    ],
    _on_buckets(
        "delete bucket, then recreated",
        "delete",
        "plain",
        _delete_later("MemoryBucket", "plain"),
        lambda land: land.put(_plain_one(land)),
    ): ["bucket TAG-plain is missing", "MemoryBucket/p-TAG/plain status", "Event/p-TAG/plain/BucketLost"],
}

# Without those whose Secrets a garbage collector has to take along: a bare apiserver has none.
ON_A_REAL_ONE = [
    story
    for story in (*IN_KUBERNETES, *IN_KAFKA)
    if str(story)
    in {
        "create",
        "create of an event",
        "create of a binding, then unlisted",
        "update, then changed back",
        "merge patch",
        "merge patch without a version",
        "finalizer on, then edited",
        "finalizer off, then recreated",
        "status, then edited",
        "status, then recreated",
        "delete, then made anew",
        "delete of a binding, then listed again",
        "create topics, then edited",
        "alter configs, then otherwise",
        "delete topics, then recreated",
    }
]
