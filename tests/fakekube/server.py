"""The fake apiserver: HTTP over a FakeCluster. Its own state is connections only, so that it can run anywhere."""

import inspect
import json
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from .answers import ApiError, status
from .cluster import FakeCluster
from .discovery import discover
from .kinds import FakeKind, by_path
from .requests import Drop, Faults, Object, Request, Requests
from .selectors import matcher
from .watching import Watching

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class FakeKube:
    """`async with FakeKube() as kube:` serves on a loopback port; `kube.url` and `kube.kubeconfig()` lead there."""

    def __init__(self, cluster: FakeCluster | None = None) -> None:
        self.cluster = cluster or FakeCluster()
        self.faults = Faults()
        self.requests = Requests()
        self.hidden: set[str] = set()  # kinds whose CRD is "not installed"
        self.url = ""
        self._watching = Watching(self.cluster.log, self.faults)
        self._pages: dict[str, tuple[list[Object], str]] = {}
        self._numbers = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "FakeKube":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen; the same port again lets clients find it after `stop`."""
        app = web.Application(client_max_size=32 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
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

    @property
    def watches(self) -> int:
        """Open watch streams."""
        return self._watching.open

    def kubeconfig(self) -> Object:
        """A kubeconfig for this server."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": {"token": "fake"}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        }

    async def _serve(self, http: web.Request) -> web.StreamResponse:
        parts = [unquote(part) for part in http.path.strip("/").split("/")]
        found = discover(parts, self.hidden)
        if found is not None:
            return _json(200, found)
        parsed = _parse(parts)
        if parsed is None or parsed[0].resource.kind in self.hidden:
            return web.Response(status=404, text="404 page not found\n")
        kind, namespace, name, subresource = parsed
        body = await _body(http)
        request = self._record(http, kind, namespace, name, subresource, body)
        try:
            return await self._answer(http, kind, request)
        except Drop:
            if http.transport is not None:
                http.transport.abort()
            raise ConnectionResetError from None
        except ApiError as error:
            request.code = error.code
            return _json(error.code, error.status)

    def _record(
        self, http: web.Request, kind: FakeKind, namespace: str, name: str, subresource: str | None, body: Object | None
    ) -> Request:
        verb = VERBS.get(http.method) or ("get" if name else "watch" if http.query.get("watch") else "list")
        if http.content_type == "application/apply-patch+yaml":
            verb = "apply"
        self._numbers += 1
        agent = http.headers.get("User-Agent", "")
        query = dict(http.query)
        request = Request(self._numbers, verb, kind.resource.kind, namespace, name, subresource, query, body, agent)
        self.requests.append(request)
        return request

    async def _answer(self, http: web.Request, kind: FakeKind, request: Request) -> web.StreamResponse:
        for hook in [*self.faults.before]:
            verdict = hook(request)
            if (refused := await _verdict(verdict, request)) is not None:
                return refused
        if request.verb == "watch":
            request.code = 200
            matches = matcher(request.query.get("labelSelector"), request.query.get("fieldSelector"))
            return await self._watching.serve(http, request, matches)
        code, answer = self._do(kind, request)
        for hook in [*self.faults.after]:
            verdict = hook(request)
            if (refused := await _verdict(verdict, request)) is not None:
                return refused
        request.code = code
        return _json(code, answer)

    def _do(self, kind: FakeKind, request: Request) -> tuple[int, Object]:
        _check_subresource(kind, request)
        cluster, key, body = self.cluster, request.key, request.body
        if request.verb == "list":
            return 200, self._list(kind, request)
        if request.verb == "get":
            return 200, cluster.scale_of(key) if request.subresource == "scale" else cluster.get(key)
        if request.verb == "delete":
            return 200, cluster.delete(key, body)
        if body is None:
            raise ApiError(400, "no object found in the request's body")
        if request.verb == "patch":
            return 200, cluster.patch(key, body, request.subresource)
        named = _placed(kind, request, body)
        if request.verb == "create":
            return 201, cluster.create(named)
        if request.verb == "update":
            if request.subresource == "scale":
                return 200, cluster.patch(key, named, "scale")
            return 200, cluster.update(named, request.subresource)
        existed = cluster.find(key) is not None
        return (200 if existed else 201), cluster.apply(named, request.query.get("fieldManager", ""))

    def _list(self, kind: FakeKind, request: Request) -> Object:
        token = request.query.get("continue")
        if token is not None:
            if token not in self._pages:
                raise ApiError(410, "The provided continue parameter is too old", "Expired")
            items, version = self._pages.pop(token)
        else:
            matches = matcher(request.query.get("labelSelector"), request.query.get("fieldSelector"))
            listed = self.cluster.list(kind.resource.kind, request.namespace or None)
            items, version = [obj for obj in listed if matches(obj)], str(self.cluster.log.version)
        limit = int(request.query.get("limit") or 0) or len(items)
        metadata: Object = {"resourceVersion": version}
        if len(items) > limit:
            metadata["continue"] = f"page-{request.number}"
            metadata["remainingItemCount"] = len(items) - limit
            self._pages[metadata["continue"]] = (items[limit:], version)
        resource = kind.resource
        return {
            "apiVersion": resource.api_version,
            "kind": f"{resource.kind}List",
            "metadata": metadata,
            "items": [_as_item(kind, obj) for obj in items[:limit]],
        }

    def expire_pages(self) -> None:
        """Forget the continue tokens: the next page gets 410."""
        self._pages.clear()


