"""Many asks, one call: what comes in while a call is under way goes out together in the next one.

    ask ─► alone? ──yes──► call at once                      (a lone ask never waits)
             │no
             └─► wait for the call under way ─► collect for `linger`, or until `most` items are together ─► one call

What comes at a high rate is collected for longer: Kafka takes 1.5 ms of CPU for each of 500 new topics in one call, 2.4
for each of 100 and 3.8 for each of 20 (4.3.1, controller and broker together), and then it is Kafka that all wait for.

Every ask gets the results of its own keys; what the call raises, all its asks raise. An ask that was given up while it
waited is not sent; one that is under way is not called back. Belongs to one event loop; not thread-safe.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
R = TypeVar("R")

LINGER = 0.02
"""Seconds for which a busy merger collects before it calls: small calls cost the other side as much as large ones."""
MANY = 64
"""So many items within a second are a high rate: an installation of hundreds, not the edits of some users."""
LONGER = 0.25
"""Seconds for which it then collects."""
MOST = 500
"""Items in one call; an ask with more has a call of its own."""
# For so many seconds after a call began or ended the next ask is not alone.
_BUSY = 0.1


@dataclass
class _Batch(Generic[K, V, R]):
    done: asyncio.Future[Mapping[K, R]]
    items: dict[K, V] = field(default_factory=dict)
    asks: int = 0


class Merger(Generic[K, V, R]):
    """`call` takes the items of many asks and answers by key; a key without an answer is left out."""

    def __init__(
        self,
        call: Callable[[Mapping[K, V]], Awaitable[Mapping[K, R]]],
        *,
        most: int = MOST,
        linger: float = LINGER,
        longer: float = LONGER,
    ) -> None:
        """`most`: items in one call. Seconds to collect for: `linger`, and `longer` at a high rate."""
        self._call = call
        self._most = most
        self._linger = linger
        self._longer = max(longer, linger)
        self._waiting: deque[_Batch[K, V, R]] = deque()
        self._runner: asyncio.Task[None] | None = None
        self._busy_until = float("-inf")
        self._full = asyncio.Event()
        # When how many items came, for a second.
        self._came: deque[tuple[float, int]] = deque()

    async def ask(self, items: Mapping[K, V]) -> dict[K, R]:
        """The results of these items. Raises what the call raised."""
        if not items:
            return {}
        batch = self._join(items)
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="merger")
        try:
            results = await asyncio.shield(batch.done)
        except asyncio.CancelledError:
            self._leave(batch, items)
            raise
        return {key: results[key] for key in items if key in results}

    def _join(self, items: Mapping[K, V]) -> _Batch[K, V, R]:
        last = self._waiting[-1] if self._waiting else None
        if last is None or len(last.items) + len(items) > self._most or not last.items.keys().isdisjoint(items):
            last = _Batch(asyncio.get_running_loop().create_future())
            self._waiting.append(last)
        last.items.update(items)
        last.asks += 1
        self._came.append((asyncio.get_running_loop().time(), len(items)))
        if self._is_full():
            self._full.set()
        return last

    def _leave(self, batch: _Batch[K, V, R], items: Mapping[K, V]) -> None:
        if batch not in self._waiting:
            return
        for key in items:
            del batch.items[key]
        batch.asks -= 1
        if not batch.asks:
            self._waiting.remove(batch)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._collect()
                if self._waiting:
                    await self._send(self._waiting.popleft())
        finally:
            self._runner = None
            for batch in self._waiting:  # only when the process goes down
                batch.done.cancel()

    async def _collect(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._came and self._came[0][0] < now - 1.0:
            self._came.popleft()
        if self._is_full() or now >= self._busy_until:
            return
        many = sum(count for _, count in self._came) >= MANY
        self._full.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._longer if many else self._linger):
                await self._full.wait()

    def _is_full(self) -> bool:
        """Whether the next call would gain nothing by waiting."""
        return len(self._waiting) > 1 or len(self._waiting[0].items) >= self._most

    async def _send(self, batch: _Batch[K, V, R]) -> None:
        self._is_busy()
        try:
            results = await self._call(batch.items)
        except Exception as error:
            batch.done.set_exception(error)
            batch.done.exception()  # all who asked may have been cancelled
        except BaseException:
            batch.done.cancel()
            raise
        else:
            batch.done.set_result(results)
        self._is_busy()

    def _is_busy(self) -> None:
        self._busy_until = asyncio.get_running_loop().time() + _BUSY
