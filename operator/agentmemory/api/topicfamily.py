"""TopicFamily: the topics of one kind of memory, declared by what must hold of the data."""

from typing import Annotated, Literal

from pydantic import Field

from agentmemory.api.base import (
    AGE,
    READY,
    REASON,
    Column,
    EnforcingStatus,
    KindInfo,
    Resource,
    SpecModel,
    StatusModel,
    TenantRef,
)
from agentmemory.api.family_rules import FAMILY_RULES, RETENTION_RULES, THROUGHPUT_RULES, TOPIC_RULES
from agentmemory.api.lists import ListMap, ListSet
from agentmemory.api.rules import Rule, duration_between, object_name, quantity_between
from agentmemory.api.types import DnsLabel, Duration, Quantity
from agentmemory.domain.names import LABEL_LENGTH
from agentmemory.domain.priorities import Priority

Compaction = Literal["None", "KeepLatest", "KeepLatestAndExpire"]

EventType = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$")]
Regulation = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")]


class Owner(SpecModel):
    """Whom to ask about this memory."""

    team: str = Field(min_length=1, max_length=128)
    """The team."""
    contact: str = Field(min_length=1, max_length=256)
    """Where it is reached: an address, a channel, a page."""


class Topic(SpecModel):
    """One topic of the family."""

    RULES = TOPIC_RULES

    name: DnsLabel
    """Last part of the topic's name."""
    event_types: Annotated[tuple[EventType, ...], ListSet()] = Field(default=(), max_length=64)
    """Types of events in it, told apart by the CloudEvents header `ce_type`. Empty: not declared."""
    key: Literal["session", "agent", "user", "entity", "none"] = "session"
    """What records are keyed by, and so what order holds within. entity: any other id that events are about."""
    partitions: Annotated[
        int,
        Rule("self >= oldSelf", "partitions cannot shrink, since records would be lost; write the old number or more"),
    ] = Field(default=6, ge=1, le=1000)
    """How many partitions. Can grow (keys then move to other partitions), never shrink."""
    compaction: Compaction = "None"
    """None: records expire by the retention. KeepLatest: the latest record of each key stays for good.
    KeepLatestAndExpire: the latest record of each key, until the retention ends."""


class Retention(SpecModel):
    """How long records are kept. What is reached first ends it."""

    RULES = RETENTION_RULES

    time: Annotated[Duration, duration_between("1m", "99999h")] | None = None
    """Age after which a record goes, `720h`. Absent: no limit by age."""
    bytes: Quantity | None = None
    """Size of a whole topic, `200Gi`, above which its oldest records go. Absent: no limit by size."""
    hot: Annotated[Duration, duration_between("1m", "8760h")] | None = None
    """How long records stay on the brokers' own volumes before a bucket alone has them, `24h`; with engine kafka-tiered
    only. Absent: the cluster's `tiering.hotWindow`."""


class Erasure(SpecModel):
    """How a person's data is erased, and how soon for certain."""

    method: Literal["Expiry", "Tombstone", "CryptoShred"]
    """Expiry: records go with the retention. Tombstone: a producer writes an empty record for the key, compaction
    removes the rest. CryptoShred: producers encrypt per person, and the person's key is destroyed."""
    max_delay: Annotated[Duration, duration_between("1m", "99999h")]
    """Longest time from the request to the last byte's end, `900h`."""


class Residency(SpecModel):
    """Where the data may rest."""

    regions: Annotated[tuple[DnsLabel, ...], ListSet()] = Field(min_length=1, max_length=16)
    """Regions, at least one."""


class Classification(SpecModel):
    """How sensitive the data is."""

    level: Literal["public", "internal", "confidential", "restricted"]
    """From harmless to most protected."""
    regulations: Annotated[tuple[Regulation, ...], ListSet()] = Field(default=(), max_length=16)
    """Regulations it falls under, `GDPR`."""


