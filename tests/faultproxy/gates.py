"""A gate that holds calls until a test opens it."""

import asyncio
from typing import Any


class Gate:
    """Closed until `release`; `held` lists what arrived at it, oldest first."""

    def __init__(self) -> None:
        self.held: list[Any] = []
        self._open = asyncio.Event()
        self._arrival = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether everything passes."""
        return self._open.is_set()

    async def pass_through(self, what: Any) -> None:
        """Wait until the gate opens."""
        self.held.append(what)
        self._arrival.set()
        await self._open.wait()

    async def arrived(self, number: int = 1, seconds: float = 60.0) -> Any:
        """The first of the held, once there are `number` of them. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.held) < number:
                self._arrival.clear()
                await self._arrival.wait()
        return self.held[0]

    def release(self) -> None:
        """Let all through, now and from now on."""
        self._open.set()
