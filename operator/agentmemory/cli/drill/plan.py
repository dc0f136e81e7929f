"""What will happen when a broker disappears: steps, who does each, by when, and what must be copied. Pure.

Seconds count from the loss. Every figure says where it comes from; what nothing tells is said to be unknown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Literal

from rich.filesize import decimal

from agentmemory.cli.drill.engine import Recovery
from agentmemory.cli.drill.facts import Broker, Facts, Start
from agentmemory.cli.drill.safety import Refusal
from agentmemory.domain.units import format_quantity

How = Literal["Kill", "Graceful"]
"""Kill: the process has one second. Graceful: the pod's own grace period, in which leaders move away first."""
KILL_GRACE = 1
"""Seconds. Nothing shorter is safe: a pod deleted with 0 is forgotten while its process may still write."""


@dataclass(frozen=True)
class Step:
    """Something that must happen. `by` is seconds after the loss; None where nothing tells."""

    name: str
    what: str
    who: str
    by: float | None
    source: str


@dataclass(frozen=True)
class Copies:
    """Data that has to be moved; None where nothing tells."""

    data: int | None
    words: str


@dataclass(frozen=True)
class Plan:
    """The answer for one broker."""

    cluster: str
    engine: str
    broker: int
    pod: str
    how: How
    leads: int | None
    hosts: int | None
    steps: tuple[Step, ...]
    copies: Copies
    person: str
    machine: tuple[str, ...]
    """What is different when the machine, and with it the pod's disk, is lost for good."""
    unknown: tuple[str, ...]
    refusals: tuple[Refusal, ...] = ()
    """Why a run would be refused now."""


def plan_of(facts: Facts, broker: Broker, recovery: Recovery, how: How, refused: tuple[Refusal, ...] = ()) -> Plan:
    """The plan for the loss of this broker's pod."""
    kafka, cluster = facts.kafka, facts.cluster
    return Plan(
        cluster=f"{cluster.metadata.namespace}/{cluster.metadata.name}",
        engine=f"{cluster.spec.engine} {cluster.spec.version}",
        broker=broker.id,
        pod=broker.view.name,
        how=how,
        leads=None if kafka is None else len(kafka.led_by(broker.id)),
        hosts=None if kafka is None else len(kafka.hosted_by(broker.id)),
        steps=steps(facts, broker, recovery, how),
        copies=copies(facts, broker, recovery),
        person="nothing",
        machine=machine_lost(facts, broker, recovery),
        unknown=unknown(facts, recovery),
        refusals=refused,
    )


def steps(facts: Facts, broker: Broker, recovery: Recovery, how: How) -> tuple[Step, ...]:
    """In the order in which they usually end."""
    session = facts.cluster.spec.failure_detection.session_timeout.milliseconds / 1000
    kill = how == "Kill"
    gone = float(KILL_GRACE if kill else broker.grace)
    fenced = gone + session if kill else gone
    moved, moved_source = _moved(facts, broker, recovery, fenced)
    placed = _add(gone, _seen(facts, lambda start: start.scheduled))
    started = _add(placed, _seen(facts, lambda start: start.started))
    ready = _add(started, _seen(facts, lambda start: start.ready))
    registered = None if ready is None else max(ready, fenced)
    seen = _seen_words(facts)
    return (
        Step("gone", "the process ends", "kubelet", gone, _gone_source(broker, kill)),
        Step(
            "fenced",
            "the broker is taken out of service",
            "controllers",
            fenced,
            "spec.failureDetection.sessionTimeout after its last heartbeat" if kill else "it says so when it ends",
        ),
        Step("moved", "its partitions have other leaders", "controllers", moved, moved_source),
        Step("scheduled", "the pod is made again and has a machine", "operator, scheduler", placed, seen),
        Step("started", "its container runs", "kubelet", started, seen),
        Step("ready", "its listener is open", "engine", ready, seen),
        Step("registered", "it is in service again", "controllers", registered, "not before its old session has ended"),
        _synced(recovery),
        Step("settled", "the BrokerPool is Ready again", "operator", None, "seconds after the broker is in service"),
    )


