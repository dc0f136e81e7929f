"""What throws away records is done in turn: topics that are deleted, retentions that are shortened.

Both free disks and object storage, and a flood of such requests would slow down those who write and read.
"""

from collections.abc import Mapping

from agentmemory.core.clock import Clock
from agentmemory.core.key import Key
from agentmemory.core.outcome import Again
from agentmemory.core.pacer import Pacer
from agentmemory.families.model import Seen

BURST_SECONDS = 4.0
"""After a quiet time so many seconds' worth goes at once."""


class Pace:
    """`rate`: partitions a second, for each cluster by itself."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock = clock
        self._rate = rate
        self._pacers: dict[Key, Pacer] = {}

    def turn(self, cluster: Key, family: Key, count: int) -> Again | None:
        """None when the family may go on with so many partitions now; it keeps its turn while it waits."""
        pacer = self._pacers.setdefault(cluster, Pacer(self._clock, self._rate, self._rate * BURST_SECONDS))
        seconds = pacer.ask(family, count)
        return Again(seconds, f"its turn: {pacer.waiting()} families wait to throw away records") if seconds else None


def partitions(seen: Mapping[str, Seen]) -> int:
    """Of all these topics."""
    return sum(found.partitions for found in seen.values())
