"""The one way to the Kubernetes API: dict in, dict out, a time limit per call, errors mapped once."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, NamedTuple, Self

from kubernetes.aio.client import Configuration

from agentmemory.core.clock import Clock, SystemClock
from agentmemory.core.key import Key, key_of
from agentmemory.core.metrics import Metrics
from agentmemory.kube.answers import Answer, Call, error_of, is_missing, refuse, uncollected
from agentmemory.kube.caller import Caller
from agentmemory.kube.resources import RESOURCES, path, path_of
from agentmemory.kube.session import Login, Sessions
from agentmemory.kube.traffic import Traffic
from agentmemory.version import VERSION

Object = dict[str, Any]

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
# Objects per page of a list: keeps one parse below some 50 ms, so that nothing else waits longer.
PAGE = 250
# Seconds for a whole call.
TIME_LIMIT = 15.0


class Page(NamedTuple):
    """Some of the objects of a list, and the resourceVersion of the whole."""

    items: list[Object]
    version: str


class KubeClient:
    """Belongs to one event loop. `guard` is asked before every write: False means that we may not (Lease lost).

    At most some tens of calls run at once, the others wait in line. A call that is refused with 429 is made again
    after the pause that the apiserver asked for, and so are all others; a pause that is too long to wait for raises
    Transient with the rest of it. `login` gives new credentials when the apiserver refuses the ones we have.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        manager: str = "agent-memory-operator",
        metrics: Metrics | None = None,
        guard: Callable[[], bool] = lambda: True,
        time_limit: float = TIME_LIMIT,
        login: Login | None = None,
        clock: Clock | None = None,
    ) -> None:
        sessions = Sessions(configuration, f"{manager}/{VERSION}", login)
        self._caller = Caller(sessions, Traffic(clock or SystemClock()), metrics or Metrics(), guard, time_limit)
        self._manager = manager

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._caller.close()

    async def get(self, key: Key) -> Object | None:
        """The object, or None when it does not exist."""
        call = Call("get", key.kind, path_of(key))
        answer = await self._caller.read(call)
        return None if is_missing(answer) else _object(call, answer)

    async def list(
        self, kind: str, namespace: str | None = None, label_selector: str | None = None
    ) -> tuple[list[Object], str]:
        """All objects of a kind and the list's resourceVersion, read in pages of one consistent snapshot."""
        items: list[Object] = []
        version = ""
        async for page in self.pages(kind, namespace, label_selector):
            items += page.items
            version = page.version
        return items, version

    async def pages(
        self, kind: str, namespace: str | None = None, label_selector: str | None = None
    ) -> AsyncGenerator[Page, None]:
        """The same page by page. Raises Stale when the snapshot expires.

        No resourceVersion is asked for: the apiserver makes sure that its cache is as new as etcd and answers from
        there. A list from the cache as it happens to be would bring back what was deleted before, and would find a
        watch in order that hangs with that very cache.
        """
        call = Call("list", kind, path(kind, namespace))
        api_version = RESOURCES[kind].api_version
        query = {"limit": str(PAGE)} | ({"labelSelector": label_selector} if label_selector else {})
        while True:
            answer = await self._caller.read(call, query)
            with uncollected():
                page = _object(call, answer)
            metadata = page.get("metadata") or {}
            items = [{"apiVersion": api_version, "kind": kind} | item for item in page.get("items") or ()]
            yield Page(items, metadata.get("resourceVersion", ""))
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    async def probe(self, kind: str, namespace: str | None = None, label_selector: str | None = None) -> None:
        """A list of at most one object: returns when the kind is there and we may list it."""
        call = Call("list", kind, path(kind, namespace))
        query = {"limit": "1"} | ({"labelSelector": label_selector} if label_selector else {})
        _object(call, await self._caller.read(call, query))

    async def create(self, obj: Object) -> Object:
        """POST. Raises AlreadyExists when the name is taken, NamespaceEnding in a namespace that goes away."""
        key = key_of(obj)
        call = Call("create", key.kind, path(key.kind, key.namespace))
        return _object(call, await self._caller.write("POST", call, obj, {"fieldManager": self._manager}))

    async def apply(self, obj: Object, force: bool = True) -> Object:
        """Server-side apply of the complete object by this role's field manager; creates it when missing.

        A `metadata.uid` in it is a precondition. For objects that are ours by name and owner only.
        """
        call = Call("patch", obj["kind"], path_of(key_of(obj)))
        query = {"fieldManager": self._manager, "force": str(force).lower()}
        return _object(call, await self._caller.write("PATCH", call, obj, query, APPLY_PATCH))

    async def update(self, obj: Object) -> Object:
        """PUT; the object's uid and resourceVersion are preconditions. Raises Stale when it changed or is gone."""
        call = Call("update", obj["kind"], path_of(key_of(obj)))
        return _object(call, await self._caller.write("PUT", call, obj, {"fieldManager": self._manager}))

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
        answer = await self._caller.write("PATCH", call, body, {"fieldManager": self._manager}, MERGE_PATCH)
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
        answer = await self._caller.write("DELETE", call, body)
        if is_missing(answer):
            return False
        _object(call, answer)
        return True

    async def raw(self, resource_path: str) -> Object:
        """GET any path, for instance /version."""
        call = Call("get", "", resource_path)
        return _object(call, await self._caller.read(call))

    async def watch(
        self,
        kind: str,
        namespace: str | None = None,
        resource_version: str | None = None,
        label_selector: str | None = None,
        seconds: int = 300,
        *,
        initial: bool = False,
        silence: float | None = None,
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """Events (ADDED, MODIFIED, DELETED, BOOKMARK) since `resource_version`, for at most `seconds`.

        With `initial` and no version: first everything that exists, then a bookmark that says so (`is_complete`).
        `silence` is how many seconds may pass without a byte. Raises Stale("Expired") when the version is too old:
        list again; Transient when the stream cannot be had or breaks.
        """
        call = Call("watch", kind, path(kind, namespace))
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"} if initial else {}
        query |= {"resourceVersion": resource_version} if resource_version else {}
        query |= {"labelSelector": label_selector} if label_selector else {}
        events = self._caller.stream(call, query, seconds, silence)
        async with aclosing(events):
            async for event in events:
                yield _event(call, event)


def is_complete(bookmark: Object) -> bool:
    """Whether this bookmark of a watch says that everything that existed has come."""
    return (bookmark["metadata"].get("annotations") or {}).get("k8s.io/initial-events-end") == "true"


def _object(call: Call, answer: Answer) -> Object:
    if answer.code >= 300:
        refuse(call, answer)
    return answer.json()


def _event(call: Call, event: Object) -> tuple[str, Object]:
    obj: Object = event["object"]
    if event["type"] == "ERROR":
        raise error_of(call, Answer(obj.get("code", 500), json.dumps(obj).encode()))
    return event["type"], obj


def _without_none(fields: Object) -> Object:
    return {name: value for name, value in fields.items() if value is not None}
