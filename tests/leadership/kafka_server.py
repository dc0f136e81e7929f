"""A FakeKafka that several processes share: `kafka_client.RemotePool` in each of them calls it over loopback.

    async with KafkaServer(FakeKafka()) as server:
        gate = server.hold(lambda call: call.method == "create_topics" and "trail" in call.text)

A call that was sent has its effect, even if its sender is dead by then.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

from agentmemory.core.errors import OperatorError
from tests.fakekafka import FakeAdmin, FakeKafka
from tests.faultproxy import Gate, Hold
from tests.faultproxy.rules import Rules

from .wire import pack, unpack


@dataclass(frozen=True)
class KafkaCall:
    """One admin call of one replica; `text` is all of its arguments."""

    replica: str
    method: str
    text: str


class KafkaServer:
    """See the module's head. `calls` lists what arrived, `done` what had its effect."""

    def __init__(self, kafka: FakeKafka) -> None:
        self.kafka = kafka
        self.calls: list[KafkaCall] = []
        self.done: list[KafkaCall] = []
        self.url = ""
        self._rules: Rules[KafkaCall, Hold] = Rules()
        self._working: set[asyncio.Task[bytes]] = set()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=32 * 2**20)
        app.router.add_post("/{replica}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in [*self._working]:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    def hold(self, match: Callable[[KafkaCall], bool]) -> Gate:
        """The first call that matches waits at the gate before its effect."""
        gate = Gate()
        self._rules.add(match, Hold(gate))
        return gate

    async def _serve(self, http: web.Request) -> web.Response:
        method, args, kwargs, credentials = unpack(await http.read())
        call = KafkaCall(http.match_info["replica"], method, f"{args} {kwargs}")
        self.calls.append(call)
        task = asyncio.create_task(self._do(call, args, kwargs, credentials))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return web.Response(body=await asyncio.shield(task))

    async def _do(self, call: KafkaCall, args: Any, kwargs: Any, credentials: Any) -> bytes:
        rule = self._rules.decide(call)
        if rule is not None:
            await rule.action.gate.pass_through(call)
        admin = FakeAdmin(self.kafka, credentials)
        try:
            answer = (True, await getattr(admin, call.method)(*args, **kwargs))
        except OperatorError as error:
            answer = (False, error)
        self.done.append(call)
        return pack(answer)
