"""The work queue: keyed, deduplicated, prioritised and fair.

A key is in exactly one of these states (running may be combined with one pending re-add):

    add(after>0) ──► delayed ──due──► ready ──get()──► running ──done()/retry()──► gone, delayed or ready again
    add(after=0) ────────────────────►  ▲                 │ add() while running: remembered, queued when the run ends
                                        └─────────────────┘

Some workers may take USER keys only (`least`), so that one is free whatever the others wait for.

Order: USER before CHILD before RESYNC, first in first out within one priority. So that nothing starves, every
`share`-th take goes to the key that waits longest, once it waited `patience` seconds: whatever the load, the oldest
key waits at most `patience` plus `share` times the work that stood before it, and a user's edit still gets the other
takes. Nothing is ever thrown away: overload makes keys wait, and waiting keys stay deduplicated.

Belongs to one event loop; not thread-safe.
"""

import asyncio
import heapq
from collections import OrderedDict, deque
from enum import IntEnum
from itertools import count

from agentmemory.core.backoff import Backoff
from agentmemory.core.clock import Clock, SystemClock
from agentmemory.core.key import Key


class Priority(IntEnum):
    """Smaller goes first."""

    USER = 0
    CHILD = 1
    RESYNC = 2


class Closed(Exception):  # noqa: N818 - a signal to the workers, not a failure
    """The queue was closed: no further key will come."""


