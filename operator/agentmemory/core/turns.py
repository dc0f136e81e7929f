"""Work that nobody waits for, cut into short pieces of the event loop's time.

An answer for a hundred wakes a hundred tasks in one turn of the loop, and whatever else is ready waits for all of them:
an edit of a user's takes some twenty turns (its event, two calls to Kafka, its status), so it would wait twenty times.
"""

import asyncio
from collections import deque

AT_ONCE = 8
"""Tasks in one turn of the loop: some milliseconds of work."""


class Turns:
    """So many tasks go on in one turn of the loop, in the order in which they came. Belongs to one event loop."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_scheduled = False

    async def take(self) -> None:
        """Returns in one of the next turns of the loop."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._next, loop)
        await turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        left = self._at_once
        while self._waiting and left:
            turn = self._waiting.popleft()
            if not turn.done():  # given up
                turn.set_result(None)
                left -= 1
        self._is_scheduled = bool(self._waiting)
        if self._is_scheduled:
            loop.call_soon(self._next, loop)
