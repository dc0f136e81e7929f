"""List and watch over our own client: one stream per target, the events parsed once and handed on, nothing else.

    from scratch ──► everything that exists ──► complete: on_start ──► changes ─┐
         ▲                                                                      │ ended, broken, silent: after a
         └── 410, or the apiserver will not go on from where we were ◄──────────┘ pause go on at the last version

No task, queue or copy per object. Whether the streams as a whole are alive is for the resync to find out.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import structlog

from agentmemory.core.errors import Invalid, OperatorError, Transient
from agentmemory.kube.client import KubeClient, is_complete
from agentmemory.kube.errors import NotInstalled, Stale
from agentmemory.kube.watch import OnEvent, OnStart, Target, WatchEnded

log = structlog.get_logger(__name__)

# The most between two streams when nothing is wrong (seconds): a proxy that ends them at once must not make us spin.
BREATH = 0.2


@dataclass(frozen=True)
class Tempo:
    """Seconds. A stream is ended by the apiserver after `least` to `most` of them."""

    least: float = 300.0
    most: float = 600.0
    # The apiserver sends a bookmark a minute: a stream that is silent for longer hangs.
    silence: float = 75.0
    # The pause after the first failure in a row, doubled by each further one up to the longest; jitter halves it.
    pause: float = 0.5
    longest: float = 10.0


class ListWatch:
    """Implements kube.watch.Watch. `connect` gives the client of all streams, which is closed at the end."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[KubeClient]],
        tempo: Tempo | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._connect = connect
        self._tempo = tempo or Tempo()
        self._rng = rng or random.Random()  # noqa: S311 - for jitter

    async def run(self, targets: Sequence[Target], on_event: OnEvent, on_start: OnStart) -> None:
        """Stream until cancelled. Raises WatchEnded when a receiver failed."""
        async with await self._connect() as kube:
            streams = [Stream(kube, target, on_event, on_start, self._tempo, self._rng) for target in targets]
            try:
                async with asyncio.TaskGroup() as group:
                    for stream in streams:
                        group.create_task(stream.run(), name=f"watch-{stream.target.kind}")
            except ExceptionGroup as errors:
                raise _ended(errors.exceptions[0]) from errors


class Stream:
    """One target's stream, set up again and again."""

    def __init__(
        self,
        kube: KubeClient,
        target: Target,
        on_event: OnEvent,
        on_start: OnStart,
        tempo: Tempo,
        rng: random.Random,
    ) -> None:
        self.target = target
        self._kube = kube
        self._on_event = on_event
        self._on_start = on_start
        self._tempo = tempo
        self._rng = rng
        # Where to go on; None: from scratch.
        self._version: str | None = None
        self._lists = False
        self._failures = 0
        # Whether anything was delivered by an earlier beginning: it may be gone since, and nobody would tell.
        self._stained = False

    async def run(self) -> None:
        """Stream until cancelled. Raises only what the receivers raise."""
        while True:
            try:
                if self._version is None:
                    await self._begin()
                else:
                    await self._follow(initial=False)
                pause = self._rng.uniform(0.0, BREATH)
            except WatchEnded:
                raise
            except OperatorError as error:
                pause = self._after(error)
            await asyncio.sleep(pause)

    async def _begin(self) -> None:
        """From scratch: streamed, or listed where the apiserver does not stream what exists."""
        if not self._lists:
            try:
                await self._follow(initial=True)
            except Invalid as error:
                log.info("the apiserver does not stream what exists: listing it", message=error.message)
                self._lists = True
            return
        target = self.target
        items, version = await self._kube.list(target.kind, target.namespace, target.selector)
        stained, self._stained = self._stained, True
        for item in items:
            self._deliver(None, item)
        self._go_on(version, stained=stained)

    async def _follow(self, *, initial: bool) -> None:
        """One watch, to its end."""
        target, tempo = self.target, self._tempo
        events = self._kube.watch(
            target.kind,
            target.namespace,
            self._version,
            target.selector,
            seconds=round(self._rng.uniform(tempo.least, tempo.most)),
            initial=initial,
            silence=tempo.silence,
        )
        stained = self._stained
        async with aclosing(events):
            async for type_, obj in events:
                self._stained = True
                if type_ != "BOOKMARK":
                    self._deliver(None if initial and type_ == "ADDED" else type_, obj)
                elif initial and is_complete(obj):
                    initial = False
                    self._go_on(obj["metadata"]["resourceVersion"], stained=stained)
                if not initial:
                    # What exists comes in no order: its versions are no place to go on from.
                    self._version = obj["metadata"].get("resourceVersion") or self._version
                    self._failures = 0
        if initial:
            raise Transient("CutOff", f"watch {target.kind}: the stream ended before everything that exists had come")

    def _deliver(self, type_: str | None, obj: dict[str, Any]) -> None:
        try:
            self._on_event(self.target.kind, type_, obj)
        except Exception as error:
            # Going on would leave a store that is wrong.
            raise _ended(error) from error

    def _go_on(self, version: str, *, stained: bool) -> None:
        self._version = version
        self._on_start(self.target, None if stained else version)

    def _after(self, error: OperatorError) -> float:
        """What a failure means for the next try; the seconds until then."""
        self._failures += 1
        if isinstance(error, Stale | NotInstalled) or not isinstance(error, Transient):
            # Too old, or the kind or our rights were away for a while.
            self._version = None
        pause = min(self._tempo.longest, self._tempo.pause * 2.0 ** (self._failures - 1))
        pause *= self._rng.uniform(0.5, 1.0)
        if isinstance(error, Stale) and self._failures == 1:
            pause = 0.0
        if isinstance(error, Transient) and error.retry_after is not None:
            pause += error.retry_after
        level = log.debug if self._failures < 3 else log.warning
        level("the watch goes on", kind=self.target.kind, reason=error.reason, message=error.message, retry_in=pause)
        return pause


def _ended(error: Exception) -> WatchEnded:
    if isinstance(error, WatchEnded):
        return error
    return WatchEnded("WatchEnded", f"the watch ended: {type(error).__name__}: {error}")
