"""What a cluster that tiers (KIP-405) asks of its topics: whole segments go to a bucket and leave the volumes. Pure.

Kafka copies a segment once it is rolled, and deletes the local copy `local.retention.ms` after its newest record. So a
record stays on a volume for the hot window at least, and longer by up to the length of its segment: segments are rolled
after a quarter of the window. An idle partition's last segment is rolled when the window has passed (seen on 4.3.1).
"""

from dataclasses import dataclass
from datetime import timedelta

from agentmemory.api.conditions import Phase, refused
from agentmemory.core.key import Key
from agentmemory.core.store import Store
from agentmemory.domain.units import milliseconds
from agentmemory.engines.registry import engine_of
from agentmemory.families import erasure
from agentmemory.families.model import MANAGED_KEYS, TIERED_KEYS
from agentmemory.families.world import World

ENGINE = "kafka-tiered"

SHARE_OF_SEGMENT = 4
SHORTEST_SEGMENT = timedelta(minutes=10)
"""Each segment is several objects in the bucket, whatever it holds: not too many of them."""
LOCAL_IS_ALL = "-2"
"""`local.retention.ms`: as long as `retention.ms`, whatever that is."""


@dataclass(frozen=True)
class Hot:
    """How long records stay on the brokers' volumes. `all_of_it`: as long as they are kept at all."""

    window: timedelta
    all_of_it: bool

    @property
    def segment(self) -> timedelta:
        """The longest that a segment may take to fill, `segment.ms`."""
        share = timedelta(seconds=self.window // timedelta(seconds=SHARE_OF_SEGMENT))
        return min(erasure.LONGEST_SEGMENT, max(SHORTEST_SEGMENT, share))

    @property
    def local_retention(self) -> str:
        """`local.retention.ms`, which Kafka refuses when it is more than `retention.ms`."""
        return LOCAL_IS_ALL if self.all_of_it else str(milliseconds(self.window))

    def arithmetic(self, segment: timedelta) -> str:
        """When a record has left the volumes, as `hot 24h + segment.ms 6h + ... = 30h6m30s`."""
        parts = (
            ("hot", self.window),
            ("segment.ms", segment),
            ("copy to the bucket", erasure.REMOTE_ROUND),
            ("retention check", erasure.RETENTION_CHECK),
            ("file.delete.delay.ms", erasure.FILE_DELETE_DELAY),
        )
        return erasure.Bound(parts, {}).arithmetic()


def hot_of(world: World) -> Hot | None:
    """The family's hot window, or the cluster's, and never more than the retention; None where nothing is tiered."""
    cluster, retention = world.frame.cluster, world.family.spec.retention
    if cluster is None or cluster.spec.tiering is None:
        return None
    window: timedelta = retention.hot or cluster.spec.tiering.hot_window
    if retention.time is not None and window >= retention.time:
        return Hot(retention.time, all_of_it=True)
    return Hot(window, all_of_it=False)


def configs(world: World) -> dict[str, str]:
    """A topic's settings for it; none where nothing is tiered."""
    hot = hot_of(world)
    if hot is None:
        return {}
    return {
        "remote.storage.enable": "true",
        "local.retention.ms": hot.local_retention,
        "segment.ms": str(milliseconds(hot.segment)),
        "file.delete.delay.ms": str(milliseconds(erasure.FILE_DELETE_DELAY)),
    }


def keys(world: World) -> tuple[str, ...]:
    """Which settings of a topic are ours."""
    return MANAGED_KEYS if hot_of(world) is None else TIERED_KEYS


def keys_on(store: Store, cluster: Key) -> tuple[str, ...]:
    """The same for all topics of a cluster; its engine never changes."""
    spec = (store.get(cluster) or {}).get("spec") or {}
    return TIERED_KEYS if spec.get("engine") == ENGINE else MANAGED_KEYS


def compaction_is_possible(world: World) -> Phase | None:
    """Kafka copies segments to the bucket as they are and never compacts them there; it refuses both on one topic."""
    cluster = world.frame.cluster
    compacted = [topic for topic in world.family.spec.topics if topic.compaction != "None"]
    if cluster is None or not compacted or engine_of(cluster.spec.engine).capabilities.compaction:
        return None
    return refused(
        "CompactionUnsupported",
        f"topic {compacted[0].name} has compaction {compacted[0].compaction}, and {world.frame.cluster_text()} has "
        f"engine {cluster.spec.engine}, whose old segments go to a bucket, where nothing compacts them; take "
        "compaction None with a retention, or a tenant on a cluster of engine kafka or automq for this family",
    )


def hot_window_is_possible(world: World) -> Phase | None:
    """A hot window is a promise about the brokers' volumes that only tiering keeps."""
    hot, cluster = world.family.spec.retention.hot, world.frame.cluster
    if hot is None or cluster is None or cluster.spec.tiering is not None:
        return None
    return refused(
        "HotWindowUnsupported",
        f"spec.retention.hot is {erasure.text(hot)}, and {world.frame.cluster_text()} has engine "
        f"{cluster.spec.engine}, which does not move old segments to a bucket; remove retention.hot, or take a tenant "
        f"on a cluster of engine {ENGINE}",
    )
