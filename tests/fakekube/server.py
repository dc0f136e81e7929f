"""The fake apiserver: HTTP over a FakeCluster. Its own state is connections only, so that it can run anywhere."""

import asyncio
import inspect
from typing import Any

import orjson
import yaml
from aiohttp import web

from .acting import Acting
from .answers import ApiError, status
from .cluster import FakeCluster
from .counts import Counts
from .discovery import discover
from .requests import Drop, Faults, Object, Request, Requests
from .routes import Route, parts_of, query_of, route, verb_of
from .selectors import matcher
from .watching import Watching

HEADERS = {"Content-Type": "application/json"}
TEXTS = {"healthz": "ok", "readyz": "ok", "livez": "ok"}
# As the apiserver's own limit on a request's body, in bytes.
MAX_BODY = 3 * 2**20


class FakeKube:
    """`async with FakeKube() as kube:` serves on a loopback port; `kube.url` and `kube.kubeconfig()` lead there.

    Without `record` it counts requests only, and keeps none of them: for a server that lives long.
    """

    def __init__(self, cluster: FakeCluster | None = None, *, record: bool = True) -> None:
        self.cluster = cluster or FakeCluster()
        self.faults = Faults()
        self.requests = Requests()
        self.counts = Counts()
        self.hidden: set[str] = set()  # kinds whose CRD is "not installed"
        self.url = ""
        self._record_all = record
        self._watching = Watching(self.cluster.log, self.faults)
        self._acting = Acting(self.cluster)
        self._numbers = 0
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> "FakeKube":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen; the same port again lets clients find it after `stop`."""
        server = web.Server(
            self._serve, request_factory=_request, access_log=None, handler_cancellation=True, keepalive_timeout=600
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        host, bound = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{bound}"

    async def stop(self) -> None:
        """Close the port and every connection; the state stays."""
        self._watching.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def close_watches(self) -> None:
        """End every open watch stream."""
        self._watching.close()

    def expire_pages(self) -> None:
        """Forget the continue tokens: the next page gets 410."""
        self._acting.paging.expire()

    @property
    def watches(self) -> int:
        """Open watch streams."""
        return self._watching.open

    @property
    def bookmark_seconds(self) -> float:
        """How often a watch that asked for them gets a bookmark."""
        return self._watching.bookmark_seconds

    @bookmark_seconds.setter
    def bookmark_seconds(self, seconds: float) -> None:
        self._watching.bookmark_seconds = seconds

    def kubeconfig(self) -> Object:
        """A kubeconfig for this server."""
        return kubeconfig(self.url)

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        path, _, query = http.raw_path.partition("?")
        parts = parts_of(path)
        found = route(parts)
        if found is None or found.kind.resource.kind in self.hidden:
            return await self._other(http, parts)
        try:
            return await self._answered(http, found, query)
        except Drop:
            if http.transport is not None:
                http.transport.abort()
            raise ConnectionResetError from None
        except ApiError as error:
            return answer(error.code, orjson.dumps(error.status), error.status)

    async def _other(self, http: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        """What is no resource."""
        found = discover(parts, self.hidden)
        if found is not None:
            return answer(200, orjson.dumps(found))
        if parts[0] in TEXTS:
            return web.Response(text=TEXTS[parts[0]])
        if parts == ["__counts"]:
            return answer(200, orjson.dumps({"counts": self.counts.as_json(), **self._state()}))
        if parts == ["__reset"] and http.method == "POST":
            self.counts.clear()
            self.requests.clear()
            return answer(200, b"{}")
        if parts == ["__compact"] and http.method == "POST":
            self.cluster.log.compact()
            self.expire_pages()
            return answer(200, b"{}")
        return web.Response(status=404, text="404 page not found\n")

    def _state(self) -> Object:
        log = self.cluster.log
        return {"objects": len(log), "watches": self.watches, "resource_version": str(log.version)}

    async def _answered(self, http: web.BaseRequest, found: Route, query: str) -> web.StreamResponse:
        content = http.headers.get("Content-Type", "").partition(";")[0]
        fields = query_of(query)
        verb = verb_of(http.method, found, fields, content)
        body = _parsed(await http.read(), content) if http.body_exists else None
        request = self._record(http, found, verb, fields, body)
        try:
            return await self._done(http, found, request, content)
        except ApiError as error:
            request.code = error.code
            raise

    def _record(self, http: web.BaseRequest, found: Route, verb: str, query: Any, body: Object | None) -> Request:
        self._numbers += 1
        agent = http.headers.get("User-Agent", "")
        kind = found.kind.resource.kind
        request = Request(self._numbers, verb, kind, found.namespace, found.name, found.subresource, query, body, agent)
        self.counts.add(request)
        if self._record_all:
            self.requests.append(request)
        return request

    async def _done(self, http: web.BaseRequest, found: Route, request: Request, content: str) -> web.StreamResponse:
        if self.faults.before and (refused := await _verdicts(self.faults.before, request)) is not None:
            return refused
        if request.verb == "watch":
            request.code = 200
            matches = matcher(request.query.get("labelSelector"), request.query.get("fieldSelector"))
            return await self._watching.serve(http, request, matches)
        code, body = self._acting.do(found.kind, request, content)
        if self.faults.after and (refused := await _verdicts(self.faults.after, request)) is not None:
            return refused
        request.code = code
        return answer(code, body)


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    # Above aiohttp's own limit, so that a large body is refused with a Status.
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=8 * MAX_BODY)


def kubeconfig(url: str) -> Object:
    """A kubeconfig for the server at this URL: no TLS, a token that nobody reads."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": url}}],
        "users": [{"name": "fake", "user": {"token": "fake"}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
    }


def answer(code: int, body: bytes, refusal: Object | None = None) -> web.Response:
    """JSON; with Retry-After where a Status says so."""
    headers = HEADERS
    if isinstance(refusal, dict):
        retry_after = (refusal.get("details") or {}).get("retryAfterSeconds")
        if retry_after is not None:
            headers = {**HEADERS, "Retry-After": str(retry_after)}
    return web.Response(status=code, body=body, headers=headers)


def _parsed(text: bytes, content: str) -> Object | None:
    if not text:
        return None
    if len(text) > MAX_BODY:
        said = f"Request entity too large: limit is {MAX_BODY}"
        raise ApiError(413, said, "RequestEntityTooLarge")
    try:
        body: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if content != "application/apply-patch+yaml":
            raise ApiError(400, f"the object provided is unrecognized: {error}") from None
        body = yaml.safe_load(text)
    return body if isinstance(body, dict) else None


async def _verdicts(hooks: list[Any], request: Request) -> web.Response | None:
    for hook in [*hooks]:
        verdict = hook(request)
        if inspect.isawaitable(verdict):
            verdict = await verdict
        if verdict is None:
            continue
        code, body = (verdict, status(verdict, "injected")) if isinstance(verdict, int) else verdict
        request.code = code
        return answer(code, orjson.dumps(body), body)
    return None
