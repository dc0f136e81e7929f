"""How a broker leaves that holds nothing of its own, step by step. Pure: each step follows from what is seen alone.

    alive    exclude it from the AutoBalancer -> move its partitions in batches -> delete its pod
    stopped  wait until its streams are closed -> unregister it -> take it out of the exclusion -> delete its objects

One that is lost or cannot get on begins with its pod: the engine hands its partitions over by itself, once Kafka has
fenced it. Who leaves at all is decided in `leaving`. AutoMQ does not take a node's streams over within 60 s of the
node's start, and refuses to unregister one whose streams are open.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agentmemory.api.conditions import Phase, progressing, stalled
from agentmemory.core.errors import OperatorError
from agentmemory.engines.pods import PodState, PodView
from agentmemory.kafka.model import PartitionRef
from agentmemory.kafka.nodes import ACTIVE, CONTROLLED_SHUTDOWN, NodeView

AT_ONCE = 50
"""Partitions under way off one broker, as many as AutoMQ's AutoBalancer moves at once."""
YOUNG = timedelta(seconds=60)
"""A node that started less than this ago is left alone."""
STREAMS_CLOSE = timedelta(minutes=30)
"""After this since a broker began to leave, open streams are no matter of waiting."""

DRAINING = "Draining"
Placements = Mapping[PartitionRef, tuple[int, ...]]


@dataclass(frozen=True)
class Leaver:
    """A broker that leaves, and what stands around it."""

    node_id: int
    name: str
    since: datetime
    """When it was decided."""
    now: datetime
    pod: PodView | None
    lost: bool
    """Whether its machine does not answer."""
    registered: bool
    """Whether it serves: registered and not fenced."""
    node: NodeView | None
    """What AutoMQ's controller says of it."""
    error: OperatorError | None = None
    """Why Kafka could not be asked."""
    excluded: bool | None = False
    """None when something is excluded and Kafka does not show what: it is said again with the next step then."""
    placements: Placements | None = None
    """The replicas of all partitions; None when not looked at."""
    moving: frozenset[PartitionRef] = frozenset()
    """Partitions on the move, anywhere."""
    targets: frozenset[int] = frozenset()
    """Brokers that may take its partitions."""
    before: str = ""
    """A broker whose turn it is before this one."""
    hold: str = ""
    """Why the cluster is not to be touched for the moment."""

    @property
    def stopped(self) -> bool:
        """Whether nothing of it runs any more, as far as anybody can tell."""
        return self.pod is None or (self.pod.state is PodState.ENDING and self.lost and not self.registered)

    @property
    def serves(self) -> bool:
        """Whether partitions can be moved off it in good order."""
        return self.registered and not self.lost and self.pod is not None and self.pod.state is PodState.READY

    @property
    def known(self) -> bool:
        """Whether Kafka still has it. A node that is UNKNOWN without open streams is a registration that failed."""
        if self.node is None:
            return self.registered
        return self.registered or self.node.open_streams or self.node.state != "UNKNOWN"

    @property
    def hosted(self) -> tuple[PartitionRef, ...]:
        """The partitions that are on it."""
        found = (ref for ref, replicas in (self.placements or {}).items() if self.node_id in replicas)
        return tuple(sorted(found))


@dataclass(frozen=True)
class Exclude:
    """Keep the AutoBalancer from giving it partitions."""


@dataclass(frozen=True)
class Move:
    """Give these partitions these replicas."""

    targets: Placements


@dataclass(frozen=True)
class Stop:
    """Delete its pod."""

    pod: PodView
    why: str


@dataclass(frozen=True)
class Unregister:
    """Have Kafka forget it."""


@dataclass(frozen=True)
class Readmit:
    """Take its id out of the exclusion: another broker may bear it one day."""


@dataclass(frozen=True)
class Forget:
    """Delete what stands for it."""


@dataclass(frozen=True)
class Wait:
    """Nothing to do now; `phase` says what for."""

    phase: Phase


Step = Exclude | Move | Stop | Unregister | Readmit | Forget | Wait


def next_step(leaver: Leaver) -> Step:
    """What is to be done now."""
    if leaver.stopped:
        return _after(leaver)
    pod = leaver.pod
    if pod is None or pod.state is PodState.ENDING:
        return _wait(leaver, "waiting for its process to end")
    if leaver.serves:
        return _before(leaver, pod)
    if leaver.error is not None and pod.state is PodState.READY:
        return _wait(leaver, f"Kafka cannot be asked about it: {leaver.error.message}")
    return Stop(pod, "it leaves and does not serve")


def words(leaver: Leaver, step: Step) -> Phase:
    """What to say of a step that is being done, without counts that move."""
    match step:
        case Wait(phase=phase):
            return phase
        case Exclude():
            said = "keeping the AutoBalancer from giving it partitions"
        case Move():
            said = "moving its partitions to other brokers"
        case Stop():
            said = "ending its pod"
        case Unregister():
            said = "unregistering it"
        case Readmit() | Forget():
            said = "taking its objects away"
    return _progress(leaver, said)


def wants_placements(leaver: Leaver) -> bool:
    """Whether the next step hangs on where the partitions are: they are costly to list."""
    return leaver.serves and isinstance(_gentle(leaver), Stop)


