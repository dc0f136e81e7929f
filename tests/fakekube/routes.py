"""From a URL to what is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, unquote

from .answers import no_such_method, no_such_resource
from .kinds import FakeKind, by_path

COLLECTION = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
OBJECT = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
SUBRESOURCE = {"GET": "get", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, slots=True)
class Route:
    """The resource that a path leads to."""

    kind: FakeKind
    namespace: str
    name: str
    subresource: str | None


def parts_of(path: str) -> list[str]:
    """The path's parts, decoded."""
    parts = path.strip("/").split("/")
    return [unquote(part) for part in parts] if "%" in path else parts


@lru_cache(maxsize=10_000)
def query_of(text: str) -> Mapping[str, str]:
    """The query's fields; not to be changed."""
    return dict(parse_qsl(text, keep_blank_values=True))


def route(parts: list[str]) -> Route | None:
    """None for a path that leads nowhere."""
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
    name = rest[1] if len(rest) > 1 else ""
    return Route(kind, namespace, name, rest[2] if len(rest) > 2 else None)


def verb_of(method: str, found: Route, query: Mapping[str, str], content: str) -> str:
    """The verb, as in RBAC, and `apply`. Raises ApiError for what the resource cannot."""
    if found.subresource is not None:
        known = {"status": found.kind.has_status, "scale": found.kind.has_scale}
        if not known.get(found.subresource):
            raise no_such_resource()
    verbs = SUBRESOURCE if found.subresource else OBJECT if found.name else COLLECTION
    verb = verbs.get(method)
    if verb is None or (verb == "deletecollection" and found.kind.resource.kind == "Namespace"):
        raise no_such_method()
    if verb == "list" and query.get("watch") in ("true", "1"):
        return "watch"
    if verb == "patch" and content == "application/apply-patch+yaml":
        return "apply"
    return verb
