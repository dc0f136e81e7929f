"""Calls to the apiserver: in line, paced, counted, with new credentials when needed. Not: what they mean."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import aiohttp

from agentmemory.core.errors import Transient
from agentmemory.core.metrics import Metrics
from agentmemory.kube import streams
from agentmemory.kube.answers import Answer, Call, answer_of, refuse
from agentmemory.kube.errors import NotLeading
from agentmemory.kube.session import JSON, Request, Session, Sessions
from agentmemory.kube.traffic import PAUSE, Traffic

Object = dict[str, Any]


class Caller:
    """Belongs to one event loop. `guard` is asked right before every write is sent."""

    def __init__(
        self, sessions: Sessions, traffic: Traffic, metrics: Metrics, guard: Callable[[], bool], time_limit: float
    ) -> None:
        self._sessions = sessions
        self._traffic = traffic
        self._metrics = metrics
        self._guard = guard
        self._time_limit = time_limit
        self._timeout = _timeout(time_limit)

    async def close(self) -> None:
        """Close all connections."""
        await self._sessions.close()

    async def read(self, call: Call, query: dict[str, str] | None = None) -> Answer:
        """GET. Raises Transient when there is no answer."""
        return await self._answer(Request("GET", call, self._timeout, query=query or {}), self._traffic.reads)

    async def write(
        self, method: str, call: Call, body: Object, query: dict[str, str] | None = None, content_type: str = JSON
    ) -> Answer:
        """Anything else. Raises Transient when there is no answer (the effect is unknown then), NotLeading."""
        request = Request(method, call, self._timeout, body, query or {}, content_type)
        return await self._answer(request, self._traffic.writes)

    async def stream(
        self, call: Call, query: dict[str, str], seconds: float, silence: float | None
    ) -> AsyncGenerator[Object, None]:
        """The events of a watch. Raises what a refusal means, Transient when the stream breaks or stays silent."""
        timeout = _timeout(seconds + self._time_limit, silence)
        await self._traffic.passable(call)
        session = self._sessions.current
        code = "error"
        try:
            async with self._sessions.exchange(session, Request("GET", call, timeout, query=query)) as response:
                code = str(response.status)
                if response.status != 200:
                    answer = answer_of(response, await response.read())
                    self._heed(answer)
                    if answer.code == 401:
                        await self._sessions.renew(session)
                    refuse(call, answer)
                async with aclosing(streams.lines(response.content)) as lines:
                    async for line in lines:
                        yield streams.parse(line)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(call, error) from error
        finally:
            self._metrics.kube_calls.labels(call.verb, call.kind, code).inc()

    async def _answer(self, request: Request, line: asyncio.Semaphore) -> Answer:
        """The answer, after as many tries as pauses and new credentials make worth while."""
        waited = 0.0
        async with line:
            while True:
                waited = await self._traffic.passable(request.call, waited)
                # As late as can be: the Lease may have gone while we stood in line.
                if request.method != "GET" and not self._guard():
                    raise NotLeading(
                        "NotLeading", f"{request.call} was held back: this process does not hold its Lease"
                    )
                session = self._sessions.current
                answer = await self._exchange(session, request)
                self._heed(answer)
                if answer.code == 401 and await self._sessions.renew(session):
                    continue
                if not (_undone(request, answer) and self._traffic.is_worth_waiting(waited)):
                    return answer

    async def _exchange(self, session: Session, request: Request) -> Answer:
        code = "error"
        try:
            async with self._sessions.exchange(session, request) as response:
                answer = answer_of(response, await response.read())
            code = str(answer.code)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(request.call, error) from error
        finally:
            self._metrics.kube_calls.labels(request.call.verb, request.call.kind, code).inc()
        return answer

    def _heed(self, answer: Answer) -> None:
        if _puts_off(answer):
            self._traffic.hold(max(PAUSE, answer.retry_after or 0.0))


def _puts_off(answer: Answer) -> bool:
    """Whether the apiserver asks everybody to come later."""
    return answer.code in (429, 503) and answer.retry_after is not None


def _undone(request: Request, answer: Answer) -> bool:
    """Whether the call was put off and had no effect for sure: a 503 may come from a proxy after the effect."""
    return _puts_off(answer) and (answer.code == 429 or request.method == "GET")


def _timeout(total: float, silence: float | None = None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total, sock_connect=min(total, 5.0), sock_read=silence)


def _unreachable(call: Call, error: Exception) -> Transient:
    what = "did not answer in time" if isinstance(error, TimeoutError) else "cannot be reached"
    return Transient("ApiserverUnreachable", f"{call}: the apiserver {what}: {error or type(error).__name__}")
