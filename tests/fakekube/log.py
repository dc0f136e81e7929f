"""The object table and its event log: one resourceVersion counter, one line of events, as etcd has."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agentmemory.core.key import Key, key_of

Object = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """One change. `previous` is the object before it, None for ADDED."""

    version: int
    type: str
    obj: Object
    previous: Object | None

    @property
    def kind(self) -> str:
        return str(self.obj["kind"])


class Log:
    """Committed objects are never changed in place; every commit makes a new dict."""

    def __init__(self) -> None:
        self.version = 100
        self.objects: dict[Key, Object] = {}
        self.events: list[Event] = []
        self.compacted = 0
        self.wake: list[Callable[[], None]] = []

    def commit(self, obj: Object) -> Object:
        """Store a new state of the object under the next version."""
        key = key_of(obj)
        previous = self.objects.get(key)
        stamped = self._stamp(obj)
        self.objects[key] = stamped
        self._publish("MODIFIED" if previous else "ADDED", stamped, previous)
        return stamped

    def remove(self, key: Key) -> Object:
        """Take the object away; its DELETED event carries the last state under a version of its own."""
        previous = self.objects.pop(key)
        stamped = self._stamp(previous)
        self._publish("DELETED", stamped, previous)
        return stamped

    def since(self, version: int) -> list[Event]:
        """Events after `version`, oldest first."""
        first = self.events[0].version if self.events else self.version + 1
        return self.events[max(0, version + 1 - first) :]

    def compact(self) -> None:
        """Forget all events: a watch from an older version gets 410."""
        self.compacted = self.version
        self.events.clear()

    def _stamp(self, obj: Object) -> Object:
        self.version += 1
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}

    def _publish(self, type_: str, obj: Object, previous: Object | None) -> None:
        self.events.append(Event(self.version, type_, obj, previous))
        for wake in [*self.wake]:
            wake()
