"""Waiting for what happens in other processes."""

import asyncio
from collections.abc import Awaitable, Callable

# Seconds: many times what is needed on an idle machine.
PATIENCE = 60.0


async def until(
    what: str, holds: Callable[[], Awaitable[bool]], seconds: float = PATIENCE, pause: float = 0.05
) -> None:
    """Wait for a condition. Fails with `what` when it does not come."""
    try:
        async with asyncio.timeout(seconds):
            while not await holds():  # noqa: ASYNC110 - what it waits for is in other processes
                await asyncio.sleep(pause)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s: {what}") from None
