"""What the admin calls take and return: frozen values, no kafka-python types.

Topic ids and directory ids are the 22 characters that Kafka prints (base64url of the UUID, no padding).
"""

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from agentmemory.core.errors import OperatorError

ResourceType = Literal["TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER"]
PatternType = Literal["LITERAL", "PREFIXED"]
Permission = Literal["ALLOW", "DENY"]
Operation = Literal[
    "ALL",
    "READ",
    "WRITE",
    "CREATE",
    "DELETE",
    "ALTER",
    "DESCRIBE",
    "CLUSTER_ACTION",
    "DESCRIBE_CONFIGS",
    "ALTER_CONFIGS",
    "IDEMPOTENT_WRITE",
    "CREATE_TOKENS",
    "DESCRIBE_TOKENS",
    "TWO_PHASE_COMMIT",
]
ScramMechanism = Literal["SCRAM-SHA-256", "SCRAM-SHA-512"]

T = TypeVar("T")


def id_text(value: uuid.UUID | None) -> str:
    """A topic's or directory's id as Kafka's own tools print it; None (how kafka-python reads the zero id) is zero."""
    value = value or uuid.UUID(int=0)
    return base64.urlsafe_b64encode(value.bytes).rstrip(b"=").decode()


def id_uuid(text: str) -> uuid.UUID:
    """The inverse of `id_text`; ValueError when the text is not such an id."""
    return uuid.UUID(bytes=base64.urlsafe_b64decode(text + "=="))


def or_raise(results: Mapping[str, T | OperatorError]) -> dict[str, T]:
    """The results when every item went well, else the first item's error is raised.

    For callers that ask for one thing, or that treat all items alike; a batch looks at each item instead.
    """
    good: dict[str, T] = {}
    for name, result in results.items():
        if isinstance(result, OperatorError):
            raise result
        good[name] = result
    return good


@dataclass(frozen=True)
class BrokerView:
    """A registered broker; `fenced` is None where the broker's version cannot tell (before Kafka 4.0, KIP-1073)."""

    host: str
    port: int
    rack: str | None
    fenced: bool | None


@dataclass(frozen=True)
class ClusterView:
    """`controller_id` is a random live broker when a broker answers (KRaft): the quorum's leader is in QuorumView."""

    cluster_id: str
    controller_id: int
    brokers: Mapping[int, BrokerView]

    def in_service(self) -> set[int]:
        """Ids of the brokers that are registered and not fenced."""
        return {node for node, broker in self.brokers.items() if not broker.fenced}


@dataclass(frozen=True)
class QuorumReplica:
    """A voter or observer of the metadata log.

    `lag` counts records behind the leader's end (None when the leader does not know the replica's end);
    the times are Unix milliseconds by the leader's clock, None when unknown, and `last_fetch_ms` is None for the
    leader itself (KIP-836).
    """

    id: int
    directory_id: str
    lag: int | None
    last_fetch_ms: int | None
    last_caught_up_ms: int | None


@dataclass(frozen=True)
class QuorumView:
    """The KRaft quorum (KIP-595, KIP-853); `leader` is -1 while there is none."""

    leader: int
    leader_epoch: int
    high_watermark: int
    voters: tuple[QuorumReplica, ...]
    observers: tuple[QuorumReplica, ...]

    def voter(self, node_id: int) -> QuorumReplica | None:
        return next((voter for voter in self.voters if voter.id == node_id), None)


@dataclass(frozen=True)
class PartitionView:
    """`leader` is -1 while there is none."""

    id: int
    leader: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]

    @property
    def under_replicated(self) -> bool:
        return len(self.isr) < len(self.replicas)


@dataclass(frozen=True)
class TopicView:
    """A topic as one broker's metadata has it; partitions by ascending id."""

    name: str
    topic_id: str
    partitions: tuple[PartitionView, ...]
    internal: bool = False


@dataclass(frozen=True)
class NewTopicSpec:
    """A topic to be made; a factor of -1 takes the broker's default."""

    name: str
    partitions: int
    factor: int
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CreatedTopic:
    """What the controller made; known at once, whereas the brokers' metadata may lag some milliseconds behind."""

    name: str
    topic_id: str


@dataclass(frozen=True, order=True)
class PartitionRef:
    topic: str
    partition: int


@dataclass(frozen=True)
class SyncView:
    """Where replication stands: `offline` partitions have no leader, `under_replicated` ones lack a replica in sync."""

    under_replicated: tuple[PartitionRef, ...]
    offline: tuple[PartitionRef, ...]

    @property
    def in_sync(self) -> bool:
        return not self.under_replicated and not self.offline


@dataclass(frozen=True)
class StopCheck:
    """What stopping one broker would do.

    `blocked_by`: partitions that would fall below min.insync.replicas and would not once their replicas have caught up:
    wait. `unavoidable`: partitions that stop taking writes whenever this broker stops, as their factor leaves no room
    (factor 1, or minInSync equal to the factor): waiting does not help.
    """

    blocked_by: tuple[PartitionRef, ...]
    unavoidable: tuple[PartitionRef, ...]

    @property
    def safe(self) -> bool:
        return not self.blocked_by


@dataclass(frozen=True, order=True)
class Acl:
    """One access rule; `principal` with its type, as in `User:support.agents.loader`."""

    principal: str
    resource_type: ResourceType
    name: str
    pattern: PatternType
    operation: Operation
    permission: Permission = "ALLOW"
    host: str = "*"
