"""What Kafka itself says about its nodes at one moment: registered, voting, in sync."""

from collections.abc import Sequence
from dataclasses import dataclass

from agentmemory.core.errors import OperatorError
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.model import PartitionRef, QuorumView, SyncView

# A voter that has not caught up for this long holds the next step back (milliseconds).
STALE_VOTER_MS = 10_000
_SHOWN = 3


@dataclass(frozen=True)
class Sight:
    """A look at the cluster through its admin listener; `error` says why there was none."""

    error: OperatorError | None = None
    cluster_id: str = ""
    registered: frozenset[int] = frozenset()
    """Brokers that are registered and not fenced."""
    leader: int = -1
    """The active controller."""
    voters: frozenset[int] = frozenset()
    slow_voters: frozenset[int] = frozenset()
    """Voters that lag behind the leader."""

    @property
    def answers(self) -> bool:
        """Whether Kafka answered."""
        return self.error is None

    @property
    def quorum_works(self) -> bool:
        """Whether the controllers were seen to have a leader."""
        return self.answers and self.leader >= 0


async def look(admin: KafkaAdmin) -> Sight:
    """Brokers and quorum. Never raises an OperatorError: it becomes the sight's `error`."""
    try:
        cluster = await admin.describe_cluster()
        quorum = await admin.quorum()
    except OperatorError as error:
        return Sight(error=error)
    return Sight(
        cluster_id=cluster.cluster_id,
        registered=frozenset(cluster.in_service()),
        leader=quorum.leader,
        voters=frozenset(voter.id for voter in quorum.voters),
        slow_voters=slow_voters(quorum),
    )


def slow_voters(quorum: QuorumView) -> frozenset[int]:
    """Voters whose last moment level with the leader is long past, by the leader's clock (KIP-836).

    The latest time in the answer stands for now: the leader's own entry, or else the freshest voter's.
    """
    now = max((voter.last_caught_up_ms or 0 for voter in quorum.voters), default=0)
    return frozenset(
        voter.id
        for voter in quorum.voters
        if voter.id != quorum.leader and now - (voter.last_caught_up_ms or 0) > STALE_VOTER_MS
    )


def out_of_sync(view: SyncView) -> str:
    """What a person needs to know of a cluster that is not in sync; empty when it is. Without counts that move."""
    if view.in_sync:
        return ""
    if view.offline:
        return f"partitions without a leader: {_some(view.offline)}"
    return f"partitions still copying: {_some(view.under_replicated)}"


def _some(refs: Sequence[PartitionRef]) -> str:
    text = ", ".join(f"{ref.topic}-{ref.partition}" for ref in refs[:_SHOWN])
    return text + (" and more" if len(refs) > _SHOWN else "")
