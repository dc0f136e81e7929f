"""How objects end: finalizers, namespaces that terminate, garbage collection: at once."""

from collections.abc import Callable
from typing import Any

from agentmemory.core.key import Key

from .answers import ApiError, details_of, failed_precondition, not_found, terminating
from .kinds import KINDS, FakeKind
from .log import Entry, Log, owner_uids

Object = dict[str, Any]

FOREGROUND = "foregroundDeletion"
KEPT_NAMESPACES = frozenset({"default", "kube-system", "kube-public"})


class Ending:
    """Part of Verbs. `forget` is called for each object that is gone.

    With `strays` an object whose owners were gone before it came is collected as well, at once.
    """

    def __init__(self, log: Log, stamp: Callable[[], str], strays: bool) -> None:
        self._strays = strays
        self.forget: Callable[[Key, str], None] = _nothing
        self._log = log
        self._stamp = stamp

    def check_namespace(self, kind: FakeKind, key: Key) -> None:
        """Raises ApiError when nothing new may come into the namespace."""
        namespace = self._log.find(Key("Namespace", "", key.namespace))
        if namespace is None:
            raise not_found(KINDS["Namespace"], key.namespace)
        if namespace.obj["metadata"].get("deletionTimestamp"):
            raise terminating(kind, key.namespace, key.name)

    def delete(self, entry: Entry, options: Object) -> tuple[Entry, bool]:
        """Delete the object as the options say; with whether it is gone."""
        key, policy = entry.key, options.get("propagationPolicy")
        _check_preconditions(entry, options.get("preconditions") or {})
        if policy == "Orphan":
            self._orphan(entry.obj["metadata"]["uid"])
        if key.kind == "Namespace":
            return self._end_namespace(entry)
        if policy == "Foreground":
            return self._foreground(entry)
        if entry.obj["metadata"].get("finalizers"):
            return self._mark(entry), False
        self.remove(key)
        return entry, True

    def remove(self, key: Key) -> None:
        """The object goes now, and what its end brings with it."""
        gone = self._log.remove(key).obj["metadata"]
        self.forget(key, gone["uid"])
        self._collect(gone["uid"])
        for uid in owner_uids(gone):
            self._release(uid)
        self._maybe_end(key.namespace)

    def settle(self, key: Key) -> None:
        """After a write: an object whose owners are all gone goes as well."""
        entry = self._log.find(key) if self._strays else None
        if entry is None:
            return
        uids = owner_uids(entry.obj["metadata"])
        if uids and not any(self._alive(uid, key) for uid in uids):
            self.delete(entry, {})

    # --- garbage collection ---

    def _alive(self, uid: str, dependent: Key) -> bool:
        owner = self._log.index.uids.get(uid)
        return owner is not None and owner.namespace in ("", dependent.namespace)

    def _collect(self, uid: str) -> None:
        """Dependents whose owners are all gone go too; others lose the reference."""
        for key in [*self._log.index.dependents.get(uid, ())]:
            entry = self._log.find(key)
            if entry is None:
                continue
            if any(self._alive(other, key) for other in owner_uids(entry.obj["metadata"])):
                self._disown(entry, uid)
            else:
                self.delete(entry, {})

    def _orphan(self, uid: str) -> None:
        for key in [*self._log.index.dependents.get(uid, ())]:
            entry = self._log.find(key)
            if entry is not None:
                self._disown(entry, uid)

    def _disown(self, entry: Entry, uid: str) -> None:
        metadata = dict(entry.obj["metadata"])
        kept = [reference for reference in metadata.pop("ownerReferences") if reference["uid"] != uid]
        if kept:
            metadata["ownerReferences"] = kept
        self._log.commit({**entry.obj, "metadata": metadata})

    def _foreground(self, entry: Entry) -> tuple[Entry, bool]:
        metadata = entry.obj["metadata"]
        finalizers = metadata.get("finalizers") or []
        if FOREGROUND not in finalizers:
            entry = self._log.commit({**entry.obj, "metadata": {**metadata, "finalizers": [*finalizers, FOREGROUND]}})
        marked = self._mark(entry)
        uid = metadata["uid"]
        for key in [*self._log.index.dependents.get(uid, ())]:
            dependent = self._log.find(key)
            if dependent is not None and not self._others(dependent, uid):
                self.delete(dependent, {})
        self._release(uid)
        return marked, self._log.find(entry.key) is None

    def _others(self, dependent: Entry, uid: str) -> bool:
        owners = owner_uids(dependent.obj["metadata"])
        return any(other != uid and self._alive(other, dependent.key) for other in owners)

    def _release(self, uid: str) -> None:
        """An owner that waits for its dependents goes after the last that blocks it."""
        key = self._log.index.uids.get(uid)
        entry = self._log.find(key) if key is not None else None
        if key is None or entry is None:
            return
        finalizers = entry.obj["metadata"].get("finalizers") or []
        if FOREGROUND not in finalizers or any(self._blocks(dependent, uid) for dependent in self._dependents(uid)):
            return
        kept = [name for name in finalizers if name != FOREGROUND]
        if not kept:
            self.remove(key)
        else:
            self._log.commit({**entry.obj, "metadata": {**entry.obj["metadata"], "finalizers": kept}})

    def _dependents(self, uid: str) -> list[Entry]:
        found = (self._log.find(key) for key in self._log.index.dependents.get(uid, ()))
        return [entry for entry in found if entry is not None]

    def _blocks(self, dependent: Entry, uid: str) -> bool:
        references = dependent.obj["metadata"].get("ownerReferences") or ()
        return any(one["uid"] == uid and one.get("blockOwnerDeletion") for one in references)

    # --- marks and namespaces ---

    def _mark(self, entry: Entry) -> Entry:
        live = entry.obj
        if live["metadata"].get("deletionTimestamp"):
            return entry
        metadata = {**live["metadata"], "deletionTimestamp": self._stamp(), "deletionGracePeriodSeconds": 0}
        if KINDS[entry.key.kind].has_generation:
            metadata["generation"] += 1
        return self._log.commit({**live, "metadata": metadata})

    def _end_namespace(self, entry: Entry) -> tuple[Entry, bool]:
        name, live = entry.key.name, entry.obj
        if name in KEPT_NAMESPACES:
            said = f'namespaces "{name}" is forbidden: this namespace may not be deleted'
            raise ApiError(403, said, details=details_of(KINDS["Namespace"], name))
        if not live["metadata"].get("deletionTimestamp"):
            metadata = {**live["metadata"], "deletionTimestamp": self._stamp()}
            status = {**(live.get("status") or {}), "phase": "Terminating"}
            entry = self._log.commit({**live, "metadata": metadata, "status": status})
            for key in [*self._log.index.by_namespace.get(name, ())]:
                inner = self._log.find(key)
                if inner is not None:
                    self.delete(inner, {})
            self._maybe_end(name)
        return entry, self._log.find(entry.key) is None

    def _maybe_end(self, name: str) -> None:
        key = Key("Namespace", "", name)
        namespace = self._log.find(key) if name else None
        if namespace is None or not namespace.obj["metadata"].get("deletionTimestamp"):
            return
        if name not in self._log.index.by_namespace and not namespace.obj["metadata"].get("finalizers"):
            self._log.remove(key)


def _check_preconditions(entry: Entry, preconditions: Object) -> None:
    kind, metadata = KINDS[entry.key.kind], entry.obj["metadata"]
    for field, told in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        wanted = preconditions.get(field)
        if wanted and wanted != metadata[field]:
            raise failed_precondition(kind, entry.key.name, told, wanted, metadata[field])


def _nothing(_: Key, __: str) -> None:
    """Nobody cares."""
