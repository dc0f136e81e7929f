"""One watch through the proxy: line by line from the apiserver to the watcher, with the faults between."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import aiohttp
from aiohttp import web

from .events import CutStream, End, EventRules, Faulty, Hang, Pause, Send, Step
from .rules import Call


class Cut(Exception):  # noqa: N818 - an order to the proxy
    """Cut the connection to the client."""


class Stream:
    """An open watch. `sent` counts the lines that its watcher got."""

    def __init__(self, call: Call, http: web.Request, rules: EventRules) -> None:
        self.call = call
        self.sent = 0
        self._http = http
        self._faulty = Faulty(call.kind, call.agent, rules)
        self._flows = asyncio.Event()
        self._flows.set()

    def cut(self) -> None:
        """Cut the connection now."""
        if self._http.transport is not None:
            self._http.transport.abort()

    def hang(self) -> None:
        """Nothing arrives any more, but the connection stays."""
        self._flows.clear()

    def resume(self) -> None:
        """After `hang`: what came meanwhile arrives now."""
        self._flows.set()

    async def begin(self, headers: dict[str, str]) -> web.StreamResponse:
        """The answer's head."""
        response = web.StreamResponse(headers=headers)
        await response.prepare(self._http)
        return response

    async def first(self, response: web.StreamResponse, lines: Iterable[bytes]) -> None:
        """Lines of our own before the apiserver's."""
        for line in lines:
            await self._do(response, self._faulty.take(line))

    async def pump(self, response: web.StreamResponse, source: aiohttp.StreamReader) -> None:
        """Until the apiserver ends the watch or the watcher leaves. Raises Cut."""
        lines = aiter(source)
        coming: asyncio.Task[bytes] = asyncio.ensure_future(_next(lines))
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=self._faulty.patience)
                if not done:
                    await self._do(response, self._faulty.flush())
                    continue
                line = coming.result()
                if not line or await self._do(response, self._faulty.take(line)):
                    await self._do(response, self._faulty.flush())
                    return
                coming = asyncio.ensure_future(_next(lines))
        finally:
            coming.cancel()

    async def _do(self, response: web.StreamResponse, steps: list[Step]) -> bool:
        """Whether the stream is to end."""
        for step in steps:
            match step:
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case CutStream():
                    raise Cut
                case End():
                    return True
                case Hang():
                    self.hang()
                    await self._flows.wait()
                case Send(line):
                    await self._flows.wait()
                    await response.write(line)
                    self.sent += 1
        return False


async def _next(lines: AsyncIterator[bytes]) -> bytes:
    """The next line, empty at the end."""
    return await anext(lines, b"")