def copies(facts: Facts, broker: Broker, recovery: Recovery) -> Copies:
    """What has to be moved when the pod alone is lost."""
    if recovery.stateless:
        limit = format_quantity(recovery.replayed)
        return Copies(0, f"no data; another broker replays at most {limit} of log from the bucket ({recovery.source})")
    total, words = _held(facts, broker)
    if broker.claim is not None:
        return Copies(None, f"only what is written while it is away: {words} stay on volume claim {broker.claim}")
    return Copies(total, f"all of it, since its space goes with the pod: {words}")


def machine_lost(facts: Facts, broker: Broker, recovery: Recovery) -> tuple[str, ...]:
    """Who does what when the machine never comes back."""
    if recovery.stateless:
        return (
            "operator: makes another broker at once, with a new id; no data is copied",
            "operator: has the old id forgotten when nothing of it is open any more",
            "a person: nothing",
        )
    node = broker.view.node_name or "NODE"
    _, words = _held(facts, broker)
    kept = "the volume follows it, unless it is local to the machine" if broker.claim else "its space is gone"
    return (
        "operator: says NodeLost and makes nothing: the old broker may still write",
        f"a person: once the machine is down for certain, `kubectl taint node {node} "
        "node.kubernetes.io/out-of-service=down:NoExecute`, or delete the Node",
        f"operator: makes the pod again under its id; {kept}",
        f"brokers: copy {words} where the volume is lost (a person deletes the claim of a local volume)",
    )


def unknown(facts: Facts, recovery: Recovery) -> tuple[str, ...]:
    """What this plan cannot know."""
    found: list[str] = []
    if facts.kafka is None:
        found.append(f"leaders, partitions and sizes: Kafka was not asked ({facts.asked})")
    elif not facts.kafka.whole:
        found.append(f"partitions of others: Kafka was asked {facts.asked}, which sees its own topics only")
    if _seen(facts, lambda start: start.ready) is None:
        found.append("how long a broker takes to start: no pod of this cluster shows its start any more")
    if recovery.stateless:
        found.append("seconds of the log's replay: they hang on what is unflushed at that moment, and on the bucket")
    else:
        found.append("seconds until all copies are in sync: they hang on the traffic meanwhile, on network and disks")
    return tuple(found)


def _moved(facts: Facts, broker: Broker, recovery: Recovery, fenced: float) -> tuple[float | None, str]:
    if not recovery.stateless:
        return fenced, "leaders are chosen anew when the broker is fenced"
    young = recovery.young_for(broker.view.running_since, facts.now)
    words = "after fencing, the failover loop, and the replay of its log"
    if young:
        words += f"; not within {recovery.no_failover_before:.0f} s of its start"
    return max(fenced, young) + recovery.failover_loop, f"at the earliest: {words} ({recovery.source})"


def _synced(recovery: Recovery) -> Step:
    if recovery.stateless:
        return Step("synced", "every partition has a leader", "controllers", None, "there are no copies to fill")
    return Step("synced", "all copies are in sync", "brokers", None, "hangs on what was written meanwhile")


def _held(facts: Facts, broker: Broker) -> tuple[int | None, str]:
    """Bytes on the broker, and in words."""
    if facts.sizes is not None:
        total = sum(facts.sizes.values())
        return total, f"{decimal(total)} of {len(facts.sizes)} replicas (DescribeLogDirs)"
    pool = facts.pools.get(broker.pool)
    limit = pool.spec.storage.size.text if pool is not None else "its disk's size"
    return None, f"at most {limit} (spec.storage.size; Kafka did not tell)"


def _gone_source(broker: Broker, kill: bool) -> str:
    if kill:
        return f"deleted with a grace period of {KILL_GRACE} s, then killed"
    return f"at most the pod's grace period of {broker.grace} s; it moves its leaders first"


def _seen(facts: Facts, step: Callable[[Start], float]) -> float | None:
    found = [step(broker.start) for broker in facts.brokers.values() if broker.start is not None]
    return float(median(found)) if found else None


def _seen_words(facts: Facts) -> str:
    count = sum(broker.start is not None for broker in facts.brokers.values())
    return f"median of {count} pods as they are (whole seconds)" if count else "no pod shows its start any more"


def _add(base: float | None, more: float | None) -> float | None:
    return None if base is None or more is None else base + more
