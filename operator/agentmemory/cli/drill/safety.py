"""Whether a broker may be taken away on purpose. Pure: every reason that speaks against it, each with its way out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentmemory.api.base import Condition
from agentmemory.api.labels import PAUSED
from agentmemory.cli.drill.engine import Recovery
from agentmemory.cli.drill.facts import Broker, Facts
from agentmemory.engines.pods import PodState
from agentmemory.engines.sight import out_of_sync
from agentmemory.kafka.model import PartitionRef

Object = dict[str, Any]


@dataclass(frozen=True)
class Refusal:
    """Why not, in a word for programs and a sentence for people."""

    reason: str
    message: str


Check = Callable[[Facts, Broker, Recovery], Refusal | None]


def nothing_is_paused(facts: Facts, broker: Broker, _: Recovery) -> Refusal | None:
    """Nobody would bring the broker back."""
    objects = {"MemoryCluster": facts.cluster.metadata, "BrokerPool": facts.pools[broker.pool].metadata}
    for kind, metadata in objects.items():
        if metadata.annotations.get(PAUSED) == "true":
            words = f"{kind} {metadata.name} is paused, so nobody would make the broker again; take {PAUSED} off first"
            return Refusal("Paused", words)
    return None


def all_is_ready(facts: Facts, _: Broker, __: Recovery) -> Refusal | None:
    """One thing at a time: cluster and pools are as declared."""
    found = [("MemoryCluster", facts.cluster.metadata, facts.cluster.status)]
    found += [("BrokerPool", pool.metadata, pool.status) for pool in facts.pools.values()]  # type: ignore[misc]
    for kind, metadata, status in found:
        words = _not_ready(status.conditions)
        if words is None and status.observed_generation != metadata.generation:
            words = "its last change is not taken up yet"
        if words is not None:
            return Refusal("NotReady", f"{kind} {metadata.name} is not Ready ({words}); wait, or mend that first")
    return None


def all_brokers_are_up(facts: Facts, broker: Broker, _: Recovery) -> Refusal | None:
    """No other broker is missing."""
    if broker.view.state is not PodState.READY:
        return Refusal("BrokerNotReady", f"pod {broker.view.name} is {broker.view.state.value}; choose a ready one")
    ill = [other.view.name for other in facts.brokers.values() if other.view.state is not PodState.READY]
    if ill:
        return Refusal("BrokerMissing", f"pod {', '.join(sorted(ill))} is not ready; a drill takes one at a time: wait")
    return None


def another_broker_serves(facts: Facts, broker: Broker, _: Recovery) -> Refusal | None:
    """Somebody takes over."""
    if any(other.id != broker.id for other in facts.ready()):
        return None
    return Refusal("OnlyBroker", f"{broker.view.name} is the only broker; raise spec.replicas of its pool to 2 or more")


def budgets_allow_it(facts: Facts, broker: Broker, _: Recovery) -> Refusal | None:
    """What an eviction would have to respect, this does too."""
    for budget in facts.budgets:
        if not selects((budget.get("spec") or {}).get("selector"), broker.labels):
            continue
        allowed = (budget.get("status") or {}).get("disruptionsAllowed")
        if not allowed:
            words = "has not been counted yet" if allowed is None else "allows no disruption now"
            return Refusal("DisruptionBudget", f"PodDisruptionBudget {budget['metadata']['name']} {words}; wait for it")
    return None


def old_enough(facts: Facts, broker: Broker, recovery: Recovery) -> Refusal | None:
    """An engine may not fail a young node over."""
    left = recovery.young_for(broker.view.running_since, facts.now)
    if not left:
        return None
    words = f"{broker.view.name} runs for less than {recovery.no_failover_before:.0f} s, and the engine does not"
    return Refusal("TooYoung", f"{words} take over the work of so young a node; try again in {left:.0f} s")


def copies_are_in_sync(facts: Facts, broker: Broker, recovery: Recovery) -> Refusal | None:
    """No partition would lose its last copy, or the writes that it takes."""
    if facts.kafka is None or not facts.kafka.whole:
        if recovery.stateless:
            return None  # records are not on brokers
        return Refusal(
            "KafkaNotAsked",
            f"whether all partitions are in sync is not known, since Kafka was not asked ({facts.asked}); give "
            "--admin-secret with rights to describe the cluster, or run `kubectl memory` in a pod of the cluster",
        )
    if broker.id not in facts.kafka.registered:
        return Refusal("NotRegistered", f"Kafka does not count broker {broker.id} among those in service; wait for it")
    lacks = out_of_sync(facts.kafka.sync())
    if lacks:
        return Refusal("OutOfSync", f"{lacks}; wait until all are in sync")
    if recovery.stateless:
        return None
    if facts.stop is None:
        return Refusal("KafkaNotAsked", "min.insync.replicas of the topics is not known; give --admin-secret")
    return _stop_refused(facts.stop.blocked_by + facts.stop.unavoidable, broker)


CHECKS: tuple[Check, ...] = (
    nothing_is_paused,
    all_is_ready,
    all_brokers_are_up,
    another_broker_serves,
    budgets_allow_it,
    old_enough,
    copies_are_in_sync,
)


def refusals(facts: Facts, broker: Broker, recovery: Recovery) -> tuple[Refusal, ...]:
    """Everything that speaks against it; empty when it may be done."""
    return tuple(found for check in CHECKS if (found := check(facts, broker, recovery)) is not None)


def selects(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector (metav1.LabelSelector) takes these labels; an absent one takes nothing."""
    if selector is None:
        return False
    exact = all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items())
    return exact and all(_meets(rule, labels) for rule in selector.get("matchExpressions") or ())


def _meets(rule: Object, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(rule["key"]), rule.get("values") or ()
    match rule["operator"]:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


def _not_ready(conditions: tuple[Condition, ...]) -> str | None:
    ready = next((found for found in conditions if found.type == "Ready"), None)
    if ready is None:
        return "it has not been looked at"
    return None if ready.status == "True" else f"{ready.reason}: {ready.message}"


def _stop_refused(partitions: tuple[PartitionRef, ...], broker: Broker) -> Refusal | None:
    if not partitions:
        return None
    shown = ", ".join(f"{ref.topic}-{ref.partition}" for ref in partitions[:3])
    more = f" and {len(partitions) - 3} more" if len(partitions) > 3 else ""
    return Refusal(
        "MinInSync",
        f"without {broker.view.name} these partitions take no writes: {shown}{more}; raise the copies of their topics "
        "(spec.replication of the MemoryCluster) so that minInSync stays with one broker less",
    )
