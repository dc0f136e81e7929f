"""Work that nobody waits for, cut into short pieces of the event loop's time.

An answer for a hundred wakes a hundred tasks in one turn of the loop, and whatever else is ready waits for all of them:
an edit of a user's takes some twenty turns (its event, two calls to Kafka, its status), so it would wait twenty times.

And while users wait for something, it leaves the machine to them: the API server that takes their edits, and Kafka, may
share its cores. On two cores with all of them, 25 edits a second during a replay at full speed took 3.1 s (p99), of
which 1.3 s passed before the operator heard of them. Whose own turn a user waits for has it at once.
"""

import asyncio
from collections import deque
from collections.abc import Hashable

AT_ONCE = 8
"""Tasks in one turn of the loop: some 5 ms of work."""
PAUSE = 0.06
"""Seconds between two turns while users wait: some 130 families a second pass, ten thousand in 75 s."""
USERS_WAIT = 1.0
"""So many seconds after a user asked for something, the next one may be about to."""


class Turns:
    """So many tasks go on in one turn of the loop, in the order in which they came. Belongs to one event loop."""

    def __init__(self, at_once: int = AT_ONCE, pause: float = PAUSE) -> None:
        """`pause`: seconds between two turns while users wait."""
        self._at_once = at_once
        self._pause = pause
        self._users_until = float("-inf")
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._by_key: dict[Hashable, asyncio.Future[None]] = {}
        self._is_scheduled = False

    def user_asked(self) -> None:
        """Somebody waits for something else."""
        self._users_until = asyncio.get_running_loop().time() + USERS_WAIT

    async def take(self, key: Hashable) -> None:
        """Returns in one of the next turns of the loop, or after `hurry` for this key."""
        loop = asyncio.get_running_loop()
        turn = self._by_key[key] = loop.create_future()
        self._waiting.append(turn)
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._next, loop)
        try:
            await turn
        finally:
            if self._by_key.get(key) is turn:
                del self._by_key[key]

    def hurry(self, key: Hashable) -> None:
        """Something new is to be done about this one: it goes on now, so that the new can begin."""
        turn = self._by_key.get(key)
        if turn is not None and not turn.done():
            turn.set_result(None)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        left = self._at_once
        while self._waiting and left:
            turn = self._waiting.popleft()
            if not turn.done():  # given up
                turn.set_result(None)
                left -= 1
        self._is_scheduled = bool(self._waiting)
        if self._is_scheduled and loop.time() < self._users_until:
            loop.call_later(self._pause, self._next, loop)
        elif self._is_scheduled:
            loop.call_soon(self._next, loop)