def _as_item(kind: FakeKind, obj: Object) -> Object:
    # Built-in kinds leave apiVersion and kind out of a list's items; custom ones have them.
    if kind.resource.custom:
        return obj
    return {name: value for name, value in obj.items() if name not in ("apiVersion", "kind")}


def _parse(parts: list[str]) -> tuple[FakeKind, str, str, str | None] | None:
    if parts[0] == "api" and len(parts) > 2:
        api_version, rest = parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        api_version, rest = f"{parts[1]}/{parts[2]}", parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    kind = by_path(api_version, rest[0])
    if kind is None or len(rest) > 3:
        return None
    padded = [*rest[1:], "", ""]
    return kind, namespace, padded[0], padded[1] or None


def _check_subresource(kind: FakeKind, request: Request) -> None:
    known = {None, *(["status"] if kind.has_status else []), *(["scale"] if kind.has_scale else [])}
    if request.subresource not in known:
        raise ApiError(404, "the server could not find the requested resource")


def _placed(kind: FakeKind, request: Request, body: Object) -> Object:
    """The body with the identity that the path says. Raises ApiError 400 when it says something else."""
    metadata = dict(body.get("metadata") or {})
    for field, wanted in (("namespace", request.namespace), ("name", request.name)):
        if not wanted:
            continue
        if metadata.setdefault(field, wanted) != wanted:
            raise ApiError(400, f"the {field} of the provided object does not match the {field} sent on the request")
    return {**body, "kind": kind.resource.kind, "metadata": metadata}


async def _body(http: web.Request) -> Object | None:
    text = await http.text()
    if not text:
        return None
    body: Any = json.loads(text)
    return body if isinstance(body, dict) else None


async def _verdict(verdict: Any, request: Request) -> web.Response | None:
    if inspect.isawaitable(verdict):
        verdict = await verdict
    if verdict is None:
        return None
    code, body = (verdict, status(verdict, "injected")) if isinstance(verdict, int) else verdict
    request.code = code
    return _json(code, body)


def _json(code: int, body: Object) -> web.Response:
    headers = {}
    retry_after = ((body.get("details") or {}) if isinstance(body, dict) else {}).get("retryAfterSeconds")
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return web.Response(status=code, text=json.dumps(body), content_type="application/json", headers=headers)
