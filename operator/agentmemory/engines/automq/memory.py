"""How a node's memory is shared out: heap, direct memory and the two caches. Pure.

The anchors are AutoMQ's own table (docs, performance-tuning-for-broker: 8, 16 and 32 GiB) and, at the lower end, the
settings that were seen to boot 1.7.3: heap 400 MiB, direct memory 256 MiB, caches of 96 and 64 MiB.
"""

from dataclasses import dataclass

from agentmemory.api.shapes import Resources
from agentmemory.domain.units import format_quantity

MIB = 1024**2
GIB = 1024**3

MIN_MEMORY = 800 * MIB
DIRECT_FROM = 16 * GIB
"""From here on the caches are in direct memory."""
LARGE_FROM = 32 * GIB
MAX_HEAP = 6 * GIB
MAX_LARGE_HEAP = 12 * GIB
MIN_WAL_CACHE = 96 * MIB
MIN_BLOCK_CACHE = 64 * MIB
MAX_CLEANER, MIN_CLEANER = 128 * MIB, 16 * MIB
"""Kafka's own default, made at start whether or not a topic is compacted: a third of the smallest heap."""
MAX_COMPACTION, MIN_COMPACTION = 200 * MIB, 32 * MIB
"""AutoMQ's own default, at its height every few minutes."""
MAX_UPLOAD = 500 * MIB
"""AutoMQ's own bound of s3.wal.upload.threshold, beside a third of the log's cache."""


@dataclass(frozen=True)
class Memory:
    """All in bytes."""

    policy: str
    """s3.stream.allocator.policy."""
    heap: int
    direct: int
    wal_cache: int
    """What has been written and not uploaded yet, or was just now."""
    block_cache: int
    """What catching-up readers fetched from the bucket."""

    @property
    def upload_threshold(self) -> int:
        """At how much the log is uploaded; AutoMQ wants at most a third of its cache."""
        return min(self.wal_cache // 3, MAX_UPLOAD)

    @property
    def cleaner(self) -> int:
        """log.cleaner.dedupe.buffer.size, always in the heap. A smaller one maps fewer keys in one go."""
        return min(max(self.heap // 25, MIN_CLEANER), MAX_CLEANER)

    @property
    def compaction(self) -> int:
        """s3.stream.set.object.compaction.cache.size."""
        return min(max(self.heap // 12, MIN_COMPACTION), MAX_COMPACTION)

    @property
    def options(self) -> str:
        """KAFKA_HEAP_OPTS."""
        heap = self.heap // MIB
        return f"-Xms{heap}m -Xmx{heap}m -XX:MetaspaceSize=96m -XX:MaxDirectMemorySize={self.direct // MIB}m"


def share_out(memory: int) -> Memory:
    """The parts of a pod's memory (bytes)."""
    if memory >= LARGE_FROM:
        heap, direct = min(memory * 3 // 8, MAX_LARGE_HEAP), memory * 7 // 16
        return Memory("POOLED_DIRECT", heap, direct, wal_cache=direct * 3 // 7, block_cache=direct * 2 // 7)
    if memory >= DIRECT_FROM:
        heap = direct = memory * 3 // 8
        return Memory("POOLED_DIRECT", heap, direct, wal_cache=direct // 3, block_cache=direct // 6)
    heap = min(memory * 3 // 4, MAX_HEAP) if memory >= 4 * GIB else memory // 2
    direct = min(max(memory // 8, 256 * MIB), GIB)
    wal, block = max(heap // 6, MIN_WAL_CACHE), max(heap // 12, MIN_BLOCK_CACHE)
    return Memory("POOLED_HEAP", heap, direct, wal_cache=wal, block_cache=block)


def too_small(resources: Resources, path: str) -> str | None:
    """What is wrong with the memory at `path`, or None."""
    if resources.memory >= MIN_MEMORY:
        return None
    return (
        f"{path} is {resources.memory.text}, and an AutoMQ node does not boot on less than "
        f"{format_quantity(MIN_MEMORY)}: half is heap with both caches in it, the rest is direct memory, code and "
        "threads; raise it"
    )
