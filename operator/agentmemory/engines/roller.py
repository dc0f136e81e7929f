"""Which node may be replaced next so that it takes up a changed declaration. Pure.

One at a time over the whole cluster, controllers before brokers, the active controller last. A node that has never been
ready, or cannot get on, is replaced at once: it carries nothing, and that is how a bad declaration is taken back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentmemory.engines.base import Role
from agentmemory.engines.pods import PodState, PodView
from agentmemory.engines.sight import Sight


@dataclass(frozen=True)
class Member:
    """One node of the cluster; `pod` is None while it has none."""

    node_id: int
    role: Role
    pod: PodView | None
    current: bool = True
    """Whether its pod is what is asked for now."""


@dataclass(frozen=True)
class Replace:
    """Delete this node's pod: the next reconcile makes it anew."""

    member: Member


@dataclass(frozen=True)
class Wait:
    """Some pod is not what is asked for, and it is not its turn."""

    reason: str
    message: str


Step = Replace | Wait | None


def next_step(
    own: Sequence[Member], everyone: Sequence[Member], sight: Sight, out_of_sync: str = "", hold: str = ""
) -> Step:
    """The next step for `own` nodes, all of one role, among `everyone` in the cluster; None when all are current.

    `out_of_sync` is what Kafka's partitions lack, `hold` another reason to wait; each is empty when there is none.
    """
    stale = [member for member in own if not member.current and member.pod is not None]
    if not stale:
        return None
    broken = _broken(stale)
    if broken is not None:
        return Replace(broken)
    if any(member.pod is not None and member.pod.state is PodState.ENDING for member in stale):
        return Wait("Rolling", "waiting for a replaced node to end")
    if hold:
        return Wait("Rolling", hold)
    return _not_healthy(everyone, sight) or _not_synced(out_of_sync) or Replace(_first(stale, sight))


def wants_sync(own: Sequence[Member], everyone: Sequence[Member], sight: Sight, hold: str = "") -> bool:
    """Whether the next step hangs on the partitions alone: they are costly to look at."""
    step = next_step(own, everyone, sight, hold=hold)
    return isinstance(step, Replace) and not _is_broken(step.member)


def healthy(member: Member, sight: Sight) -> bool:
    """Whether a node does its work: ready, and known to Kafka as a broker or voter."""
    if member.pod is None or member.pod.state is not PodState.READY:
        return False
    if member.role == "controller":
        return member.node_id in sight.voters and member.node_id not in sight.slow_voters
    return member.node_id in sight.registered


def _broken(stale: Iterable[Member]) -> Member | None:
    """The first that can be replaced without loss: it never was ready, or it cannot get on."""
    return next((member for member in sorted(stale, key=lambda m: m.node_id) if _is_broken(member)), None)


def _is_broken(member: Member) -> bool:
    pod = member.pod
    if pod is None or pod.state in (PodState.ENDING, PodState.READY):
        return False
    return not pod.proven or pod.trouble is not None


def _not_healthy(everyone: Iterable[Member], sight: Sight) -> Wait | None:
    if not sight.answers:
        return Wait("WaitingForKafka", f"a changed declaration is rolled out once Kafka answers: {sight.error}")
    ill = sorted(member.node_id for member in everyone if not healthy(member, sight))
    if not ill:
        return None
    return Wait("Rolling", f"waiting for node {', '.join(map(str, ill))} to be ready and known to Kafka")


def _not_synced(out_of_sync: str) -> Wait | None:
    return Wait("Rolling", f"waiting for {out_of_sync}") if out_of_sync else None


def _first(stale: Sequence[Member], sight: Sight) -> Member:
    return min(stale, key=lambda member: (member.node_id == sight.leader, member.node_id))
