"""The lists of everything watched: they complete the store, repair what the watch missed, and find a dead watch.

Per target:  may we list it? ──► the stream is set up ──► list, compare ──► synced ──► list every 0.7 to 0.8 intervals
                                        │                  ▲ at once again whenever a stream starts from scratch
                                        └── all came by it: synced without a list
Apart from that, no more often than once an interval: every object of a reconciled kind is queued (the replay), so that
what was changed behind our back outside Kubernetes is put right too.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from agentmemory.core.clock import Clock
from agentmemory.core.errors import Denied, OperatorError, Transient
from agentmemory.core.feed import Feed, Listing
from agentmemory.core.key import key_of
from agentmemory.core.queue import KeyedQueue, Priority
from agentmemory.kube.client import KubeClient
from agentmemory.kube.watch import Target, WatchEnded

log = structlog.get_logger(__name__)

# So many objects are queued before everybody else has a turn, and come due together: then they share their calls.
TURN = 250


@dataclass(frozen=True)
class Pace:
    """Seconds. A dead watch is noticed within 0.8 * `interval` + `grace`."""

    interval: float = 120.0
    # How long the watch may lag behind a list.
    grace: float = 20.0
    # Over how long the reconciles of one replay are spread.
    spread: float = 10.0
    # The pause before another try of a list that failed.
    retry: float = 5.0


@dataclass
class Resync:
    """`available`, then run the watch with `started` as its on_start beside `run`; `synced` is set once."""

    kube: KubeClient
    feed: Feed
    queue: KeyedQueue
    targets: Sequence[Target]
    kinds: frozenset[str]  # those with a reconciler of their own
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    rng: random.Random = field(default_factory=random.Random)
    synced: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._unsynced = dict.fromkeys(self.targets)
        # The version of each target's last complete list.
        self._versions: dict[Target, str] = {}
        self._started = {target: asyncio.Event() for target in self.targets}
        # Targets that the stream has completed, so that the first list can wait.
        self._complete: set[Target] = set()

    async def available(self) -> None:
        """Return when every kind can be listed; until then log what stands in the way, once per reason."""
        told: set[str] = set()
        while not all([await self._may_list(target, told) for target in self.targets]):
            await self.clock.sleep(self.pace.retry)

    def started(self, target: Target, version: str | None = None) -> None:
        """The target's stream was set up from scratch: compare it with a list now.

        Not so when an empty store has just been filled by it with all that existed at `version`.
        """
        if version is not None and target in self._unsynced:
            self._versions[target] = version
            self._complete.add(target)
            self._mark(target)
        self._started[target].set()

    def waiting_for(self) -> str | None:
        """A kind whose first list is still to come, None when the store is complete."""
        return next((f"the watch of {target.kind}" for target in self._unsynced), None)

    async def run(self) -> None:
        """List every target again and again. Raises WatchEnded when the watch owes a change for too long."""
        async with asyncio.TaskGroup() as group:
            for target in self.targets:
                group.create_task(self._repeat(target), name=f"resync-{target.kind}")
            group.create_task(self._replay(), name="resync-replay")
            group.create_task(self._judge(), name="resync-judge")

    async def once(self, target: Target) -> None:
        """One list, compared with the store page by page."""
        listing = Listing(self.feed, target.kind, target.namespace)
        version = ""
        async for page in self.kube.pages(target.kind, target.namespace, target.selector):
            listing.page(page.items, self.clock.monotonic())
            version = page.version
        differed = listing.end(version)
        self._versions[target] = version
        if target in self._unsynced:
            self._mark(target)
        elif differed:
            log.info("resync found changes", kind=target.kind, changes=len(differed), first=str(differed[0]))

    async def catch_up(self, version: str) -> None:
        """Return when every target's list is as new as `version` at least.

        A new leader calls it with the version of its Lease: an apiserver that serves old lists, or a watch that lags,
        would else have it undo what the leader before it did (give access back that was taken away).
        """
        await asyncio.gather(*(self._catch_up(target, version) for target in self.targets))

    async def _catch_up(self, target: Target, version: str) -> None:
        while not is_as_new(self._versions.get(target, ""), version):
            try:
                await self.once(target)
                if is_as_new(self._versions[target], version):
                    return
                log.warning("the list is older than our Lease", kind=target.kind, list=self._versions[target])
            except OperatorError as error:
                log.warning("not yet up to date", kind=target.kind, reason=error.reason, message=error.message)
            await self.clock.sleep(self.pace.retry)

    def _mark(self, target: Target) -> None:
        del self._unsynced[target]
        if not any(other.kind == target.kind for other in self._unsynced):
            self.feed.store.mark_synced(target.kind)
        if not self._unsynced:
            self.synced.set()

    async def _replay(self) -> None:
        await self.synced.wait()
        while True:
            # Never more often than once an interval, and never in step with other processes.
            await self.clock.sleep(self.pace.interval * self.rng.uniform(1.0, 1.1))
            for kind in self.kinds:
                await self._queue_all(kind)

    async def _queue_all(self, kind: str) -> None:
        after = 0.0
        for number, obj in enumerate(self.feed.store.list(kind)):
            if number % TURN == 0:
                after = self.rng.uniform(0, self.pace.spread)
                await asyncio.sleep(0)
            self.queue.add(key_of(obj), Priority.RESYNC, after)

    async def _repeat(self, target: Target) -> None:
        started = self._started[target]
        await started.wait()
        while True:
            started.clear()
            try:
                if target in self._complete:
                    self._complete.discard(target)
                else:
                    await self.once(target)
                # Never in step with other kinds or other processes.
                pause = self.pace.interval * self.rng.uniform(0.7, 0.8)
            except OperatorError as error:
                # Soon again: until a list succeeds a dead watch stays unnoticed.
                pause = self._retry(error)
                log.warning(
                    "resync failed", kind=target.kind, reason=error.reason, message=error.message, retry_in=pause
                )
            await self._sleep_or(started, pause)

    def _retry(self, error: OperatorError) -> float:
        asked = error.retry_after if isinstance(error, Transient) else None
        return max(self.pace.retry, asked or 0.0) * self.rng.uniform(1.0, 1.2)

    async def _sleep_or(self, event: asyncio.Event, seconds: float) -> None:
        waits = [asyncio.ensure_future(self.clock.sleep(seconds)), asyncio.ensure_future(event.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _judge(self) -> None:
        while True:
            await self.clock.sleep(self.pace.grace / 10)
            overdue = self.feed.overdue(self.clock.monotonic(), self.pace.grace)
            if overdue:
                raise WatchEnded(
                    "WatchDead",
                    f"the watch has missed {len(overdue)} changes for more than {self.pace.grace:g} s,"
                    f" for instance of {overdue[0]}; a new process starts with a new watch",
                )

    async def _may_list(self, target: Target, told: set[str]) -> bool:
        try:
            await self.kube.probe(target.kind, target.namespace, target.selector)
        except OperatorError as error:
            if f"{target} {error}" not in told:
                told.add(f"{target} {error}")
                log.error("cannot start yet", reason=error.reason, message=_advice(error), retry_in=self.pace.retry)
            return False
        return True


def is_as_new(version: str, other: str) -> bool:
    """Whether a resourceVersion is not older than another one (KEP-5504); True for a form that cannot be compared."""
    if not other.isdigit() or (version and not version.isdigit()):
        return True
    return bool(version) and int(version) >= int(other)


def _advice(error: OperatorError) -> str:
    if isinstance(error, Denied):
        return f"{error.message}; the operator's role lacks this right: install the chart's roles, or add it"
    return error.message
