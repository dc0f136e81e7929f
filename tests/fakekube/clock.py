"""A clock that stands still until a test moves it."""

import asyncio
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """Implements core.clock.Clock. `await clock.advance(5)` lets five seconds pass."""

    def __init__(self) -> None:
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        return 1000.0 + self._elapsed

    def now(self) -> datetime:
        return START + timedelta(seconds=self._elapsed)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper = (self._elapsed + seconds, asyncio.get_running_loop().create_future())
        self._sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self._sleepers.remove(sleeper)

    @property
    def sleeping(self) -> int:
        """How many tasks sleep on this clock."""
        return len(self._sleepers)

    def jump(self, seconds: float) -> None:
        """Let time pass without giving anybody a chance to run (a frozen process)."""
        self._elapsed += seconds

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, waking sleepers in the order of their deadlines."""
        target = self._elapsed + seconds
        while due := [sleeper for sleeper in self._sleepers if sleeper[0] <= target and not sleeper[1].done()]:
            deadline, future = min(due, key=lambda sleeper: sleeper[0])
            self._elapsed = max(self._elapsed, deadline)
            future.set_result(None)
            await settle()
        self._elapsed = target
        await settle()


async def settle(rounds: int = 20) -> None:
    """Let every task that can run do so, without real time passing."""
    for _ in range(rounds):
        await asyncio.sleep(0)
