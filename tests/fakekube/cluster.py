"""The fake's state for those in the same process: as Verbs, in copies that a test may keep and change."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from agentmemory.core.key import Key, key_of

from .definitions import Definitions
from .log import Log
from .verbs import Verbs, Writer

Object = dict[str, Any]


class FakeCluster:
    """The state and its verbs; every refusal is an ApiError. Synchronous: one verb is one transaction.

    `definitions` makes it refuse what our CRDs refuse (without CEL) and set their defaults; `events` bounds the events
    that are kept for watches. `faithful` also collects children that come after their owners went, and decodes
    Secrets: tests that act in place of a slow controller, or with Secrets of one letter, do without.
    """

    def __init__(
        self,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        definitions: Definitions | None = None,
        events: int | None = None,
        faithful: bool = False,
    ) -> None:
        self.log = Log(events)
        self.verbs = Verbs(self.log, now, definitions, faithful)

    # --- what tests use to act as somebody else (a user, a kubelet) ---

    def get(self, key: Key) -> Object:
        """A copy of the object. Raises ApiError 404."""
        return self.verbs.live(key).copy()

    def find(self, key: Key) -> Object | None:
        """A copy of the object, or None."""
        entry = self.log.find(key)
        return entry.copy() if entry is not None else None

    def list(self, kind: str, namespace: str | None = None) -> "list[Object]":
        """Copies, sorted by namespace and name."""
        lane = self.log.lane(kind)
        return [lane.entries[key].copy() for key in lane.order() if namespace in (None, key.namespace)]

    def put(self, obj: Object) -> Object:
        """Create the object (and its namespace), or merge it over the one that is there, as `kubectl apply` does."""
        key = key_of(obj)
        if key.namespace:
            self.namespace(key.namespace)
        return self.create(obj) if self.log.find(key) is None else self.patch(key, obj)

    def namespace(self, name: str) -> None:
        """Make sure that the namespace exists."""
        if self.log.find(Key("Namespace", "", name)) is None:
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def set_status(self, key: Key, status: Object) -> Object:
        """Merge into the status, as a kubelet or a controller would."""
        return self.patch(key, {"status": status}, "status")

    # --- verbs ---

    def create(self, obj: Object) -> Object:
        return self.verbs.create(_copy(obj)).copy()

    def update(self, obj: Object, subresource: str | None = None) -> Object:
        return self.verbs.update(_copy(obj), subresource)[0].copy()

    def patch(self, key: Key, patch: Object, subresource: str | None = None) -> Object:
        return self.verbs.patch(key, _copy(patch), subresource).copy()

    def apply(self, wanted: Object, manager: str, force: bool = True) -> Object:
        """Server-side apply of one manager."""
        return self.verbs.apply(_copy(wanted), None, Writer(manager, force))[0].copy()

    def delete(self, key: Key, options: Object | None = None) -> Object:
        """The object as it was, or as it is when something holds it."""
        return self.verbs.delete(key, options)[0].copy()


def _copy(obj: Object) -> Object:
    made: Object = orjson.loads(orjson.dumps(obj))
    return made
