"""The one way to the Kubernetes API: dict in, dict out, a time limit per call, errors mapped once."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration

from agentmemory.core.errors import Invalid, Transient
from agentmemory.core.key import Key, key_of
from agentmemory.core.metrics import Metrics
from agentmemory.kube.answers import Answer, Call, error_of, is_missing, refuse
from agentmemory.kube.errors import NotLeading
from agentmemory.kube.resources import RESOURCES, path, path_of
from agentmemory.version import VERSION

Object = dict[str, Any]

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
# Objects per page of a list: keeps one parse below some 50 ms, so that nothing else waits longer.
PAGE = 500
# Seconds for a whole call.
TIME_LIMIT = 15.0
WRITES = frozenset({"create", "update", "patch", "delete"})


class KubeClient:
    """Belongs to one event loop. `guard` is asked before every write: False means that we may not (Lease lost)."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        manager: str = "agent-memory-operator",
        metrics: Metrics | None = None,
        guard: Callable[[], bool] = lambda: True,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        configuration.client_session_kwargs = {"trust_env": False}
        try:
            self._api = ApiClient(configuration)
        except (OSError, ValueError) as error:
            raise Invalid("BadCertificate", f"certificates for {configuration.host} cannot be used: {error}") from error
        self._api.user_agent = f"{manager}/{VERSION}"
        self._manager = manager
        self._metrics = metrics or Metrics()
        self._guard = guard
        self._time_limit = time_limit

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def get(self, key: Key) -> Object | None:
        """The object, or None when it does not exist."""
        call = Call("get", key.kind, path_of(key))
        answer = await self._request("GET", call)
        return None if is_missing(answer) else _object(call, answer)

    async def list(
        self, kind: str, namespace: str | None = None, label_selector: str | None = None
    ) -> tuple[list[Object], str]:
        """All objects of a kind and the list's resourceVersion, read in pages of one consistent snapshot."""
        call = Call("list", kind, path(kind, namespace))
        items: list[Object] = []
        query = {"limit": str(PAGE)} | ({"labelSelector": label_selector} if label_selector else {})
        while True:
            page = _object(call, await self._request("GET", call, query=query))
            api_version = RESOURCES[kind].api_version
            items += ({"apiVersion": api_version, "kind": kind} | item for item in page.get("items") or ())
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return items, metadata.get("resourceVersion", "")
            query["continue"] = metadata["continue"]

    async def probe(self, kind: str, namespace: str | None = None, label_selector: str | None = None) -> None:
        """A list of at most one object: returns when the kind is there and we may list it."""
        call = Call("list", kind, path(kind, namespace))
        query = {"limit": "1"} | ({"labelSelector": label_selector} if label_selector else {})
        _object(call, await self._request("GET", call, query=query))

    async def create(self, obj: Object) -> Object:
        """POST. Raises AlreadyExists when the name is taken, NamespaceEnding in a namespace that goes away."""
        key = key_of(obj)
        call = Call("create", key.kind, path(key.kind, key.namespace))
        return _object(call, await self._write("POST", call, obj, {"fieldManager": self._manager}))

    async def apply(self, obj: Object, force: bool = True) -> Object:
        """Server-side apply of the complete object by this role's field manager; creates it when missing.

        A `metadata.uid` in it is a precondition. For objects that are ours by name and owner only.
        """
        call = Call("patch", obj["kind"], path_of(key_of(obj)))
        query = {"fieldManager": self._manager, "force": str(force).lower()}
        return _object(call, await self._write("PATCH", call, obj, query, APPLY_PATCH))

    async def update(self, obj: Object) -> Object:
        """PUT; the object's uid and resourceVersion are preconditions. Raises Stale when it changed or is gone."""
        call = Call("update", obj["kind"], path_of(key_of(obj)))
        return _object(call, await self._write("PUT", call, obj, {"fieldManager": self._manager}))

    async def merge_patch(
        self,
        key: Key,
        body: Object,
        subresource: str | None = None,
        resource_version: str | None = None,
        uid: str | None = None,
    ) -> Object | None:
        """JSON merge patch (RFC 7386); None when the object is gone, Stale when a precondition fails."""
        preconditions = _without_none({"resourceVersion": resource_version, "uid": uid})
        if preconditions:
            body = {**body, "metadata": {**body.get("metadata", {}), **preconditions}}
        call = Call("patch", key.kind, path_of(key, subresource))
        answer = await self._write("PATCH", call, body, {"fieldManager": self._manager}, MERGE_PATCH)
        return None if is_missing(answer) else _object(call, answer)

    async def delete(
        self,
        key: Key,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        propagation: str = "Background",
    ) -> bool:
        """DELETE; False when it was gone already, Stale when a precondition fails."""
        options = _without_none({"propagationPolicy": propagation, "gracePeriodSeconds": grace_seconds})
        preconditions = _without_none({"uid": uid, "resourceVersion": resource_version})
        if preconditions:
            options["preconditions"] = preconditions
        call = Call("delete", key.kind, path_of(key))
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        answer = await self._write("DELETE", call, body)
        if is_missing(answer):
            return False
        _object(call, answer)
        return True

    async def raw(self, resource_path: str) -> Object:
        """GET any path, for instance /version."""
        call = Call("get", "", resource_path)
        return _object(call, await self._request("GET", call))

    async def watch(
        self,
        kind: str,
        namespace: str | None = None,
        resource_version: str | None = None,
        label_selector: str | None = None,
        seconds: int = 300,
    ) -> AsyncIterator[tuple[str, Object]]:
        """Events (ADDED, MODIFIED, DELETED, BOOKMARK) since `resource_version`, for at most `seconds`.

        Raises Stale("Expired") when the version is too old: list again.
        """
        call = Call("watch", kind, path(kind, namespace))
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        query |= {"resourceVersion": resource_version} if resource_version else {}
        query |= {"labelSelector": label_selector} if label_selector else {}
        try:
            response = (await self._send("GET", call, None, query, JSON, seconds + self._time_limit)).response
            async with response:
                if response.status != 200:
                    refuse(call, await _read(response))
                async for line in response.content:
                    yield _event(call, json.loads(line))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(call, error) from error

    async def _write(
        self, method: str, call: Call, body: Object, query: dict[str, str] | None = None, content_type: str = JSON
    ) -> Answer:
        if not self._guard():
            raise NotLeading("NotLeading", f"{call} was held back: this process does not hold its Lease")
        return await self._request(method, call, body, query, content_type)

    async def _request(
        self,
        method: str,
        call: Call,
        body: Object | None = None,
        query: dict[str, str] | None = None,
        content_type: str = JSON,
    ) -> Answer:
        code = "error"
        try:
            sent = await self._send(method, call, body, query, content_type, self._time_limit)
            answer = await _read(sent.response)
            code = str(answer.code)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(call, error) from error
        finally:
            self._metrics.kube_calls.labels(call.verb, call.kind, code).inc()
        return answer

    async def _send(
        self,
        method: str,
        call: Call,
        body: Object | None,
        query: dict[str, str] | None,
        content_type: str,
        limit: float,
    ) -> Any:
        headers = {"Accept": JSON, "Content-Type": content_type, "User-Agent": self._api.user_agent}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], call.path, method, body)
        url = self._api.configuration.host + call.path + (f"?{urlencode(query)}" if query else "")
        timeout = aiohttp.ClientTimeout(total=limit, sock_connect=min(limit, 5.0))
        return await self._api.rest_client.request(method, url, headers=headers, body=body, _request_timeout=timeout)


async def _read(response: aiohttp.ClientResponse) -> Answer:
    body = await response.read()
    text = response.headers.get("Retry-After", "")
    return Answer(response.status, body, float(text) if text.isdigit() else None)


def _object(call: Call, answer: Answer) -> Object:
    if answer.code >= 300:
        refuse(call, answer)
    return answer.json()


def _event(call: Call, event: Object) -> tuple[str, Object]:
    obj: Object = event["object"]
    if event["type"] == "ERROR":
        raise error_of(call, Answer(obj.get("code", 500), json.dumps(obj).encode()))
    return event["type"], obj


def _unreachable(call: Call, error: Exception) -> Transient:
    what = "did not answer in time" if isinstance(error, TimeoutError) else "cannot be reached"
    return Transient("ApiserverUnreachable", f"{call}: the apiserver {what}: {error or type(error).__name__}")


def _without_none(fields: Object) -> Object:
    return {name: value for name, value in fields.items() if value is not None}
