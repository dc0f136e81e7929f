"""From a change in the store to the keys that must be looked at again."""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol

import structlog

from agentmemory.core.key import Key, key_of
from agentmemory.core.metrics import Metrics
from agentmemory.core.outcome import Outcome
from agentmemory.core.queue import KeyedQueue, Priority
from agentmemory.core.store import Object, Store

log = structlog.get_logger(__name__)

# The key that the running task reconciles: what it writes itself need not wake it again.
CURRENT: ContextVar[Key | None] = ContextVar("agentmemory_current_key", default=None)
# Whether a user asked for that: it need not wait for what nobody waits for.
URGENT: ContextVar[bool] = ContextVar("agentmemory_urgent", default=False)


class Reconciler(Protocol):
    """One kind's story. Level-triggered and idempotent: the key says where to look, never what happened."""

    kind: str

    def owners(self, obj: dict[str, Any]) -> Iterable[Key]:
        """The keys of `kind` to look at after `obj`, of any watched kind, came, changed or went.

        An object of `kind` itself needs no mention. Must be quick and must not raise on odd objects.
        """
        ...

    async def reconcile(self, key: Key) -> Outcome:
        """Look at the world around `key` and bring it one step nearer to what is declared."""
        ...


class Router:
    """A store listener that enqueues owners."""

    def __init__(
        self, store: Store, queue: KeyedQueue, reconcilers: Mapping[str, Reconciler], metrics: Metrics | None = None
    ) -> None:
        self._store = store
        self._queue = queue
        self._reconcilers = reconcilers
        self._metrics = metrics or Metrics()

    def __call__(self, new: Object | None, previous: Object | None) -> None:
        """Enqueue whoever cares for this change, but not the key whose own reconcile made it.

        One that finds itself gone has still to clear up behind itself.
        """
        made_by = (None if new is None else self._store.written_by(new)) or CURRENT.get()
        gone = key_of(previous) if new is None and previous is not None else None
        for key in self.keys(new, previous):
            if key != made_by or key == gone:
                self._queue.add(key, self._priority(key, new, previous))

    def keys(self, new: Object | None, previous: Object | None) -> set[Key]:
        """The keys that depend on the object, as it is and as it was."""
        found: set[Key] = set()
        for obj in (new, previous):
            if obj is None:
                continue
            own = key_of(obj)
            if own.kind in self._reconcilers:
                found.add(own)
            for reconciler in self._reconcilers.values():
                found.update(self._owners(reconciler, obj))
        return found

    def _owners(self, reconciler: Reconciler, obj: Object) -> tuple[Key, ...]:
        try:
            return tuple(reconciler.owners(obj))
        except Exception:
            # One odd object must not stop the watch for all others; the resync still visits its owner.
            self._metrics.owner_errors.labels(key_of(obj).kind).inc()
            log.exception("cannot tell the owners of an object", object=str(key_of(obj)), kind=reconciler.kind)
            return ()

    def _priority(self, key: Key, new: Object | None, previous: Object | None) -> Priority:
        obj = new or previous
        if obj is None or not self._store.synced(obj["kind"]):
            return Priority.RESYNC
        return Priority.USER if key == key_of(obj) and _asked(new, previous) else Priority.CHILD


def _asked(new: Object | None, previous: Object | None) -> bool:
    """Whether somebody asked for something: created, deleted, changed the spec or an annotation."""
    if new is None or previous is None:
        return True
    fields = ("generation", "deletionTimestamp", "annotations", "labels")
    return any(new["metadata"].get(field) != previous["metadata"].get(field) for field in fields)
