"""For each declaration of a family whether it is kept, and by what: nothing is accepted silently. Pure."""

from collections.abc import Iterator

from agentmemory.api.base import EnforcementEntry
from agentmemory.api.enforcement import depends_on_producer, enforced, unsupported, unverified
from agentmemory.families.policy import erasure_bound
from agentmemory.families.residency import promised
from agentmemory.families.tiers import hot_of
from agentmemory.families.world import World

_UNCOPIED = "a segment that it has not taken, or not let go of, is deleted nowhere"
_NOT_IN_PLACE = "not in place, or not looked at since the last change: see the conditions"


def entries(world: World, *, in_place: bool) -> list[EnforcementEntry]:
    """All entries. What the cluster enforces is Unverified until all of it is in place."""
    found = [*_topics(world), *_retention(world), *_records(), *_erasure(world), *_promises(world)]
    return found if in_place else [_doubted(entry) for entry in found]


def _doubted(entry: EnforcementEntry) -> EnforcementEntry:
    return entry if entry.state != "Enforced" else unverified(entry.path, entry.mechanism, _NOT_IN_PLACE)


def _topics(world: World) -> Iterator[EnforcementEntry]:
    topics, policy = world.family.spec.topics, world.family.spec.deletion_policy
    yield enforced("spec.topics.partitions", "the topics' partitions; they grow and never shrink")
    yield enforced("spec.topics.compaction", "cleanup.policy")
    yield enforced(
        "spec.deletionPolicy",
        "the topics stay when this object goes"
        if policy == "Retain"
        else "a finalizer; topics are deleted by their id",
    )
    if any(topic.key != "none" for topic in topics):
        yield depends_on_producer("spec.topics.key", "the record's key", "producers choose it; brokers do not check it")
    if any(topic.event_types for topic in topics):
        yield depends_on_producer(
            "spec.topics.eventTypes", "the record's header ce_type", "producers write it; brokers do not check it"
        )


def _retention(world: World) -> Iterator[EnforcementEntry]:
    spec = world.family.spec
    kept = [topic.name for topic in spec.topics if topic.compaction == "KeepLatest"]
    but = f"; does not apply to compacted topics ({', '.join(kept)})"[:512] if kept else ""
    if spec.retention.time is not None:
        clock = "the broker's" if spec.timestamps == "LogAppendTime" else "the producer's"
        also = f", here and in the bucket: {_UNCOPIED}" if hot_of(world) is not None else ""
        yield enforced("spec.retention.time", "retention.ms", f"whole segments go, by {clock} timestamps{but}{also}")
    yield from _hot(world)
    if spec.retention.bytes is not None:
        yield enforced(
            "spec.retention.bytes",
            "retention.bytes of each partition, and segment.bytes",
            f"whole segments go, so each partition may hold up to one segment more{but}",
        )


def _hot(world: World) -> Iterator[EnforcementEntry]:
    declared, hot = world.family.spec.retention.hot, hot_of(world)
    if hot is not None:
        bound = erasure_bound(world)
        segment = hot.segment if bound is None else dict(bound.parts).get("segment.ms", hot.segment)
        whose = "" if declared is not None else "; the cluster's tiering.hotWindow, since the family declares none"
        yield enforced(
            "spec.retention.hot",
            "local.retention.ms and segment.ms",
            f"at least so long on the brokers' volumes, and at most {hot.arithmetic(segment)} while the bucket takes "
            f"segments{whose}",
        )
    elif declared is not None:
        yield unsupported("spec.retention.hot", "its cluster does not tier: all records stay on the brokers' volumes")


def _records() -> Iterator[EnforcementEntry]:
    yield enforced(
        "spec.maxEventBytes",
        "max.message.bytes",
        "counts a batch as it is stored: compressed, with keys and headers",
    )
    yield enforced("spec.timestamps", "message.timestamp.type")
    yield enforced("spec.compression", "compression.type")


def _erasure(world: World) -> Iterator[EnforcementEntry]:
    promise, bound, cluster = world.family.spec.erasure, erasure_bound(world), world.frame.cluster
    if promise is None:
        return
    if bound is None:
        yield unsupported("spec.erasure", f"nothing computes or keeps method {promise.method}")
    elif promise.method == "Tombstone":
        yield depends_on_producer(
            "spec.erasure",
            bound.arithmetic(),
            "counts from the tombstone that a producer writes; a partition without further writes is not compacted",
        )
    elif cluster is not None and cluster.spec.engine == "external":
        yield unverified(
            "spec.erasure", bound.arithmetic(), "somebody else runs the brokers: their retention check is not known"
        )
    elif hot_of(world) is not None:
        yield enforced("spec.erasure", bound.arithmetic(), f"while the bucket answers: {_UNCOPIED}")
    else:
        yield enforced("spec.erasure", bound.arithmetic())


def _promises(world: World) -> Iterator[EnforcementEntry]:
    spec = world.family.spec
    yield from promised(world)
    yield unsupported("spec.priority", "checked against the tenant; capacity is not divided by priority yet")
    if spec.classification is not None:
        yield unsupported("spec.classification", "recorded; nothing acts on it yet")
    if spec.objectives is not None and spec.objectives.freshness is not None:
        yield unsupported("spec.objectives.freshness", "recorded; consumers' delay is not measured yet")
    if spec.throughput is not None:
        yield unsupported("spec.throughput", "recorded; neither quotas nor capacity are derived from it yet")
