"""The object table and its event log: one resourceVersion counter, one line of events a kind, as a watch cache has."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from agentmemory.core.key import Key, key_of

Object = dict[str, Any]
START = 100
# Events of each kind that a server of its own keeps: some twenty seconds of its fastest.
EVENTS = 30_000


class Entry:
    """One committed state of an object; never changed in place. `raw` is its JSON, made once for all who want it."""

    __slots__ = ("_raw", "key", "obj")

    def __init__(self, key: Key, obj: Object) -> None:
        self.key = key
        self.obj = obj
        self._raw: bytes | None = None

    @property
    def raw(self) -> bytes:
        if self._raw is None:
            self._raw = orjson.dumps(self.obj)
        return self._raw

    def release(self) -> None:
        """It is history: whoever is late makes its JSON again."""
        self._raw = None

    def copy(self) -> Object:
        """A copy that the caller may change."""
        made: Object = orjson.loads(self.raw)
        return made


class Event:
    """One change. `previous` is the object before it, None for ADDED."""

    __slots__ = ("entry", "previous", "type", "version")

    def __init__(self, version: int, type_: str, entry: Entry, previous: Object | None) -> None:
        self.version = version
        self.type = type_
        self.entry = entry
        self.previous = previous

    @property
    def obj(self) -> Object:
        return self.entry.obj

    @property
    def kind(self) -> str:
        return self.entry.key.kind


class Lane:
    """The objects of one kind, their latest events, and who waits for more."""

    def __init__(self, compacted: int = 0) -> None:
        self.entries: dict[Key, Entry] = {}
        self.events: list[Event] = []
        self.compacted = compacted  # no watch may begin before this version
        self.lost = 0  # version of the last event that was dropped
        self.wake: list[Callable[[], None]] = []
        self._sorted: list[Key] | None = []

    def order(self) -> list[Key]:
        """The keys in the order of a list: by namespace and name."""
        if self._sorted is None:
            self._sorted = sorted(self.entries)
        return self._sorted

    def since(self, version: int) -> list[Event]:
        """Events after `version`, oldest first."""
        return _since(self.events, version)

    def changed_names(self) -> None:
        """A name came or went."""
        self._sorted = None

    def compact(self, version: int) -> None:
        """Forget all events."""
        self.compacted = version
        self.lost = self.events[-1].version if self.events else self.lost
        self.events.clear()

    def publish(self, event: Event, limit: int | None) -> None:
        self.events.append(event)
        dropped = _trim(self.events, limit)
        if dropped:
            self.compacted = self.lost = dropped
        for wake in self.wake:
            wake()


class Objects:
    """All objects, with indexes for what must not be a scan: namespaces, owners, uids."""

    def __init__(self) -> None:
        self.by_namespace: dict[str, dict[Key, None]] = {}
        self.dependents: dict[str, dict[Key, None]] = {}  # uid of the owner -> who names it
        self.uids: dict[str, Key] = {}

    def added(self, entry: Entry, previous: Entry | None) -> None:
        key, metadata = entry.key, entry.obj["metadata"]
        if previous is None:
            self.uids[metadata["uid"]] = key
            self.by_namespace.setdefault(key.namespace, {})[key] = None
            self._own(key, owner_uids(metadata), ())
        else:
            self._own(key, owner_uids(metadata), owner_uids(previous.obj["metadata"]))

    def removed(self, entry: Entry) -> None:
        key, metadata = entry.key, entry.obj["metadata"]
        self.uids.pop(metadata["uid"], None)
        inside = self.by_namespace[key.namespace]
        inside.pop(key)
        if not inside:
            del self.by_namespace[key.namespace]
        self._own(key, (), owner_uids(metadata))

    def _own(self, key: Key, now: tuple[str, ...], before: tuple[str, ...]) -> None:
        if now == before:
            return
        for uid in before:
            named = self.dependents.get(uid, {})
            named.pop(key, None)
            if not named:
                self.dependents.pop(uid, None)
        for uid in now:
            self.dependents.setdefault(uid, {})[key] = None


class Log:
    """Every commit makes a new Entry. `limit` bounds the events kept (per kind, and in all); None keeps them all."""

    def __init__(self, limit: int | None = None) -> None:
        self.version = START
        self.index = Objects()
        self.events: list[Event] = []  # of all kinds, for whoever replays them
        self._limit = limit
        self._compacted = 0
        self._lanes: dict[str, Lane] = {}

    def lane(self, kind: str) -> Lane:
        """The lane of a kind, made when first asked for."""
        found = self._lanes.get(kind)
        if found is None:
            found = self._lanes[kind] = Lane(self._compacted)
        return found

    def find(self, key: Key) -> Entry | None:
        """The object's present state."""
        return self.lane(key.kind).entries.get(key)

    def __len__(self) -> int:
        return sum(len(lane.entries) for lane in self._lanes.values())

    def __iter__(self) -> Iterator[Key]:
        for lane in self._lanes.values():
            yield from lane.entries

    def commit(self, obj: Object) -> Entry:
        """Store a new state of the object under the next version."""
        key = key_of(obj)
        lane = self.lane(key.kind)
        previous = lane.entries.get(key)
        entry = self._stamp(key, obj)
        lane.entries[key] = entry
        if previous is None:
            lane.changed_names()
        else:
            previous.release()
        self.index.added(entry, previous)
        self._publish(lane, "MODIFIED" if previous else "ADDED", entry, previous)
        return entry

    def remove(self, key: Key) -> Entry:
        """Take the object away; its DELETED event carries the last state under a version of its own."""
        lane = self.lane(key.kind)
        previous = lane.entries.pop(key)
        lane.changed_names()
        self.index.removed(previous)
        entry = self._stamp(key, previous.obj)
        self._publish(lane, "DELETED", entry, previous)
        return entry

    def since(self, version: int) -> list[Event]:
        """Events of all kinds after `version`, oldest first."""
        return _since(self.events, version)

    def compact(self) -> None:
        """Forget all events: a watch from an older version gets 410."""
        self.events.clear()
        self._compacted = self.version
        for lane in self._lanes.values():
            lane.compact(self.version)

    def _stamp(self, key: Key, obj: Object) -> Entry:
        self.version += 1
        return Entry(key, {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}})

    def _publish(self, lane: Lane, type_: str, entry: Entry, previous: Entry | None) -> None:
        event = Event(self.version, type_, entry, previous.obj if previous else None)
        self.events.append(event)
        _trim(self.events, self._limit)
        lane.publish(event, self._limit)


def owner_uids(metadata: Object) -> tuple[str, ...]:
    """Whom the object names as its owners."""
    references = metadata.get("ownerReferences")
    return tuple(reference["uid"] for reference in references) if references else ()


def _since(events: list[Event], version: int) -> list[Event]:
    if not events or events[-1].version <= version:
        return []
    return events[bisect_right(events, version, key=lambda event: event.version) :]


def _trim(events: list[Event], limit: int | None) -> int:
    """Drop the oldest once there are a quarter too many; the version of the last one dropped, 0 for none."""
    if limit is None or len(events) <= limit + limit // 4:
        return 0
    excess = len(events) - limit
    last = events[excess - 1].version
    del events[:excess]
    return last
