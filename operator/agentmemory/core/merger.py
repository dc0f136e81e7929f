"""Many asks, one call: what comes in while a call is under way goes out together in the next one.

    ask ─► alone? ──yes──► call at once                      (a lone ask never waits)
             │no
             └─► wait for the call under way ─► pause for `linger`, unless `most` items are together ─► one call

Every ask gets the results of its own keys; what the call raises, all its asks raise. An ask that was given up while it
waited is not sent; one that is under way is not called back. Belongs to one event loop; not thread-safe.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
R = TypeVar("R")

LINGER = 0.02
"""Seconds for which a busy merger collects before it calls: small calls cost the other side as much as large ones."""
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
    ) -> None:
        self._call = call
        self._most = most
        self._linger = linger
        self._waiting: deque[_Batch[K, V, R]] = deque()
        self._runner: asyncio.Task[None] | None = None
        self._busy_until = float("-inf")

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
                if not self._is_full() and asyncio.get_running_loop().time() < self._busy_until:
                    await asyncio.sleep(self._linger)
                if self._waiting:
                    await self._send(self._waiting.popleft())
        finally:
            self._runner = None
            for batch in self._waiting:  # only when the process goes down
                batch.done.cancel()

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