def _before(leaver: Leaver, pod: PodView) -> Step:
    """While it serves."""
    step = _gentle(leaver)
    if not isinstance(step, Stop):
        return step
    if leaver.placements is None:
        return _wait(leaver, "waiting for a look at its partitions")
    if leaver.hosted and not leaver.targets:
        return Wait(
            stalled(
                "NoBrokerTakesOver",
                f"{leaver.name} leaves and has partitions, and no other broker is there to take them; set "
                "spec.replicas back, or let another pool of the cluster have brokers",
            )
        )
    return _empty(leaver, pod)


def _gentle(leaver: Leaver) -> Step:
    """What comes before its partitions are looked at; Stop when nothing does."""
    if leaver.before:
        return _wait(leaver, f"waiting for {leaver.before}, which leaves first")
    if leaver.hold:
        return _wait(leaver, leaver.hold)
    if is_young(leaver.pod, leaver.node, leaver.now):
        return _wait(leaver, f"it started less than {YOUNG.total_seconds():.0f} s ago")
    if leaver.excluded is False and leaver.targets:
        return Exclude()
    return Stop(leaver.pod, "it leaves") if leaver.pod is not None else _wait(leaver, "its pod is gone")


def _empty(leaver: Leaver, pod: PodView) -> Step:
    hosted = leaver.hosted
    if not hosted:
        return Stop(pod, "it leaves and holds no partition")
    still = [ref for ref in hosted if ref not in leaver.moving]
    room = AT_ONCE - (len(hosted) - len(still))
    if still and room > 0:
        return Move(spread(leaver.node_id, still[:room], leaver.placements or {}, leaver.targets))
    return _wait(leaver, "moving its partitions to other brokers")


def _after(leaver: Leaver) -> Step:
    """Once it has stopped."""
    if leaver.error is not None:
        return _wait(leaver, f"Kafka cannot be asked about it: {leaver.error.message}")
    node = leaver.node
    if not leaver.known:
        return _leave_nothing(leaver)
    if leaver.registered or node is None or node.state in (ACTIVE, CONTROLLED_SHUTDOWN):
        return _wait(leaver, "waiting for Kafka to notice that it is gone")
    if node.open_streams:
        return _streams(leaver)
    if node.locked:
        return Wait(
            stalled(
                "NodeLocked",
                f"{leaver.name} has stopped and AutoMQ holds node {leaver.node_id} locked by its circuit breaker "
                "(CIRCUIT_BREAKER), so it cannot be unregistered; see the log of the active controller for the failure "
                "that opened it, and close it once its data is safe",
            )
        )
    return Unregister()


def _streams(leaver: Leaver) -> Step:
    if leaver.now - leaver.since < STREAMS_CLOSE:
        return _wait(leaver, "waiting for its streams to be closed: another broker uploads what it had not")
    return Wait(
        stalled(
            "StreamsStayOpen",
            f"{leaver.name} leaves since more than {STREAMS_CLOSE.total_seconds() / 60:.0f} minutes, and AutoMQ says "
            f"that node {leaver.node_id} has open streams; records that only its write-ahead log has may be in them, "
            "so it stays registered. See whether the buckets can be reached and what the active controller logs of the "
            "failover; keep the buckets as they are",
        )
    )


def _leave_nothing(leaver: Leaver) -> Step:
    if leaver.excluded:
        return Readmit()
    if leaver.pod is not None:
        return _wait(leaver, "Kafka has forgotten it; its pod goes with its machine")
    return Forget()


def is_young(pod: PodView | None, node: NodeView | None, now: datetime) -> bool:
    """Whether the node started a moment ago, by Kubernetes' clock or its own."""
    started = [] if pod is None or pod.running_since is None else [pod.running_since]
    if node is not None and node.epoch > 0:
        started.append(datetime.fromtimestamp(node.epoch / 1000, UTC))
    return any(now - moment < YOUNG for moment in started)


def spread(
    node_id: int, refs: Iterable[PartitionRef], placements: Placements, targets: frozenset[int]
) -> dict[PartitionRef, tuple[int, ...]]:
    """New replicas for partitions of a broker: those with the fewest partitions take them, one after the other."""
    load = dict.fromkeys(sorted(targets), 0)
    for replicas in placements.values():
        for broker in load.keys() & set(replicas):
            load[broker] += 1
    moves: dict[PartitionRef, tuple[int, ...]] = {}
    for ref in refs:
        replicas = placements[ref]
        able = [broker for broker in load if broker not in replicas]
        chosen = min(able, key=lambda broker: (load[broker], broker), default=None)
        if chosen is None:  # all others have a replica already: one less
            moves[ref] = tuple(broker for broker in replicas if broker != node_id)
            continue
        load[chosen] += 1
        moves[ref] = tuple(chosen if broker == node_id else broker for broker in replicas)
    return moves


def _wait(leaver: Leaver, said: str) -> Wait:
    return Wait(_progress(leaver, said))


def _progress(leaver: Leaver, said: str) -> Phase:
    return progressing(DRAINING, f"{leaver.name} leaves: {said}")
