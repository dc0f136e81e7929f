"""What an HTTP connection does, without one: the client's requests go to a FakeCluster in the same task.

It takes the place of the client library's own transport, so that all of our client's code above it runs: paths,
headers, codes, errors. Thousands of runs a minute are possible so, and their order is always the same.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp

from agentmemory.core.key import Key
from agentmemory.kube.resources import RESOURCES
from tests.fakekube.answers import ApiError, not_found
from tests.fakekube.cluster import FakeCluster
from tests.fakekube.kinds import by_path
from tests.fakekube.selectors import matcher

Object = dict[str, Any]
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Asked:
    """One request as the server understands it; `key.name` is empty for a collection."""

    verb: str
    key: Key
    subresource: str | None = None
    query: dict[str, str] = field(default_factory=dict)
    body: Object | None = None

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return self.verb not in ("get", "list")

    def __str__(self) -> str:
        return f"{self.verb} {'/'.join(self.key)}{'/' + self.subresource if self.subresource else ''}"


@dataclass(frozen=True)
class Answered:
    """Looks like aiohttp's response."""

    status: int
    text: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def response(self) -> "Answered":
        """The library wraps its response once."""
        return self

    async def __aenter__(self) -> "Answered":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to release."""

    async def read(self) -> bytes:
        return self.text


# (request, effect) -> the answer, when it is let through; a fault raises or has the effect and raises
Line = Callable[[Asked, Callable[[], Object]], Awaitable[Object]]


async def straight(asked: Asked, effect: Callable[[], Object]) -> Object:
    """No fault."""
    return effect()


class Transport:
    """Stands in for `kubernetes.aio`'s rest client. `line` is what stands between client and server."""

    def __init__(self, cluster: FakeCluster, line: Line = straight) -> None:
        self._cluster = cluster
        self._line = line

    async def request(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: Any = None, **_: Any
    ) -> Answered:
        """One call, answered as the apiserver would."""
        asked = parse(method, url, body, (headers or {}).get("Content-Type", ""))
        try:
            answer = await self._line(asked, lambda: answer_of(self._cluster, asked))
        except ApiError as error:
            return Answered(error.code, json.dumps(error.status).encode())
        return Answered(201 if asked.verb == "create" else 200, json.dumps(answer).encode())

    async def close(self) -> None:
        """Nothing to end."""


def cut() -> Exception:
    """What the client sees of a connection that ends without an answer."""
    return aiohttp.ServerDisconnectedError()


def parse(method: str, url: str, body: Any, content_type: str) -> Asked:
    """The request that a URL means."""
    split = urlsplit(url)
    parts = [unquote(part) for part in split.path.strip("/").split("/")]
    api_version, rest = (parts[1], parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    kind = by_path(api_version, rest[0])
    if kind is None:
        raise AssertionError(f"a request for an unknown path: {url}")
    name, subresource = [*rest[1:3], "", ""][:2]
    verb = VERBS.get(method) or ("get" if name else "list")
    verb = "apply" if content_type == "application/apply-patch+yaml" else verb
    content = json.loads(body if isinstance(body, str | bytes) else json.dumps(body)) if body else None
    return Asked(
        verb, Key(kind.resource.kind, namespace, name), subresource or None, dict(parse_qsl(split.query)), content
    )


def answer_of(cluster: FakeCluster, asked: Asked) -> Object:
    """Carry the request out. Raises ApiError."""
    body = asked.body or {}
    match asked.verb:
        case "list":
            return listed(cluster, asked)
        case "get":
            return cluster.get(asked.key)
        case "create":
            return cluster.create(body)
        case "update":
            return cluster.update(body, asked.subresource)
        case "patch":
            return cluster.patch(asked.key, body, asked.subresource)
        case "apply":
            return cluster.apply(body, asked.query.get("fieldManager", ""))
        case _:
            return cluster.delete(asked.key, body)


def answer_from(view: dict[Key, Object], version: int, asked: Asked) -> Object:
    """A read, answered from an old view. Raises ApiError."""
    if asked.verb == "get":
        if asked.key not in view:
            resource = RESOURCES[asked.key.kind]
            raise not_found(resource.plural, resource.group, asked.key.name)
        return view[asked.key]
    matches = matcher(asked.query.get("labelSelector"), asked.query.get("fieldSelector"))
    found = [obj for key, obj in sorted(view.items()) if key.kind == asked.key.kind and matches(obj)]
    namespace = asked.key.namespace
    items = [obj for obj in found if namespace in ("", obj["metadata"].get("namespace"))]
    return {"metadata": {"resourceVersion": str(version)}, "items": items}


def listed(cluster: FakeCluster, asked: Asked) -> Object:
    """All of a kind on one page."""
    matches = matcher(asked.query.get("labelSelector"), asked.query.get("fieldSelector"))
    items = [obj for obj in cluster.list(asked.key.kind, asked.key.namespace or None) if matches(obj)]
    return {"metadata": {"resourceVersion": str(cluster.log.version)}, "items": items}
