"""A watch of either sort behind the fault proxy, with store, feed and resync: the stage of test_watches.py."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

from agentmemory.core.clock import SystemClock
from agentmemory.core.feed import Feed
from agentmemory.core.key import key_of
from agentmemory.core.queue import KeyedQueue
from agentmemory.core.store import Store, trim
from agentmemory.kube import watch_kopf
from agentmemory.kube.client import KubeClient
from agentmemory.kube.resync import Pace, Resync
from agentmemory.kube.watch import Target, Watch
from agentmemory.kube.watch_kopf import KopfWatch
from agentmemory.kube.watch_list import ListWatch, Tempo
from tests.faultproxy import FaultProxy
from tests.kube.objects import pool

Object = dict[str, Any]
Sort = Literal["kopf", "list"]
# The label of the ConfigMaps that are watched.
OURS = {"watched": "yes"}
# In place of the 70 and 75 seconds that the two wait for a silent stream.
SILENCE = 1.0


def make(sort: Sort, proxy: FaultProxy) -> Watch:
    """A watch that talks to the proxy and waits a second for a silent stream."""
    if sort == "kopf":
        return KopfWatch(proxy.configuration)

    async def connect() -> KubeClient:
        return KubeClient(await proxy.configuration(), manager="watch", login=proxy.configuration)

    return ListWatch(connect, Tempo(silence=SILENCE, pause=0.05))


def hurry(monkeypatch: Any) -> None:
    """Shorter waits in kopf, the same as those above."""
    made = watch_kopf._settings

    def settings() -> Any:
        found = made()
        found.watching.inactivity_timeout = SILENCE
        found.networking.error_backoffs = (0.05,) * 20
        return found

    monkeypatch.setattr(watch_kopf, "_settings", settings)
    monkeypatch.setattr(watch_kopf, "RELOGIN", 0.05)


class Rig:
    """BrokerPools of one namespace, seen by `direct` as they are and by `store` as the watch says."""

    def __init__(self, proxy: FaultProxy, direct: KubeClient, kube: KubeClient, namespace: str) -> None:
        self.proxy = proxy
        self.direct = direct
        self.namespace = namespace
        self.targets = [
            Target("BrokerPool", namespace),
            Target("ConfigMap", namespace, ",".join(map("=".join, OURS.items()))),
        ]
        self.clock = SystemClock()
        self.store = Store()
        self.feed = Feed(self.store)
        queue = KeyedQueue(self.clock)
        self.resync = Resync(
            kube, self.feed, queue, self.targets, frozenset({"BrokerPool"}), self.clock, Pace(retry=0.1)
        )
        self.events: list[tuple[str | None, str]] = []
        self.starts = 0
        self.task: asyncio.Task[None]

    async def make(self, *names: str, **metadata: Any) -> None:
        """Create pools."""
        for name in names:
            await self.direct.create(pool(self.namespace, name, **metadata))

    async def edit(self, name: str, replicas: int) -> None:
        """Change a pool's spec."""
        key = key_of(pool(self.namespace, name))
        assert await self.direct.merge_patch(key, {"spec": {"replicas": replicas}})

    async def delete(self, *names: str) -> None:
        """Delete pools."""
        for name in names:
            assert await self.direct.delete(key_of(pool(self.namespace, name)))

    async def agree(self, seconds: float = 20.0) -> None:
        """Wait until the store is complete, is what the server has, and the watch owes nothing."""
        items, _ = await self.direct.list("BrokerPool", self.namespace)
        wanted = {key_of(item): trim(item) for item in items}
        await self.until(
            lambda: (
                self.resync.synced.is_set()
                and {key_of(obj): obj for obj in self.store.list("BrokerPool")} == wanted
                and not self.feed.owed
            ),
            seconds,
        )

    async def until(self, holds: Callable[[], Any], seconds: float = 20.0) -> None:
        """Wait for a condition; fails at once when the watch has ended."""
        async with asyncio.timeout(seconds):
            while not holds():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.005)

    def event(self, kind: str, type_: str | None, obj: Object) -> None:
        """The watch's receiver."""
        if kind == "BrokerPool":
            self.events.append((type_, obj["metadata"]["name"]))
        self.feed.event(kind, type_, obj)

    def start(self, target: Target, version: str | None) -> None:
        """The watch's on_start."""
        self.starts += target.kind == "BrokerPool"
        self.resync.started(target, version)

    @asynccontextmanager
    async def watching(self, sort: Sort) -> AsyncIterator[None]:
        """Run the watch, and the lists that it asks for."""
        watch = make(sort, self.proxy).run(self.targets, self.event, self.start)
        self.task = asyncio.create_task(watch)
        lists = asyncio.create_task(self.resync.run())
        try:
            yield
        finally:
            self.task.cancel()
            lists.cancel()
            await asyncio.gather(self.task, lists, return_exceptions=True)
            gc.collect()  # what kopf has left behind is to be found here, not in another test
