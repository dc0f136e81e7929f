"""How long an event can stay on disk after it should be gone, by what Kafka does (pure arithmetic).

Expiry of an uncompacted topic. Kafka deletes whole segments, `retention.ms` after their newest timestamp (UnifiedLog,
deleteRetentionMsBreachedSegments), so an event waits for the last one that joined its segment: `segment.ms` later at
most, and later still by as much as a producer's clock may run ahead (`message.timestamp.after.max.ms`, nothing with
LogAppendTime). Then the retention check comes round (`log.retention.check.interval.ms`, five minutes) and the file goes
after `file.delete.delay.ms`.
A topic with `compact,delete` has no such bound: the cleaner merges segments, and a merged one is as young as its
newest record.

Expiry where old segments go to a bucket (KIP-405). No segment is deleted, on a volume or in the bucket, before it is
copied: one round of the leader's task (`remote.log.manager.task.interval.ms`). The next round finds what is past
`retention.ms` and deletes it, one segment after the other by as many threads as the broker has; Kafka names no limit
for how long the store takes for that: ten minutes are allowed for here.

Tombstone on a compacted topic. `max.compaction.lag.ms` makes the active segment roll and the log eligible (KIP-354);
then the cleaner needs time, for which Kafka names no limit: an hour is allowed for here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from agentmemory.domain.units import format_duration, milliseconds
from agentmemory.engines.remote import TASK_INTERVAL

CLOCK_AHEAD = timedelta(hours=1)
FILE_DELETE_DELAY = timedelta(minutes=1)
RETENTION_CHECK = timedelta(minutes=5)
LONGEST_SEGMENT = timedelta(days=7)
SHORTEST_SEGMENT = timedelta(hours=1)
REMOTE_ROUND = TASK_INTERVAL
REMOTE_DELETION = timedelta(minutes=10)
CLEANING = timedelta(hours=1)
SHORTEST_LAG = timedelta(hours=1)
TOMBSTONES_KEPT = timedelta(days=1)
# Ten thousand families promise one of a few things: each is computed once.
SHARED = 1024


@dataclass(frozen=True)
class Bound:
    """The longest time an event can stay, what it is made of, and the topic settings that make it so."""

    parts: tuple[tuple[str, timedelta], ...]
    configs: Mapping[str, str]

    @property
    def total(self) -> timedelta:
        """The sum of all parts."""
        return sum((length for _, length in self.parts), timedelta())

    def arithmetic(self) -> str:
        """`retention 720h + segment.ms 168h + ... = 889h6m`, for conditions and `status.enforcement`."""
        terms = " + ".join(f"{name} {text(length)}" for name, length in self.parts)
        return f"{terms} = {text(self.total)}"


@lru_cache(SHARED)
def text(length: timedelta) -> str:
    """As the API writes durations; in whole hours, rounded up, where that is more than the API takes."""
    try:
        return format_duration(length)
    except ValueError:
        return f"{-(-length // timedelta(hours=1))}h"


@lru_cache(SHARED)
def expiry(
    retention: timedelta, max_delay: timedelta, log_append_time: bool, tiered_segment: timedelta | None = None
) -> Bound:
    """The bound of an uncompacted topic, with the longest segments (an hour to a week) that keep it in `max_delay`.

    `tiered_segment`: where segments go to a bucket, the longest that the hot window allows.
    """
    ahead = timedelta() if log_append_time else CLOCK_AHEAD
    remote = _REMOTE if tiered_segment is not None else ()
    after = sum((length for _, length in remote), ahead + RETENTION_CHECK + FILE_DELETE_DELAY)
    segment = min(tiered_segment or LONGEST_SEGMENT, max(SHORTEST_SEGMENT, max_delay - retention - after))
    parts = [("retention.time", retention), ("segment.ms", segment)]
    configs = {"segment.ms": _ms(segment), "file.delete.delay.ms": _ms(FILE_DELETE_DELAY)}
    if ahead:
        parts.append(("producers' clocks ahead", ahead))
        configs["message.timestamp.after.max.ms"] = _ms(ahead)
    parts += [("retention check", RETENTION_CHECK), ("file.delete.delay.ms", FILE_DELETE_DELAY), *remote]
    return Bound(tuple(parts), configs)


_REMOTE = (
    ("copy to the bucket", REMOTE_ROUND),
    ("remote.log.manager.task.interval.ms", REMOTE_ROUND),
    ("deletion in the bucket", REMOTE_DELETION),
)


@lru_cache(SHARED)
def tombstone(max_delay: timedelta, log_append_time: bool) -> Bound:
    """The bound of a compacted topic, counted from the tombstone, with the longest lag that keeps it in `max_delay`."""
    ahead = timedelta() if log_append_time else CLOCK_AHEAD
    lag = max(SHORTEST_LAG, max_delay - ahead - CLEANING - FILE_DELETE_DELAY)
    parts = [("max.compaction.lag.ms", lag)]
    configs = {
        "max.compaction.lag.ms": _ms(lag),
        "delete.retention.ms": _ms(TOMBSTONES_KEPT),
        "file.delete.delay.ms": _ms(FILE_DELETE_DELAY),
    }
    if ahead:
        parts.append(("producers' clocks ahead", ahead))
        configs["message.timestamp.after.max.ms"] = _ms(ahead)
    parts += [("cleaning", CLEANING), ("file.delete.delay.ms", FILE_DELETE_DELAY)]
    return Bound(tuple(parts), configs)


def _ms(length: timedelta) -> str:
    return str(milliseconds(length))
