"""Whether a family can be as it is declared: pure checks, the first finding wins."""

from collections.abc import Callable, Collection, Mapping

from agentmemory.api.conditions import Phase, progressing, refused
from agentmemory.domain import names, priorities
from agentmemory.engines.frame import CLUSTER_CHECKS, TENANT_CHECKS, Frame, cluster_has_started
from agentmemory.families import erasure, tiers
from agentmemory.families.model import Seen
from agentmemory.families.residency import region_is_allowed
from agentmemory.families.world import World

Check = Callable[[World], Phase | None]


def tenant_agrees(world: World) -> Phase | None:
    """There is a tenant, it is good, and it lists the family's namespace."""
    return _first(TENANT_CHECKS, world.frame)


def priority_is_allowed(world: World) -> Phase | None:
    """The tenant says which priorities its families may declare."""
    tenant, wanted = world.frame.tenant, world.family.spec.priority
    if tenant is None or priorities.allowed(wanted, tenant.spec.priorities):
        return None
    return refused(
        "PriorityNotAllowed",
        f"spec.priority is {wanted}, and {world.frame.tenant_text()} allows {', '.join(tenant.spec.priorities)}; "
        "declare one of these, or ask the tenant's owner to allow it",
    )


def topic_names_are_valid(world: World) -> Phase | None:
    """Names that the API let through long ago may still not make a topic's name."""
    try:
        full = world.topic_names().values()
    except ValueError as error:
        return refused("InvalidName", f"no topic's name can be made: {error}")
    long = [name for name in full if len(name) > names.TOPIC_LENGTH]
    if not long:
        return None
    return refused(
        "InvalidName", f"topic name {long[0]} has more than {names.TOPIC_LENGTH} characters; shorten family or topic"
    )


def erasure_can_hold(world: World) -> Phase | None:
    """A promise about erasure is computed, and refused when the arithmetic does not come out."""
    promise = world.family.spec.erasure
    if promise is None:
        return None
    if promise.method == "CryptoShred":
        return refused(
            "ErasureUnsupported",
            "spec.erasure.method CryptoShred is not supported: no part of the platform keeps the keys yet; "
            "take Expiry (uncompacted topics) or Tombstone (compacted topics)",
        )
    merged = [topic.name for topic in world.family.spec.topics if topic.compaction == "KeepLatestAndExpire"]
    if promise.method == "Expiry" and merged:
        return refused(
            "ErasureUndecidable",
            f"topic {merged[0]} has compaction KeepLatestAndExpire: compaction merges old segments with newer ones, "
            "so that records may outlive their retention; take Tombstone for it, in a family of its own if need be",
        )
    bound = erasure_bound(world)
    if bound is None or bound.total <= promise.max_delay:
        return None
    return refused(
        "ErasureBoundExceeded",
        f"erasure takes up to {bound.arithmetic()}, more than spec.erasure.maxDelay "
        f"{erasure.text(promise.max_delay)}; raise maxDelay to {erasure.text(bound.total)}"
        + (" or shorten retention.time" if promise.method == "Expiry" else ""),
    )


def erasure_bound(world: World) -> erasure.Bound | None:
    """The longest time until data is gone; None when nothing is promised or nothing can be computed."""
    spec = world.family.spec
    log_append_time = spec.timestamps == "LogAppendTime"
    match spec.erasure:
        case None:
            return None
        case promise if promise.method == "Tombstone":
            return erasure.tombstone(promise.max_delay, log_append_time)
        case promise if promise.method == "Expiry" and spec.retention.time is not None:
            hot = tiers.hot_of(world)
            longest = None if hot is None else hot.segment
            return erasure.expiry(spec.retention.time, promise.max_delay, log_append_time, longest)
        case _:
            return None


def cluster_is_there(world: World) -> Phase | None:
    """The tenant's cluster exists and has come up at least once."""
    return _first(CLUSTER_CHECKS, world.frame)


CHECKS: tuple[Check, ...] = (
    tenant_agrees,  # the handshake
    priority_is_allowed,
    topic_names_are_valid,
    erasure_can_hold,
    region_is_allowed,  # before what waits for the cluster's start: nothing would help
    cluster_is_there,  # from here on with a cluster
    tiers.compaction_is_possible,
    tiers.hot_window_is_possible,
)


def judge(world: World) -> Phase | None:
    """The first finding of CHECKS, or None when Kafka may be asked."""
    return next((found for check in CHECKS if (found := check(world)) is not None), None)


# With what Kafka says.


def enough_brokers(world: World, known: Collection[str]) -> Phase | None:
    """Topics that are not among the known need as many brokers as copies; the cluster counts its registered ones."""
    cluster = world.frame.cluster
    if cluster is None or cluster.spec.engine == "external":
        return None  # nobody counts an external cluster's brokers for us: Kafka answers for itself
    missing = [name for name in world.topic_names().values() if name not in known]
    factor, brokers = cluster.spec.replication.factor, cluster.status.brokers.registered
    if not missing or brokers >= factor:
        return None
    return progressing(
        "NotEnoughBrokers",
        f"topic {missing[0]} needs {factor} brokers (spec.replication.factor of {world.frame.cluster_text()}), "
        f"{brokers} are registered; add brokers to a BrokerPool, or wait for those on their way",
    )


def partitions_that_shrink(world: World, seen: Mapping[str, Seen]) -> dict[str, Phase]:
    """By topic name in Kafka: more partitions there than declared. They cannot be taken away without losing records."""
    found: dict[str, Phase] = {}
    for topic in world.family.spec.topics:
        name = world.topic_names()[topic.name]
        there = seen[name].partitions if name in seen else 0
        if there > topic.partitions:
            found[name] = refused(
                "PartitionsCannotShrink",
                f"topic {name} has {there} partitions, spec.topics[{topic.name}].partitions is {topic.partitions}, and "
                f"Kafka cannot take partitions away; write {there}, or make a new topic",
            )
    return found


def nothing_to_delete(world: World) -> str | None:
    """Why an ending family lets go of its topics without deleting them; None when it deletes them."""
    frame, family = world.frame, world.family
    if family.spec.deletion_policy == "Retain":
        return "deletionPolicy is Retain"
    if frame.unreadable is not None:
        return frame.unreadable
    if frame.tenant is None:
        return f"{frame.tenant_text()} is gone"
    if frame.segment is None:
        return f"{frame.tenant_text()} does not list the namespace any more"
    if (bad_name := topic_names_are_valid(world)) is not None:
        return bad_name.message
    if frame.cluster is None or frame.cluster.metadata.deletion_timestamp is not None:
        return f"{frame.cluster_text()} is gone or going"
    never_started = cluster_has_started(frame)
    return never_started.message if never_started is not None else None


def _first(checks: tuple[Callable[[Frame], Phase | None], ...], frame: Frame) -> Phase | None:
    return next((found for check in checks if (found := check(frame)) is not None), None)
