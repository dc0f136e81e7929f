"""How many calls to the apiserver run at once, and when none may start because it asked for a pause.

Hundreds of reconciles share one client. What is not in flight waits in line, first in first out, so that the load on
the apiserver does not grow with the number of workers; and when it answers one call with 429, all others wait as long
as it asked, instead of finding out one by one.
"""

import asyncio

from agentmemory.core.clock import Clock
from agentmemory.core.errors import Transient

# Calls in flight. The apiserver gives a single user some tens of seats; more would only wait there instead of here.
WRITES = 32
READS = 32
# A pause that is longer is not waited for: the caller is told, and the queue brings it back (seconds).
PATIENCE = 10.0
# The shortest pause (seconds): an apiserver that says 0 is still one that has too much to do.
PAUSE = 1.0


class Traffic:
    """One per client. `writes` and `reads` are the lines to stand in; `passable` is asked before every call."""

    def __init__(self, clock: Clock, writes: int = WRITES, reads: int = READS, patience: float = PATIENCE) -> None:
        self._clock = clock
        self.writes = asyncio.Semaphore(writes)
        self.reads = asyncio.Semaphore(reads)
        self._patience = patience
        self._until = 0.0

    def hold(self, seconds: float) -> None:
        """The apiserver asked for a pause: no call starts within `seconds`."""
        self._until = max(self._until, self._clock.monotonic() + seconds)

    @property
    def pause(self) -> float:
        """Seconds until calls may start again; 0 when they may."""
        return max(0.0, self._until - self._clock.monotonic())

    def is_worth_waiting(self, waited: float = 0.0) -> bool:
        """Whether the pause ends within the patience of a caller that has waited so long already (seconds)."""
        return waited + self.pause <= self._patience

    async def passable(self, what: object, waited: float = 0.0) -> float:
        """Wait for the end of the pause; returns for how long (seconds), `waited` included.

        Raises Transient, with what is left of the pause, when that would take longer than the patience.
        """
        while (pause := self.pause) > 0:
            if not self.is_worth_waiting(waited):
                raise Transient("TooManyRequests", f"{what}: the apiserver asked for a pause of {pause:.0f} s", pause)
            await self._clock.sleep(pause)
            waited += pause
        return waited