class Objectives(SpecModel):
    """What the data's readers rely on."""

    freshness: Annotated[Duration, duration_between("1ms", "24h")] | None = None
    """How old an event may be when its consumer gets it, `5s`."""


class Throughput(SpecModel):
    """How much is written, in bytes a second, over all topics of the family."""

    RULES = THROUGHPUT_RULES

    expected: Quantity
    """On a usual day, `5Mi`."""
    peak: Quantity | None = None
    """At the worst moment to be ready for, `40Mi`. Absent: as expected."""


class TopicFamilySpec(SpecModel):
    """What the team wants of the family."""

    RULES = FAMILY_RULES

    tenant_ref: TenantRef
    """The tenant, with its namespace; it must list this namespace in turn. Cannot change."""
    owner: Owner
    """Whom to ask about this memory."""
    topics: Annotated[tuple[Topic, ...], ListMap("name")] = Field(
        default=(Topic(name="events"),), min_length=1, max_length=32
    )
    """The family's topics. Order within a session holds inside one topic only, so one topic is the usual number."""
    retention: Retention = Retention()
    """How long records are kept: by time or bytes or both, unless every topic's compaction is KeepLatest."""
    erasure: Erasure | None = None
    """How a person's data is erased, and how soon for certain."""
    residency: Residency | None = None
    """Where the data may rest. Absent: where the cluster is."""
    priority: Priority = "standard"
    """What is served first when the cluster is short of capacity."""
    classification: Classification | None = None
    """How sensitive the data is."""
    objectives: Objectives | None = None
    """What the data's readers rely on."""
    throughput: Throughput | None = None
    """How much is written, in bytes a second."""
    max_event_bytes: Annotated[Quantity, quantity_between("1Ki", "64Mi")] = Quantity("1Mi")
    """Largest batch of events a producer may send (`max.message.bytes`), `4Mi`; one event is never more."""
    timestamps: Literal["CreateTime", "LogAppendTime"] = "CreateTime"
    """Whose clock dates a record, and so its retention: the producer's or the broker's."""
    compression: Literal["producer", "zstd", "lz4", "snappy", "gzip", "uncompressed"] = "producer"
    """How brokers store batches; producer: as they came."""
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    """What becomes of the topics when this object goes: Retain keeps them and their records, Delete deletes both."""


class TopicStatus(StatusModel):
    """One topic as it is in the cluster."""

    name: str = Field(max_length=63)
    """The topic's name in the spec."""
    topic_name: str = Field(default="", max_length=249)
    """Its name in Kafka: `<tenant>.<segment>.<family>.<topic>`."""
    topic_id: str = Field(default="", max_length=64)
    """Kafka's id of the topic; deletion goes by it."""
    partitions: int = 0
    """How many partitions it has."""
    retention_bytes_per_partition: int | None = Field(default=None)
    """Kafka's value, which is per partition: `retention.bytes` of the spec by the number of partitions."""


class TopicFamilyStatus(EnforcingStatus):
    """What the operator last saw of the family."""

    topics: Annotated[tuple[TopicStatus, ...], ListMap("name")] = Field(default=(), max_length=64)
    """The topics as they are."""


class TopicFamily(Resource[TopicFamilySpec, TopicFamilyStatus]):
    """The topics of one kind of memory, declared by what must hold of the data: how long, where, for whom."""

    INFO = KindInfo(
        kind="TopicFamily",
        plural="topicfamilies",
        short="tf",
        columns=(
            Column("Tenant", ".spec.tenantRef.name", description="The tenant."),
            Column("Priority", ".spec.priority", description="What is served first."),
            Column("Retention", ".spec.retention.time", description="Age after which records go."),
            READY,
            REASON,
            Column("Topics", ".status.topics[*].topicName", priority=1, description="Names in Kafka."),
            AGE,
        ),
        rules=(object_name(LABEL_LENGTH, "it is part of its topics' names"),),
    )
