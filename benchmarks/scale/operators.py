"""The operator's processes together, asked over their own ports."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.scale.observer import NotMeasured
from benchmarks.scale.process import Operator
from benchmarks.scale.procfs import Usage

START_LIMIT = 120.0
LOOK = 0.1


@dataclass(frozen=True)
class Numbers:
    """What the processes say about themselves, added up."""

    waiting: float
    delayed: float
    running: float
    oldest: float
    families: float
    leading: int

    @property
    def idle(self) -> bool:
        return not self.waiting and not self.running


class Operators:
    """All processes of the operator together."""

    def __init__(self, operators: list[Operator]) -> None:
        self.all = operators
        self._session: aiohttp.ClientSession | None = None
        # CPU seconds of processes that are no more.
        self._spent = 0.0

    async def __aenter__(self) -> Operators:
        self._session = aiohttp.ClientSession(trust_env=False, timeout=aiohttp.ClientTimeout(total=30))
        try:
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await asyncio.gather(*(operator.stop() for operator in self.all))
        finally:
            self.kill()
            if self._session is not None:
                await self._session.close()

    async def start(self) -> None:
        """Start all and wait until each is ready (its stores are complete)."""
        for operator in self.all:
            operator.start()
        await asyncio.gather(*(self._ready(operator) for operator in self.all))

    async def stop(self) -> None:
        self._spent = self.usage().cpu
        await asyncio.gather(*(operator.stop() for operator in self.all))

    def kill(self) -> None:
        for operator in self.all:
            operator.kill()

    def send(self, number: signal.Signals) -> None:
        for operator in self.all:
            operator.send(number)

    def usage(self) -> Usage:
        found = [operator.usage() for operator in self.all]
        return Usage(
            self._spent + sum(one.cpu for one in found), sum(one.rss for one in found), sum(one.peak for one in found)
        )

    async def numbers(self) -> Numbers:
        """One look at all processes' /metrics."""
        found = [await self._metrics(operator) for operator in self.all]

        def total(name: str) -> float:
            return sum(metrics.get(name, 0.0) for metrics in found)

        return Numbers(
            total("agentmemory_queue_depth"),
            total("agentmemory_queue_delayed"),
            total("agentmemory_reconciles_running"),
            max(metrics.get("agentmemory_queue_oldest_seconds", 0.0) for metrics in found),
            total("families"),
            int(total("agentmemory_lease_held")),
        )

    async def idle(self, seconds: float, quiet: float = 2.0) -> None:
        """Return when no queue had anything to do for `quiet` seconds; NotMeasured when the time is up."""
        end = time.monotonic() + seconds
        since: float | None = None
        before = -1.0
        while since is None or time.monotonic() < since + quiet:
            found = await self.numbers()
            still = found.idle and found.families == before
            before, since = found.families, (since or time.monotonic()) if still else None
            if time.monotonic() > end:
                raise NotMeasured(f"the operator is not idle after {seconds:.0f} s: {found}")
            await asyncio.sleep(0.25)

    async def _metrics(self, operator: Operator) -> dict[str, float]:
        operator.check()
        text = (await self._get(operator, "/metrics"))[1]
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "agentmemory_reconciles_total" and sample.labels["kind"] == "TopicFamily":
                    found["families"] = found.get("families", 0.0) + sample.value
                elif not sample.labels:
                    found[sample.name] = sample.value
        return found

    async def _ready(self, operator: Operator) -> None:
        end = time.monotonic() + START_LIMIT
        while True:
            operator.check()
            try:
                if (await self._get(operator, "/readyz"))[0] == 200:
                    return
            except aiohttp.ClientConnectionError:
                pass  # it does not listen yet
            if time.monotonic() > end:
                raise NotMeasured(f"the operator ({operator.role}) is not ready after {START_LIMIT:.0f} s")
            await asyncio.sleep(LOOK)

    async def _get(self, operator: Operator, path: str) -> tuple[int, str]:
        if self._session is None:
            raise RuntimeError("Operators is not open")
        async with self._session.get(f"http://127.0.0.1:{operator.port}{path}") as answer:
            return answer.status, await answer.text()