class KeyedQueue:
    """See the module's head. `backoff` decides the delays of `retry`."""

    def __init__(
        self,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
        *,
        patience: float = 5.0,
        share: int = 4,
        opened: bool = True,
    ) -> None:
        self._clock = clock or SystemClock()
        self._backoff = backoff or Backoff()
        self._patience = patience
        self._share = share
        self._takes = 0
        # One line per priority: key -> since when it waits (monotonic seconds).
        self._ready: tuple[OrderedDict[Key, float], ...] = tuple(OrderedDict() for _ in Priority)
        # key -> (due, priority); the heap may hold entries that this dict no longer knows.
        self._delayed: dict[Key, tuple[float, Priority]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._seq = count()
        # key -> the earliest re-add that came in while it ran.
        self._running: dict[Key, tuple[float, Priority] | None] = {}
        # Those of the running that were ready as USER.
        self._urgent: set[Key] = set()
        # Who waits in `get`, by what it takes.
        self._waiters: tuple[deque[asyncio.Future[None]], ...] = tuple(deque() for _ in Priority)
        self._timer: asyncio.Task[None] | None = None
        self._timer_due = 0.0
        self._open = opened
        self._closed = False

    def __len__(self) -> int:
        """Keys that wait, ready or delayed; running ones are not counted."""
        return self.ready + len(self._delayed)

    @property
    def ready(self) -> int:
        """Keys that could run now."""
        return sum(len(line) for line in self._ready)

    @property
    def running(self) -> int:
        """Keys handed out and not yet given back."""
        return len(self._running)

    @property
    def is_open(self) -> bool:
        """Whether `get` hands out keys."""
        return self._open

    def oldest_age(self) -> float:
        """Seconds that the oldest ready key has waited; 0 when none waits."""
        return max((self._clock.monotonic() - since for _, since in self._heads()), default=0.0)

    def is_urgent(self, key: Key) -> bool:
        """Whether this running key was handed out because a user asked for it."""
        return key in self._urgent

    def is_awaited(self, key: Key) -> bool:
        """Whether a user asked for this running key since it was handed out: it runs again at once when it ends."""
        pending = self._running.get(key)
        return pending is not None and pending[1] is Priority.USER

    def next_due(self) -> float | None:
        """The monotonic time at which the next delayed key becomes ready, if any."""
        return min((due for due, _ in self._delayed.values()), default=None)

    def due(self) -> bool:
        """Whether `get` would return at once."""
        self._promote()
        return self._open and self.ready > 0

    def open(self) -> None:
        """Start to hand out keys (a standby collects them with the queue shut)."""
        self._open = True
        for priority, line in zip(Priority, self._ready, strict=True):
            self._wake(len(line), priority)

    def pause(self) -> None:
        """Hand out no more keys until `open`; adds are still taken."""
        self._open = False

    def close(self) -> None:
        """End for good: every present and future `get` raises Closed; adds are ignored."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for waiters in self._waiters:
            while waiters:
                _rouse(waiters)

    def add(self, key: Key, priority: Priority = Priority.USER, after: float = 0.0) -> None:
        """Ask for one reconcile of `key`, not before `after` seconds. An earlier and a more urgent ask win."""
        if self._closed:
            return
        due = self._clock.monotonic() + max(after, 0.0)
        if key in self._running:
            self._running[key] = _merge(self._running[key], due, priority)
        elif after <= 0:
            self._make_ready(key, priority)
        elif not self._is_ready(key):
            self._delay(key, due, priority)

    async def get(self, least: Priority = Priority.RESYNC) -> Key:
        """The next key, marked as running until `done` or `retry`. Raises Closed after `close`.

        `least`: take nothing of a lower priority, so that whoever calls is free when something urgent comes.
        """
        while not self._closed:
            self._promote()
            if self._open and (taken := self._take(least)) is not None:
                key, priority = taken
                self._running[key] = None
                if priority is Priority.USER:
                    self._urgent.add(key)
                self._pass_on()
                return key
            self._arm()
            await self._wait(least)
        raise Closed

    def done(self, key: Key) -> None:
        """The run of `key` ended well: forget its failures, queue it again when it was added meanwhile."""
        self._backoff.forget(key)
        self._finish(key)

    def again(self, key: Key, after: float) -> None:
        """The run of `key` ended well and asks for another look in `after` seconds."""
        self._backoff.forget(key)
        self.add(key, Priority.CHILD, after)
        self._finish(key)

    def retry(self, key: Key, floor: float | None = None) -> float:
        """The run of `key` failed: queue it again after its backoff, at least `floor` seconds; returns the delay."""
        delay = self._backoff.next(key, floor)
        self.add(key, Priority.CHILD, delay)
        self._finish(key)
        return delay

    def _finish(self, key: Key) -> None:
        pending = self._running.pop(key)
        self._urgent.discard(key)
        if pending is not None:
            due, priority = pending
            self.add(key, priority, due - self._clock.monotonic())

    def _make_ready(self, key: Key, priority: Priority) -> None:
        since = self._clock.monotonic()
        self._delayed.pop(key, None)
        for current in Priority:
            if key in self._ready[current]:
                if current <= priority:
                    return
                since = self._ready[current].pop(key)
        line = self._ready[priority]
        older = bool(line) and since < next(iter(line.values()))
        line[key] = since
        if older:  # moved up from another line: the head of a line is always its oldest
            line.move_to_end(key, last=False)
        self._wake(1, priority)

    def _is_ready(self, key: Key) -> bool:
        return any(key in line for line in self._ready)

    def _delay(self, key: Key, due: float, priority: Priority) -> None:
        known = self._delayed.get(key)
        due, priority = _merge(known, due, priority)
        self._delayed[key] = (due, priority)
        if known is None or due < known[0]:
            heapq.heappush(self._heap, (due, next(self._seq), key))
        if any(self._waiters):
            self._arm()

    def _promote(self) -> None:
        """Move what is due from delayed to ready."""
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            entry = self._delayed.get(key)
            if entry is not None and entry[0] == due:
                self._make_ready(key, entry[1])

    def _heads(self) -> list[tuple[Priority, float]]:
        return [(p, next(iter(self._ready[p].values()))) for p in Priority if self._ready[p]]

    def _take(self, least: Priority) -> tuple[Key, Priority] | None:
        heads = [head for head in self._heads() if head[0] <= least]
        if not heads:
            return None
        chosen = heads[0][0]
        # Who takes urgent keys alone has no part in this: else the oldest one's turn could fall to him each time.
        self._takes += least is max(Priority)
        if least is max(Priority) and self._takes % self._share == 0:
            oldest, since = min(heads, key=lambda head: head[1])
            if self._clock.monotonic() - since >= self._patience:
                chosen = oldest
        return self._ready[chosen].popitem(last=False)[0], chosen

    async def _wait(self, least: Priority) -> None:
        waiter = asyncio.get_running_loop().create_future()
        waiters = self._waiters[least]
        waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            # A wake-up that reached a cancelled worker must not be lost.
            if waiter.done() and not waiter.cancelled():
                self._pass_on()
            raise
        finally:
            if waiter in waiters:
                waiters.remove(waiter)

    def _pass_on(self) -> None:
        """Who was woken for one key may have taken another, or none: what is still ready has its taker woken."""
        for priority, line in zip(Priority, self._ready, strict=True):
            if line:
                self._wake(1, priority)

    def _wake(self, how_many: int, priority: Priority) -> None:
        """Rouse so many of those who take this priority; first those who take nothing lower."""
        able = [waiters for least, waiters in zip(Priority, self._waiters, strict=True) if least >= priority]
        for _ in range(how_many):
            if not any(_rouse(waiters) for waiters in able):
                return

    def _arm(self) -> None:
        """Make sure that somebody wakes up when the next delayed key is due."""
        while self._heap and self._delayed.get(self._heap[0][2], (None,))[0] != self._heap[0][0]:
            heapq.heappop(self._heap)
        if not self._heap:
            return
        due = self._heap[0][0]
        if self._timer is not None and not self._timer.done():
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer_due = due
        self._timer = asyncio.get_running_loop().create_task(self._sleep_until(due), name="queue-timer")

    async def _sleep_until(self, due: float) -> None:
        await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
        self._timer = None
        self._promote()
        if self._heap and any(self._waiters):
            self._arm()


def _rouse(waiters: "deque[asyncio.Future[None]]") -> bool:
    """Wake the first that still waits; False when nobody does."""
    while waiters:
        waiter = waiters.popleft()
        if not waiter.done():
            waiter.set_result(None)
            return True
    return False


def _merge(entry: tuple[float, Priority] | None, due: float, priority: Priority) -> tuple[float, Priority]:
    if entry is None:
        return due, priority
    return min(entry[0], due), min(entry[1], priority)
