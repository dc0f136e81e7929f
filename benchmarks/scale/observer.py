"""One watch over all families, by which everything is timed: a family is Ready when its user can see so."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import orjson

from benchmarks.scale.api import Api

PATH = "/apis/agentmemory.dev/v1alpha1/topicfamilies"
WATCH_SECONDS = 3600


class NotMeasured(Exception):  # noqa: N818 - it ends the run
    """What should be measured did not come about."""


@dataclass
class Seen:
    """A family as the watch last showed it."""

    generation: int
    ready: bool
    reason: str
    message: str


class Observer:
    """`async with Observer(api)`: from then on every change is seen. Times are time.monotonic()."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._version = ""
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.seen: dict[str, Seen] = {}
        # (family, generation) -> when its Ready was first seen
        self.ready_at: dict[tuple[str, int], float] = {}
        self.gone_at: dict[str, float] = {}
        # Those of `ready_at` that somebody waits for.
        self.awaited: set[tuple[str, int]] = set()
        # Changes of a family that its status shows: how often it was told something new.
        self.told: Counter[str] = Counter()
        self.sample: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        listed = await self._api.get(f"{PATH}?limit=1")
        self._version = listed["metadata"]["resourceVersion"]
        self._task = asyncio.create_task(self._watch(), name="observer")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def until(self, done: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
        """Return once `done()`; looked at after every change. Raises NotMeasured when the time is up."""
        end = time.monotonic() + seconds
        while not done():
            if self._task is not None and self._task.done():
                self._task.result()
                raise NotMeasured("the observer's watch ended")
            left = end - time.monotonic()
            if left <= 0:
                raise NotMeasured(f"after {seconds:.0f} s: {what()}")
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, 5.0)):
                    await self._changed.wait()

    async def _watch(self) -> None:
        while True:
            query = f"?watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={self._version}"
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
            async with self._api.session.get(self._api.url(PATH + query), timeout=timeout) as answer:
                if answer.status != 200:
                    raise NotMeasured(f"the observer's watch was refused: {answer.status} {await answer.text()}")
                await self._read(answer)

    async def _read(self, answer: aiohttp.ClientResponse) -> None:
        rest = b""
        async for chunk in answer.content.iter_any():
            now = time.monotonic()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line:
                    self._take(orjson.loads(line), now)
            self._changed.set()

    def _take(self, event: dict[str, Any], now: float) -> None:
        obj, kind = event["object"], event["type"]
        if kind == "ERROR":
            raise NotMeasured(f"the observer's watch failed: {obj.get('message')}")
        metadata = obj["metadata"]
        self._version = metadata["resourceVersion"]
        if kind == "BOOKMARK":
            return
        key = f"{metadata['namespace']}/{metadata['name']}"
        if kind == "DELETED":
            self.gone_at[key] = now
            self.seen.pop(key, None)
            return
        self._look_at(key, obj, now)

    def _look_at(self, key: str, obj: dict[str, Any], now: float) -> None:
        generation, status = obj["metadata"].get("generation", 0), obj.get("status") or {}
        observed = status.get("observedGeneration", -1)
        conditions = status.get("conditions") or ()
        found: dict[str, str] = next((one for one in conditions if one["type"] == "Ready"), {})
        ready = found.get("status") == "True" and observed == generation
        reason, message = found.get("reason", ""), found.get("message", "")
        before = self.seen.get(key)
        if found and (before is None or (before.reason, before.message) != (reason, message)):
            self.told[key] += 1
        self.seen[key] = Seen(generation, ready, reason, message)
        if ready:
            self.ready_at.setdefault((key, generation), now)
            self.awaited.discard((key, generation))
            self.sample = self.sample or obj
