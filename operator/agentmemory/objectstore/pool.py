"""One store a location, made when asked for, its connections closed when nobody asks any more."""

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmemory.objectstore.endpoints import Rules
from agentmemory.objectstore.model import Location

if TYPE_CHECKING:
    from agentmemory.objectstore.boto import BotoStore

THREADS = 8
IDLE = 3600.0
"""Seconds after which a location that nobody asked for is dropped; above every resync period."""


class StorePool:
    """Gives out stores. Must be closed at the end: it holds threads and connections.

    boto3 is imported when the first store is made: a platform without buckets does not pay its memory.
    """

    def __init__(self, rules: Rules, idle: float = IDLE, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules
        self._idle = idle
        self._clock = clock
        self._stores: dict[Location, BotoStore] = {}
        self._used: dict[Location, float] = {}
        self._executor: ThreadPoolExecutor | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def get(self, location: Location) -> "BotoStore":
        """The store at a location. Invalid("EndpointNotAllowed") when nobody may go there."""
        if location.endpoint is not None:
            self._rules.check(location.endpoint)
        now = self._clock()
        self._used[location] = now
        if location not in self._stores:
            self._stores[location] = self._make(location)
        self._drop_unused(now)
        return self._stores[location]

    async def close(self) -> None:
        """Ends all connections; calls under way may end in their own time."""
        for location in list(self._stores):
            await self._stores.pop(location).close()
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        if self._folder is not None:
            self._folder.cleanup()

    def _make(self, location: Location) -> "BotoStore":
        from agentmemory.objectstore import boto, caller, client

        if self._executor is None or self._folder is None:
            self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
            self._folder = tempfile.TemporaryDirectory(prefix="agentmemory-s3-")
        folder = Path(self._folder.name)

        def make() -> Any:
            return client.make(location, self._rules, folder)

        return boto.BotoStore(caller.Caller(location, make), self._executor)

    def _drop_unused(self, now: float) -> None:
        for location in [one for one, used in self._used.items() if now - used > self._idle]:
            del self._used[location]
            self._stores.pop(location).drop()
