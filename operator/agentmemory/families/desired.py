"""What a family's topics shall be: pure builders from the spec to Kafka's settings and to the status."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from agentmemory.api.conditions import Phase, to_conditions
from agentmemory.api.enforcement import to_list
from agentmemory.api.topicfamily import Compaction, Topic
from agentmemory.engines.verdict import NAMED
from agentmemory.families import tiers
from agentmemory.families.enforcement import entries
from agentmemory.families.model import MANAGED_KEYS, Needs, Results, Seen
from agentmemory.families.policy import erasure_bound
from agentmemory.families.world import World
from agentmemory.kafka.model import NewTopicSpec

Object = dict[str, Any]

CLEANUP: Mapping[Compaction, str] = {
    "None": "delete",
    "KeepLatest": "compact",
    "KeepLatestAndExpire": "compact,delete",
}
# Kafka deletes whole segments, so a partition exceeds its share by up to one: an eighth of the share, within bounds.
SHARE_OF_SEGMENT = 8
SMALLEST_SEGMENT = 16 * 1024**2
LARGEST_SEGMENT = 1024**3


def retention_bytes(world: World, topic: Topic, partitions: int) -> int | None:
    """Kafka's value, which is per partition, rounded up; None where no size is declared or none applies."""
    declared = world.family.spec.retention.bytes
    if declared is None or topic.compaction == "KeepLatest":
        return None
    return -(-int(declared) // partitions)


def segment_bytes(per_partition: int, largest_event: int) -> int:
    """Segments small enough for the size to mean something, and large enough for two of the largest batches."""
    wished = max(per_partition // SHARE_OF_SEGMENT, SMALLEST_SEGMENT, 2 * largest_event)
    return min(wished, LARGEST_SEGMENT)


def configs(world: World, topic: Topic, partitions: int) -> dict[str, str]:
    """Those of the managed keys that a topic of so many partitions shall have; the others shall not be set on it."""
    spec, cluster = world.family.spec, world.frame.cluster
    if cluster is None:
        raise ValueError("a topic's settings need its cluster")
    settings = {
        "cleanup.policy": CLEANUP[topic.compaction],
        "compression.type": spec.compression,
        "max.message.bytes": str(int(spec.max_event_bytes)),
        "message.timestamp.type": spec.timestamps,
        "min.insync.replicas": str(cluster.spec.replication.min_in_sync),
    }
    if topic.compaction != "KeepLatest":
        per_partition = retention_bytes(world, topic, partitions)
        settings["retention.ms"] = str(spec.retention.time.milliseconds) if spec.retention.time else "-1"
        settings["retention.bytes"] = "-1" if per_partition is None else str(per_partition)
        if per_partition is not None:
            settings["segment.bytes"] = str(segment_bytes(per_partition, int(spec.max_event_bytes)))
    settings |= tiers.configs(world)
    bound = erasure_bound(world)
    return settings if bound is None else settings | dict(bound.configs)


def changes(
    wanted: Mapping[str, str], found: Mapping[str, str], keys: Collection[str] = MANAGED_KEYS
) -> dict[str, str | None]:
    """What to set (a value) or to delete (None) so that exactly `wanted` of `keys` is set."""
    return {key: wanted.get(key) for key in keys if wanted.get(key) != found.get(key)}


def needs(world: World, seen: Mapping[str, Seen], unknown: Collection[str] = ()) -> Needs:
    """What is to be done to the topics of the spec, but for those of which nothing is known.

    Topics that have more partitions than declared keep them.
    """
    create: list[NewTopicSpec] = []
    grow: dict[str, int] = {}
    alter: dict[str, Mapping[str, str | None]] = {}
    names, keys = world.topic_names(), tiers.keys(world)
    for topic in world.family.spec.topics:
        name = names[topic.name]
        if name in unknown:
            continue
        found = seen.get(name)
        if found is None:
            create.append(_new(world, topic, name))
            continue
        if topic.partitions > found.partitions:
            grow[name] = topic.partitions
        differing = changes(configs(world, topic, max(topic.partitions, found.partitions)), found.configs, keys)
        if differing:
            alter[name] = differing
    return Needs(tuple(create), grow, alter)


def _new(world: World, topic: Topic, name: str) -> NewTopicSpec:
    cluster = world.frame.cluster
    if cluster is None:
        raise ValueError("a new topic needs its cluster")
    return NewTopicSpec(
        name, topic.partitions, cluster.spec.replication.factor, configs(world, topic, topic.partitions)
    )


def cuts(needed: Needs, seen: Mapping[str, Seen]) -> dict[str, Seen]:
    """The topics that lose records by what is needed: a shorter retention, or one where there was none."""
    return {name: seen[name] for name, changes in needed.alter.items() if _cuts(changes, seen[name].configs)}


def _cuts(changes: Mapping[str, str | None], found: Mapping[str, str]) -> bool:
    def lower(key: str) -> bool:
        # Unset means the broker's default, which is not known here and may be longer.
        new, old = changes.get(key), found.get(key, "-1")
        return new not in (None, "-1") and (old == "-1" or int(new or 0) < int(old))

    policy = changes.get("cleanup.policy")
    begins_to_expire = policy is not None and "delete" in policy and found.get("cleanup.policy") == "compact"
    return begins_to_expire or lower("retention.ms") or lower("retention.bytes")


def without(needed: Needs, cut: Collection[str]) -> Needs:
    """All but the changes of these topics."""
    return replace(needed, alter={name: changes for name, changes in needed.alter.items() if name not in cut})


def without_new(needed: Needs) -> Needs:
    """All but the topics to be made."""
    return replace(needed, create=())


def after(seen: Mapping[str, Seen], needed: Needs, results: Results) -> dict[str, Seen]:
    """What is there now, by what was there and what Kafka said: no second look is needed."""
    now = dict(seen)
    for spec in needed.create:
        if spec.name in results.created:
            now[spec.name] = Seen(results.created[spec.name], spec.partitions, spec.configs)
    for name, total in needed.grow.items():
        if name not in results.failed:
            now[name] = replace(now[name], partitions=total)
    for name, changed in needed.alter.items():
        if name not in results.failed:
            merged = {**now[name].configs, **changed}
            now[name] = replace(now[name], configs={key: value for key, value in merged.items() if value is not None})
    return now


def to_delete(world: World, seen: Mapping[str, Seen]) -> dict[str, str]:
    """Topics that left the spec of a Delete family and are still there: name to id. A Retain family keeps them."""
    if world.family.spec.deletion_policy == "Retain":
        return {}
    return {name: seen[name].topic_id for name in world.left_over().values() if name in seen}


def made_anew(world: World, seen: Mapping[str, Seen]) -> list[str]:
    """Topics whose id is not the one that the status recorded: somebody deleted them, and their records are lost."""
    return [
        topic.topic_name
        for topic in world.family.status.topics
        if topic.topic_id and topic.topic_name in seen and seen[topic.topic_name].topic_id != topic.topic_id
    ]


def ready_message(world: World, seen: Mapping[str, Seen]) -> str:
    """What `Ready` says: how many topics, and which are kept although the spec no longer names them."""
    count = len(world.family.spec.topics)
    kept = [name for name in world.left_over().values() if name in seen]
    also = f"; kept though no longer declared: {', '.join(kept[:NAMED])}" if kept else ""
    return f"{count} {'topic is' if count == 1 else 'topics are'} as declared{also}"


def topic_statuses(world: World, seen: Mapping[str, Seen]) -> list[Object]:
    """`status.topics`: those of the spec, then those that the spec no longer names and that are still there."""
    names = world.topic_names()
    listed = [_topic_status(world, topic, names[topic.name], seen) for topic in world.family.spec.topics]
    kept = world.left_over()
    return listed + [
        topic.to_dict() for topic in world.family.status.topics if topic.name in kept and topic.topic_name in seen
    ]


def _topic_status(world: World, topic: Topic, name: str, seen: Mapping[str, Seen]) -> Object:
    found = seen.get(name)
    entry: Object = {"name": topic.name, "topicName": name, "partitions": found.partitions if found else 0}
    if found is None:
        return entry
    entry["topicId"] = found.topic_id
    per_partition = retention_bytes(world, topic, max(topic.partitions, found.partitions))
    return entry if per_partition is None else entry | {"retentionBytesPerPartition": per_partition}


def status(
    obj: Mapping[str, Any], world: World | None, phase: Phase, seen: Mapping[str, Seen] | None, now: datetime
) -> Object:
    """The complete status. `world` None: the spec cannot be read; `seen` None: Kafka was not asked, or silent."""
    before, generation = obj.get("status") or {}, obj["metadata"].get("generation", 0)
    made: Object = {
        "observedGeneration": generation,
        "conditions": to_conditions(phase, before.get("conditions") or [], generation, now),
    }
    if world is not None:
        made["enforcement"] = to_list(entries(world, in_place=phase.kind == "Ready"))
    elif before.get("enforcement"):
        made["enforcement"] = before["enforcement"]
    topics = topic_statuses(world, seen) if world is not None and seen is not None else before.get("topics")
    return made | ({"topics": topics} if topics else {})
