"""The proxy itself. It lives in the test's event loop; its state is connections, counts and the rules of the test."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
import yaml
from aiohttp import web
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from agentmemory.kube.config import from_file
from agentmemory.kube.connector import Connector
from agentmemory.kube.resources import RESOURCES
from tests.fakekube.client import configuration_for

from .answers import REASONS, answer_headers, json_answer, request_headers, without_initial_events
from .calls import call_of
from .counts import Counts
from .events import EventRules
from .gates import Gate
from .listing import listed
from .rules import Action, Call, Delay, DropAfter, DropBefore, Hold, Refuse, Rule, Rules, Stale
from .snapshots import Snapshot, status
from .streams import Cut, Stream

Result = TypeVar("Result")

LARGEST = 32 * 2**20
RECORDS = 100_000


@dataclass(frozen=True)
class Record:
    """One call that was answered; `status` 0 when its client got no answer."""

    call: Call
    status: int
    seconds: float


class FaultProxy:
    """See the package's head. `upstream` is a URL; `tls` carries the CA and, if there is one, the client certificate.

    A client's Authorization header goes through as it is.
    """

    def __init__(self, upstream: str, tls: ssl.SSLContext | None = None) -> None:
        self.upstream = upstream.rstrip("/")
        self.rules: Rules[Call, Action] = Rules()
        self.events: EventRules = Rules()
        self.counts = Counts()
        self.records: deque[Record] = deque(maxlen=RECORDS)
        self.streams: set[Stream] = set()
        self.url = ""
        self._tls = tls
        self._writing: set[asyncio.Task[Any]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None

    @classmethod
    async def of(cls, kubeconfig: Path) -> Self:
        """A proxy to where a kubeconfig leads, with its credentials (a token apart: that is the client's)."""
        configuration = await from_file(kubeconfig)
        return cls(configuration.host, RESTClientObject(configuration).ssl_context)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen; the same port again lets clients find it after `stop`."""
        connector = Connector(limit=0, ssl=self._tls or False)
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            read_bufsize=LARGEST,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            trust_env=False,
        )
        app = web.Application(client_max_size=LARGEST)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        host, bound = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{bound}"

    async def stop(self) -> None:
        """Close the port and every connection; a write that is held is lost."""
        for task in [*self._writing]:
            task.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    def kubeconfig(self, file: Path) -> Path:
        """Write a kubeconfig that leads here; returns the file."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": self.url}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        }
        file.write_text(yaml.safe_dump(content))
        return file

    async def configuration(self) -> Configuration:
        """What an `agentmemory.app.Process` in this loop takes as its login."""
        return configuration_for(self.url)

    def hold(
        self,
        match: Callable[[Call], bool],
        *,
        answered: bool = False,
        after: int = 0,
        times: int | None = 1,
        on_hit: Callable[[Call], None] | None = None,
    ) -> Gate:
        """A rule that holds calls at the returned gate."""
        gate = Gate()
        self.rules.add(match, Hold(gate, answered), after=after, times=times, on_hit=on_hit)
        return gate

    async def snapshot(self, kinds: Iterable[str] | None = None, version: str | None = None) -> Snapshot:
        """The present state of these kinds (default: of all that upstream serves), or that at `version`."""
        assert self._session is not None, "start the proxy first"
        wanted = list(RESOURCES) if kinds is None else list(kinds)
        found = [await listed(self._session, self.upstream, kind, version) for kind in wanted]
        return Snapshot({one.kind: one for one in found if one is not None})

    async def _serve(self, http: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        body = await http.read()
        agent = http.headers.get("User-Agent", "")
        call = call_of(http.method, http.path, http.query, http.content_type, agent, body)
        self.counts.add(call)
        code = 0
        try:
            answer = await self._answer(call, http, body)
            code = answer.status
        except (Cut, aiohttp.ClientError, OSError):
            # An apiserver that is away looks the same as a cut.
            if http.transport is not None:
                http.transport.abort()
            raise ConnectionResetError from None
        finally:
            self.records.append(Record(call, code, time.monotonic() - started))
        return answer

    async def _answer(self, call: Call, http: web.Request, body: bytes) -> web.StreamResponse:
        rule = self.rules.decide(call)
        if rule is not None:
            rule.hit(call)
        if call.verb == "watch":
            return await self._watch(call, http, rule)
        work = self._broken(call, http, body, rule)
        # What was sent arrives, even if its sender is dead by then.
        return await (self._detached(work) if call.is_write else work)

    def _detached(self, work: Coroutine[Any, Any, Result]) -> Awaitable[Result]:
        task = asyncio.create_task(work)
        self._writing.add(task)
        task.add_done_callback(self._forget)
        return asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._writing.discard(task)
        if not task.cancelled():
            task.exception()  # its client may be gone, then nobody else asks

    async def _broken(
        self, call: Call, http: web.Request, body: bytes, rule: Rule[Call, Action] | None
    ) -> web.Response:
        """The call with its fault."""
        action = None if rule is None else rule.action
        early = await self._before(call, http.query, action)
        if early is not None:
            return early
        answer = await self._forward(http, body)
        if isinstance(action, DropAfter):
            raise Cut
        if isinstance(action, Hold) and action.answered:
            await action.gate.pass_through(call)
        return answer

    async def _before(self, call: Call, query: Mapping[str, str], action: Action | None) -> web.Response | None:
        """The fault before the effect; an answer when the call ends with it."""
        match action:
            case DropBefore():
                raise Cut
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Hold(gate, answered) if not answered:
                await gate.pass_through(call)
            case Refuse(code, reason, message, retry_after):
                details = None if retry_after is None else {"retryAfterSeconds": retry_after}
                found = status(code, reason or REASONS.get(code, ""), message, details)
                return json_answer(code, found, retry_after)
            case Stale(snapshot) if snapshot.has(call.kind) and not call.subresource:
                return _stale(call, query, snapshot)
        return None

    async def _forward(self, http: web.Request, body: bytes) -> web.Response:
        assert self._session is not None
        url = self.upstream + http.path_qs
        async with self._session.request(http.method, url, data=body or None, headers=request_headers(http)) as found:
            content = await found.read()
            return web.Response(status=found.status, body=content, headers=answer_headers(found))

    async def _watch(self, call: Call, http: web.Request, rule: Rule[Call, Action] | None) -> web.StreamResponse:
        action = None if rule is None else rule.action
        if not isinstance(action, Stale):
            early = await self._before(call, http.query, action)
            if early is not None:
                return early
        stream = Stream(call, http, self.events)
        self.streams.add(stream)
        try:
            if isinstance(action, Stale) and http.query.get("sendInitialEvents") == "true":
                return await self._stale_watch(stream, http, action)
            return await self._live_watch(stream, http, http.query)
        finally:
            self.streams.discard(stream)

    async def _stale_watch(self, stream: Stream, http: web.Request, action: Stale) -> web.StreamResponse:
        response = await stream.begin({"Content-Type": "application/json"})
        kind, namespace = stream.call.kind, stream.call.namespace
        await stream.first(response, action.snapshot.initial_events(kind, namespace, http.query))
        if action.until is not None:
            await action.until.pass_through(stream.call)
        query = without_initial_events(http.query, action.snapshot.version(kind))
        return await self._live_watch(stream, http, query, response)

    async def _live_watch(
        self,
        stream: Stream,
        http: web.Request,
        query: Mapping[str, str],
        response: web.StreamResponse | None = None,
    ) -> web.StreamResponse:
        assert self._session is not None
        headers = request_headers(http)
        headers.popall("Accept-Encoding", None)
        async with self._session.get(self.upstream + http.path, params=query, headers=headers) as found:
            if found.status != 200:
                body = await found.read()
                if response is not None:
                    raise Cut
                return web.Response(status=found.status, body=body, headers=answer_headers(found))
            if response is None:
                response = await stream.begin({"Content-Type": found.content_type})
            await stream.pump(response, found.content)
        return response


def _stale(call: Call, query: Mapping[str, str], snapshot: Snapshot) -> web.Response:
    if call.verb == "list":
        return json_answer(200, snapshot.page(call.kind, call.namespace, query))
    code, body = snapshot.one(call.kind, call.namespace, call.name)
    return json_answer(code, body)
