"""Something in memory that several processes share: each of them calls it over loopback (`remote.py`).

    async with KafkaServer(FakeKafka()) as server:
        gate = server.hold(lambda call: call.method == "create_topics" and "trail" in call.text)

A call that was sent has its effect, even if its sender is dead by then.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

from agentmemory.core.errors import OperatorError
from e2e.stand.ports import free_ports
from tests.faultproxy import Gate, Hold
from tests.faultproxy.rules import Rules

from .wire import pack, unpack


@dataclass(frozen=True)
class SharedCall:
    """One call of one replica; `text` is all of its arguments."""

    replica: str
    method: str
    text: str


class SharedServer(ABC):
    """See the module's head. `calls` lists what arrived, `done` what had its effect."""

    def __init__(self) -> None:
        self.calls: list[SharedCall] = []
        self.done: list[SharedCall] = []
        self.url = ""
        self._rules: Rules[SharedCall, Hold] = Rules()
        self._working: set[asyncio.Task[bytes]] = set()
        self._runner: web.AppRunner | None = None

    @abstractmethod
    def target(self, way: Any) -> Any:
        """What has the methods, for a caller who comes by this way (credentials, a location)."""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=32 * 2**20)
        app.router.add_post("/{replica}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        (port,) = free_ports(1)
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in [*self._working]:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    def hold(self, match: Callable[[SharedCall], bool]) -> Gate:
        """The first call that matches waits at the gate before its effect."""
        gate = Gate()
        self._rules.add(match, Hold(gate))
        return gate

    async def _serve(self, http: web.Request) -> web.Response:
        method, args, kwargs, way = unpack(await http.read())
        call = SharedCall(http.match_info["replica"], method, f"{args} {kwargs}")
        self.calls.append(call)
        task = asyncio.create_task(self._do(call, args, kwargs, way))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return web.Response(body=await asyncio.shield(task))

    async def _do(self, call: SharedCall, args: Any, kwargs: Any, way: Any) -> bytes:
        rule = self._rules.decide(call)
        if rule is not None:
            await rule.action.gate.pass_through(call)
        try:
            answer = (True, await getattr(self.target(way), call.method)(*args, **kwargs))
        except OperatorError as error:
            answer = (False, error)
        self.done.append(call)
        return pack(answer)
