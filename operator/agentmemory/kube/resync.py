"""The periodic list of everything watched: repairs what the watch missed, and finds out when the watch is dead."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from agentmemory.core.clock import Clock
from agentmemory.core.errors import Denied, OperatorError
from agentmemory.core.feed import Feed
from agentmemory.core.key import key_of
from agentmemory.core.queue import KeyedQueue, Priority
from agentmemory.core.store import Object
from agentmemory.kube.client import KubeClient
from agentmemory.kube.errors import NotInstalled
from agentmemory.kube.watch import Target, WatchEnded

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Pace:
    """Seconds. A dead watch is noticed within 0.8 * `interval` + `grace`."""

    interval: float = 120.0
    # How long the watch may lag behind a list.
    grace: float = 20.0
    # The second list comes early: what vanished between the first one and the start of the watch.
    early: float = 15.0
    # Over how long the reconciles of one list are spread.
    spread: float = 10.0
    # The pause before another try of the first lists.
    retry: float = 5.0


@dataclass
class Resync:
    """`first` until it returns, then start the watch and `run`."""

    kube: KubeClient
    feed: Feed
    queue: KeyedQueue
    targets: Sequence[Target]
    kinds: frozenset[str]  # those with a reconciler of their own
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    rng: random.Random = field(default_factory=random.Random)

    async def first(self) -> None:
        """Fill the store. Tries until every list succeeds, and logs what stands in the way once per reason."""
        told: set[str] = set()
        while True:
            lists = [(target, await self._try(target, told)) for target in self.targets]
            if all(found is not None for _, found in lists):
                break
            await self.clock.sleep(self.pace.retry)
        for target, found in lists:
            if found is not None:
                self._take(target, *found)
        for target in self.targets:
            self.feed.store.mark_synced(target.kind)

    async def run(self) -> None:
        """List every target again and again. Raises WatchEnded when the watch owes a change for too long."""
        async with asyncio.TaskGroup() as group:
            for target in self.targets:
                group.create_task(self._repeat(target), name=f"resync-{target.kind}")
            group.create_task(self._judge(), name="resync-judge")

    async def once(self, target: Target) -> None:
        """One list, compared with the store; every object of a reconciled kind is queued, spread over a while."""
        items, version = await self._list(target)
        self._take(target, items, version)
        if target.kind in self.kinds:
            for obj in items:
                self.queue.add(key_of(obj), Priority.RESYNC, self.rng.uniform(0, self.pace.spread))

    async def _repeat(self, target: Target) -> None:
        pause = self.rng.uniform(0.5, 1.0) * self.pace.early
        while True:
            await self.clock.sleep(pause)
            try:
                await self.once(target)
            except OperatorError as error:
                log.warning("resync failed", kind=target.kind, reason=error.reason, message=error.message)
            # Never in step with other kinds or other processes.
            pause = self.pace.interval * self.rng.uniform(0.7, 0.8)

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

    async def _try(self, target: Target, told: set[str]) -> tuple[list[Object], str] | None:
        try:
            return await self._list(target)
        except OperatorError as error:
            if f"{target.kind} {error}" not in told:
                told.add(f"{target.kind} {error}")
                log.error("cannot start yet", reason=error.reason, message=_advice(error), retry_in=self.pace.retry)
            return None

    async def _list(self, target: Target) -> tuple[list[Object], str]:
        return await self.kube.list(target.kind, target.namespace, target.selector)

    def _take(self, target: Target, items: list[Object], version: str) -> None:
        known = self.feed.store.synced(target.kind)
        repaired = self.feed.listed(target.kind, items, version, self.clock.monotonic(), target.namespace)
        if repaired and known:
            log.info("resync found changes", kind=target.kind, changes=len(repaired), first=str(repaired[0]))


def _advice(error: OperatorError) -> str:
    if isinstance(error, Denied):
        return f"{error.message}; the operator's role lacks this right: install the chart's roles, or add it"
    if isinstance(error, NotInstalled):
        return error.message
    return f"{error.message}; trying again"
