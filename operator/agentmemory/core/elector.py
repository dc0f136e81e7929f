"""Who leads: the rules of a Lease, without threads and without Kubernetes.

Another process may take the lease once it has seen no renewal for `duration` seconds of its own monotonic clock. We
count as leader only for `deadline` (shorter) seconds after the moment *before* the last successful renewal was sent,
so there is a gap between the end of our belief and the start of another's. Timestamps of other machines are never
compared with ours.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Protocol

from agentmemory.core.clock import Clock


@dataclass(frozen=True)
class Timing:
    """Seconds. `duration` > `deadline` > `attempt` + `period`."""

    duration: float = 15.0
    deadline: float = 10.0
    period: float = 2.0
    attempt: float = 4.0


@dataclass(frozen=True)
class LeaseRecord:
    """A Lease as read: `version` is its resourceVersion, `holder` is empty when nobody holds it."""

    holder: str
    transitions: int
    version: str


class LeaseApi(Protocol):
    """Where the Lease is kept. Every method raises OperatorError; `write` a Transient when `known` is outdated."""

    async def read(self) -> LeaseRecord | None:
        """The Lease, or None when there is none."""
        ...

    async def write(self, holder: str, transitions: int, duration: float, known: LeaseRecord | None) -> LeaseRecord:
        """Create (`known` is None) or update the Lease, only if it still is as `known`. Renews its time."""
        ...


class Elector:
    """One candidate."""

    def __init__(self, api: LeaseApi, identity: str, clock: Clock, timing: Timing | None = None) -> None:
        self._api = api
        self._identity = identity
        self._clock = clock
        self.timing = timing or Timing()
        self._until = float("-inf")
        self._mine: LeaseRecord | None = None
        self._taken_at = ""
        # The Lease's version at which the one before us let go; None: it never said so.
        self._left_at: str | None = None
        self._seen: LeaseRecord | None = None
        self._seen_at = 0.0

    @property
    def held(self) -> bool:
        """Whether we may act as leader at this very moment. Safe from any thread."""
        return self._clock.monotonic() < self._until

    @property
    def taken_at(self) -> str:
        """Whatever another leader wrote is older than this version: that of the Lease when it was released to us, or
        else when we got it. Empty before that."""
        return self._taken_at

    async def attempt(self) -> bool:
        """Try once, within the attempt's time limit, to get or to renew the Lease; True when we lead.

        Raises OperatorError or TimeoutError; what we held stays held until its deadline.
        """
        started = self._clock.monotonic()
        async with asyncio.timeout(self.timing.attempt):
            mine = await self._renew() if self._mine is not None else await self._acquire()
        if mine is None:
            self._until = float("-inf")  # somebody else holds it
            return False
        if not self.held or not self._taken_at:
            self._taken_at = self._left_at or mine.version
        self._mine = mine
        self._until = started + self.timing.deadline
        return True

    async def release(self) -> None:
        """Stop leading at once and tell the others, so that they need not wait. Raises as `attempt` does."""
        mine, self._mine, self._until = self._mine, None, float("-inf")
        if mine is not None:
            async with asyncio.timeout(self.timing.attempt):
                await self._api.write("", mine.transitions, 1.0, mine)

    async def _renew(self) -> LeaseRecord | None:
        mine = self._mine
        # When this write is refused or its answer is lost, the next attempt reads first.
        self._mine = None
        if mine is None or not self.held:
            return await self._acquire()
        return await self._api.write(self._identity, mine.transitions, self.timing.duration, mine)

    async def _acquire(self) -> LeaseRecord | None:
        found = await self._api.read()
        self._left_at = None if found is None or found.holder else found.version
        if found is None:
            return await self._api.write(self._identity, 0, self.timing.duration, None)
        if found.holder == self._identity:
            return await self._api.write(self._identity, found.transitions, self.timing.duration, found)
        if found.holder and not self._expired(found):
            return None
        taken = replace(found, transitions=found.transitions + 1)
        return await self._api.write(self._identity, taken.transitions, self.timing.duration, found)

    def _expired(self, found: LeaseRecord) -> bool:
        """Whether a foreign Lease has not changed for its duration, as seen from here."""
        now = self._clock.monotonic()
        if self._seen is None or self._seen.version != found.version:
            self._seen, self._seen_at = found, now
            return False
        return now - self._seen_at >= self.timing.duration
