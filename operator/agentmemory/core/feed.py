"""From the watch into the store, and what is known about the watch's health.

A watch can die silently (its connection hangs, its task ends) while the process lives on. The resync compares a list
with what the watch brought: a change that the list shows and the watch still has not delivered after a grace period
proves that it is dead. Missed deletes prove nothing: after a re-list a watch may honestly skip them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agentmemory.core.key import Key, key_of
from agentmemory.core.metrics import Metrics
from agentmemory.core.store import Object, Store, version_of

PATIENCE = 5


@dataclass
class Feed:
    """Every watch event goes through `event`; every list of the resync through `listed`."""

    store: Store
    metrics: Metrics = field(default_factory=Metrics)
    # key -> the version that a list showed and the watch owes us, and since when (monotonic seconds)
    _owed: dict[Key, tuple[int, float]] = field(default_factory=dict)
    # kind -> how many events came
    _events: dict[str, int] = field(default_factory=dict)
    # kind -> (events at the last look, since when (monotonic seconds) none came)
    _silence: dict[str, tuple[int, float]] = field(default_factory=dict)

    def event(self, kind: str, type_: str | None, raw: dict[str, Any]) -> None:
        """One event of the watch; type None is an object that was there when the watch started."""
        self._events[kind] = self._events.get(kind, 0) + 1
        obj = raw if "kind" in raw else {**raw, "kind": kind}
        key = key_of(obj)
        self.metrics.watch_events.labels(kind, type_ or "LISTED").inc()
        self._settle(key, obj)
        if type_ == "DELETED":
            self.store.drop(key, obj["metadata"].get("uid"))
        else:
            self.store.put(obj)

    def listed(
        self, kind: str, objs: list[Object], version: str, now: float, namespace: str | None = None
    ) -> list[Key]:
        """Compare a list with the store and repair the store; returns the keys that differed."""
        listing = Listing(self, kind, namespace)
        listing.page(objs, now)
        differed = listing.end(version)
        if namespace is None:
            self.store.mark_synced(kind)
        return differed

    def _shown(self, key: Key, obj: Object, now: float) -> None:
        """A list showed a change that we did not know: the watch owes it."""
        self.metrics.resync_repairs.labels(key.kind, "changed").inc()
        owed = version_of(obj["metadata"])
        if owed is not None:
            self._owed[key] = (owed, self._owed.get(key, (0, now))[1])

    def _vanished(self, key: Key) -> None:
        self.metrics.resync_repairs.labels(key.kind, "vanished").inc()
        self._owed.pop(key, None)

    @property
    def owed(self) -> int:
        """How many changes a list has shown that the watch has not brought yet."""
        return len(self._owed)

    def overdue(self, now: float, grace: float) -> list[Key]:
        """Keys whose change the watch has owed us for too long: it is dead.

        Too long is `grace` seconds without any event of the kind, or PATIENCE times that when others still come
        (a slow start with many objects). To be asked every now and then: it looks whether events have come since.
        """
        for kind, count in self._events.items():
            if self._silence.get(kind, (-1, 0.0))[0] != count:
                self._silence[kind] = (count, now)

        def late(key: Key, since: float) -> bool:
            quiet_since = max(since, self._silence.get(key.kind, (0, since))[1])
            return now - quiet_since > grace or now - since > PATIENCE * grace

        return [key for key, (_, since) in self._owed.items() if late(key, since)]

    def _settle(self, key: Key, obj: Object) -> None:
        owed = self._owed.get(key)
        seen = version_of(obj["metadata"])
        if owed is not None and (seen is None or seen >= owed[0]):
            del self._owed[key]


class Listing:
    """One list, taken over page by page: so no more than a page of it is in memory beside the store."""

    def __init__(self, feed: Feed, kind: str, namespace: str | None = None) -> None:
        self._feed = feed
        self._kind = kind
        self._namespace = namespace
        self._listed: set[Key] = set()
        self._differed: list[Key] = []

    def page(self, objs: Iterable[Object], now: float) -> None:
        """Some of the objects, read at monotonic time `now`."""
        for obj in objs:
            key = key_of(obj)
            self._listed.add(key)
            if self._feed.store.put(obj):
                self._differed.append(key)
                self._feed._shown(key, obj, now)

    def end(self, version: str) -> list[Key]:
        """That was all, at the list's resourceVersion `version`; returns the keys that differed from the store."""
        vanished = self._feed.store.keep(self._kind, self._listed, self._namespace, version)
        for key in vanished:
            self._feed._vanished(key)
        return self._differed + vanished
