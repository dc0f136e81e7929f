"""What families want of Kafka and what they get, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agentmemory.core.errors import OperatorError
from agentmemory.kafka.model import NewTopicSpec

MANAGED_KEYS: tuple[str, ...] = (
    "cleanup.policy",
    "compression.type",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.type",
    "min.insync.replicas",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.ms",
)
"""The topic settings that are ours. Whatever else is set on a topic is left alone."""

TIERED_KEYS: tuple[str, ...] = (
    *MANAGED_KEYS,
    "local.retention.bytes",
    "local.retention.ms",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
)
"""The same where old segments go to a bucket. Elsewhere these are left alone: brokers that somebody else runs may tier
by their own rules, and taking `remote.storage.enable` away would take records away."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A topic as it is; `configs` holds those of MANAGED_KEYS that are set on the topic itself."""

    topic_id: str
    partitions: int
    configs: Mapping[str, str]


@dataclass(frozen=True)
class Needs:
    """What is still to be done about a family's topics, by their names in Kafka."""

    create: tuple[NewTopicSpec, ...] = ()
    grow: Mapping[str, int] = field(default_factory=dict)
    alter: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.create or self.grow or self.alter)


@dataclass(frozen=True)
class Results:
    """What became of it: ids of the new topics, and for each topic that failed its error."""

    created: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, OperatorError] = field(default_factory=dict)
