"""Spreads out work that must not come all at once: so many units a second, in the order in which it was asked for.

The generic cell rate algorithm (ITU-T I.371) with a queue: who has to wait keeps its turn, and comes back for it.
"""

from collections.abc import Hashable

from agentmemory.core.clock import Clock

FORGOTTEN = 600.0
"""Seconds after its time at which a turn that nobody came for is dropped."""


class Pacer:
    """`rate` units a second, after a quiet time `burst` units at once."""

    def __init__(self, clock: Clock, rate: float, burst: float) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._free_at = float("-inf")  # when all that was let in is worked off
        self._turns: dict[Hashable, float] = {}

    def ask(self, key: Hashable, units: float) -> float:
        """0 when `key` may go on with `units` of work now; else the seconds after which it shall ask again.

        More than `burst` units are let in like any other work, and all others wait the longer.
        """
        now = self._clock.monotonic()
        turn = self._turns.get(key)
        if turn is None:
            turn = self._reserve(now, units)
            if turn > now:
                self._turns[key] = turn
        if turn > now:
            return turn - now
        self._turns.pop(key, None)
        return 0.0

    def waiting(self) -> int:
        """How many keys wait for their turn."""
        return len(self._turns)

    def _reserve(self, now: float, units: float) -> float:
        """The moment at which the work may begin."""
        self._drop_forgotten(now)
        begin = max(self._free_at, now - self._burst / self._rate)
        self._free_at = begin + units / self._rate
        return begin

    def _drop_forgotten(self, now: float) -> None:
        # Turns are in order, so the first one is the oldest.
        while self._turns:
            key, turn = next(iter(self._turns.items()))
            if now - turn < FORGOTTEN:
                return
            del self._turns[key]
