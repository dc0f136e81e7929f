"""What an HTTP request to a kube-apiserver asks for. Pure."""

import json
from collections.abc import Mapping
from urllib.parse import unquote

from agentmemory.kube.resources import RESOURCES

from .rules import Call

KINDS = {(resource.api_version, resource.plural): kind for kind, resource in RESOURCES.items()}
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
STYLES = {
    "application/apply-patch+yaml": "apply",
    "application/merge-patch+json": "merge",
    "application/json-patch+json": "json",
    "application/strategic-merge-patch+json": "strategic",
}


def call_of(
    method: str, path: str, query: Mapping[str, str], content_type: str = "", agent: str = "", body: bytes = b""
) -> Call:
    """The call; `kind` is the plural for a resource that the operator does not know, empty for no resource at all."""
    found = _resource([unquote(part) for part in path.strip("/").split("/")])
    if found is None:
        return Call(VERBS.get(method, "get"), "", agent=agent)
    kind, namespace, name, subresource = found
    verb = VERBS.get(method) or ("get" if name else "watch" if query.get("watch") in ("true", "1") else "list")
    if verb == "create" and not name:
        name = _name_in(body)
    style = STYLES.get(content_type.partition(";")[0], "") if verb == "patch" else ""
    return Call(verb, kind, namespace, name, subresource, agent, style)


def _resource(parts: list[str]) -> tuple[str, str, str, str] | None:
    """Kind, namespace, name, subresource."""
    if parts[0] == "api" and len(parts) > 2:
        api_version, rest = parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        api_version, rest = f"{parts[1]}/{parts[2]}", parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = [*rest, "", ""][:3]
    return KINDS.get((api_version, plural), plural), namespace, name, subresource


def _name_in(body: bytes) -> str:
    try:
        content = json.loads(body)
    except ValueError:  # protobuf, or nothing: the apiserver's business
        return ""
    metadata = content.get("metadata") if isinstance(content, dict) else None
    return str((metadata or {}).get("name", ""))
