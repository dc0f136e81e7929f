"""Objects as they were: answers reads with an old state."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentmemory.kube.resources import RESOURCES
from tests.fakekube.selectors import matcher

Object = dict[str, Any]


@dataclass(frozen=True)
class Collection:
    """All objects of a kind at one resourceVersion."""

    kind: str
    version: str
    items: tuple[Object, ...]


class Snapshot:
    """Collections by kind."""

    def __init__(self, collections: Mapping[str, Collection]) -> None:
        self._collections = collections

    def has(self, kind: str) -> bool:
        """Whether reads of this kind can be answered."""
        return kind in self._collections

    def version(self, kind: str) -> str:
        """The kind's resourceVersion."""
        return self._collections[kind].version

    def one(self, kind: str, namespace: str, name: str) -> tuple[int, Object]:
        """Code and body of a GET."""
        for item in self.select(kind, namespace, {}):
            if item["metadata"]["name"] == name:
                return 200, item
        resource = RESOURCES[kind]
        full = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
        details = {"name": name, "group": resource.group, "kind": resource.plural}
        return 404, status(404, "NotFound", f'{full} "{name}" not found', details)

    def page(self, kind: str, namespace: str, query: Mapping[str, str]) -> Object:
        """The body of a list, in one page."""
        return {
            "apiVersion": RESOURCES[kind].api_version,
            "kind": f"{kind}List",
            "metadata": {"resourceVersion": self.version(kind)},
            "items": self.select(kind, namespace, query),
        }

    def initial_events(self, kind: str, namespace: str, query: Mapping[str, str]) -> list[bytes]:
        """The lines with which a watch with `sendInitialEvents` begins."""
        events = [{"type": "ADDED", "object": item} for item in self.select(kind, namespace, query)]
        end = {"resourceVersion": self.version(kind), "annotations": {"k8s.io/initial-events-end": "true"}}
        bookmark = {"apiVersion": RESOURCES[kind].api_version, "kind": kind, "metadata": end}
        return [json.dumps(event).encode() + b"\n" for event in [*events, {"type": "BOOKMARK", "object": bookmark}]]

    def select(self, kind: str, namespace: str, query: Mapping[str, str]) -> list[Object]:
        """The objects that a list with this query has."""
        matches = matcher(query.get("labelSelector"), query.get("fieldSelector"))
        named: Object = {"apiVersion": RESOURCES[kind].api_version, "kind": kind}
        items = [named | item for item in self._collections[kind].items]
        return [item for item in items if namespace in ("", item["metadata"].get("namespace", "")) and matches(item)]


def status(code: int, reason: str, message: str, details: Object | None = None) -> Object:
    """A Status object as an apiserver makes it."""
    made: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return made | ({"details": details} if details else {})
