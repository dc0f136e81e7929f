"""What the operator knows of the cluster: one trimmed copy of every watched object.

Watch events, the resync's lists and the answers to our own writes all come in through `put`, `drop` and `replace`; the
newest resourceVersion wins, so that the echo of our own write changes nothing and wakes nobody. Listeners hear of real
changes only.

Objects are shared, not copied: callers must not change what they get. Belongs to one event loop; not thread-safe.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from sys import intern
from typing import Any, TypeVar

from agentmemory.core.key import Key, key_of

Object = dict[str, Any]
# (new or None when it vanished, previous or None when it is new)
Listener = Callable[[Object | None, Object | None], None]
T = TypeVar("T")

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Late news of this many deleted objects is still recognised as late.
REMEMBERED_UIDS = 20_000


class Store:
    """Objects by kind, namespace and name."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, dict[str, Object]]] = {}
        self._synced: set[str] = set()
        self._gone: OrderedDict[str, None] = OrderedDict()
        # key -> how it was made -> the object that it was made of, and what came out
        self._made: dict[Key, dict[Any, tuple[Object, Any]]] = {}
        # key -> the object about which something was told in another way than by its status, and what
        self._told: dict[Key, tuple[Object, str]] = {}
        # key -> how to tell the echo of our write that is under way
        self._expected: dict[Key, tuple[Callable[[Object], bool], Key]] = {}
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call `listener(new, previous)` after every change, synchronously."""
        self._listeners.append(listener)

    def get(self, key: Key) -> Object | None:
        """The object, or None when it does not exist as far as we know."""
        return self._kinds.get(key.kind, {}).get(key.namespace, {}).get(key.name)

    def derive(self, key: Key, make: Callable[[Object], T]) -> T | None:
        """`make(object)`, kept until the object changes; None when there is no object. What `make` raises is not kept.

        For the few objects that many others refer to.
        """
        obj = self.get(key)
        if obj is None:
            return None
        made_so = self._made.setdefault(key, {})
        known = made_so.get(make)
        if known is None or known[0] is not obj:
            known = made_so[make] = (obj, make(obj))
        made: T = known[1]
        return made

    @contextmanager
    def expecting(self, key: Key, is_echo: Callable[[Object], bool], by: Key | None = None) -> Iterator[None]:
        """While a write of ours is under way: its echo may come before its answer, and is no news to who writes.

        That is `by`, or the object itself. Only the first state that looks so is the echo: a later one is news.
        """
        self._expected[key] = (is_echo, by or key)
        try:
            yield
        finally:
            self._expected.pop(key, None)

    def written_by(self, obj: Object) -> Key | None:
        """Whose write that is under way made the object what it is; None for what is no echo."""
        key = key_of(obj)
        is_echo, by = self._expected.get(key, (None, None))
        if is_echo is None or not is_echo(obj):
            return None
        del self._expected[key]
        return by

    def tell(self, obj: Object, what: str) -> None:
        """Remember that `what` was told about this very state of the object, which cannot say it itself."""
        self._told[key_of(obj)] = (obj, what)

    def was_told(self, obj: Object, what: str) -> bool:
        """Whether `tell` was called so."""
        known, told = self._told.get(key_of(obj), (None, ""))
        return known is obj and told == what

    def put(self, obj: Object) -> bool:
        """Take over a complete object. True when it was news: a newer resourceVersion, and not known as gone."""
        key, metadata = key_of(obj), obj["metadata"]
        previous = self.get(key)
        if metadata.get("uid") in self._gone or (previous is not None and not _newer(metadata, previous["metadata"])):
            return False
        trimmed = trim(obj, previous)
        self._kinds.setdefault(key.kind, {}).setdefault(key.namespace, {})[key.name] = trimmed
        self._tell(trimmed, previous)
        return True

    def drop(self, key: Key, uid: str | None = None) -> bool:
        """Forget an object that is gone. With `uid`, only that incarnation; True when something was forgotten."""
        if uid is not None:
            self._remember_gone(uid)
        previous = self.get(key)
        if previous is None or (uid is not None and previous["metadata"].get("uid") != uid):
            return False
        self._remember_gone(previous["metadata"].get("uid"))
        self._made.pop(key, None)
        self._told.pop(key, None)
        names = self._kinds[key.kind][key.namespace]
        del names[key.name]
        if not names:
            del self._kinds[key.kind][key.namespace]
        self._tell(None, previous)
        return True

    def replace(
        self, kind: str, objs: Iterable[Object], namespace: str | None = None, version: str | None = None
    ) -> list[Key]:
        """Take over a whole list of a kind (of one namespace when given) and return the keys that changed or vanished.

        `version` is the list's resourceVersion: what we know to be newer than the list is left alone.
        """
        keys: list[Key] = []
        listed: set[Key] = set()
        for obj in objs:
            listed.add(key_of(obj))
            if self.put(obj):
                keys.append(key_of(obj))
        keys += self.keep(kind, listed, namespace, version)
        if namespace is None:
            self.mark_synced(kind)
        return keys

    def keep(
        self, kind: str, listed: Collection[Key], namespace: str | None = None, version: str | None = None
    ) -> list[Key]:
        """Drop what a complete list did not mention, unless it is newer than the list; returns the keys dropped."""
        vanished = [
            obj
            for obj in self.list(kind, namespace)
            if key_of(obj) not in listed and not _is_after(obj["metadata"], version)
        ]
        for obj in vanished:
            self.drop(key_of(obj), obj["metadata"].get("uid"))
        return [key_of(obj) for obj in vanished]

    def mark_synced(self, kind: str) -> None:
        """Everything of `kind` that existed at the start has come in."""
        self._synced.add(kind)

    def synced(self, kind: str) -> bool:
        """Whether an object of `kind` that is not here does not exist (but for the watch's delay)."""
        return kind in self._synced

    def list(self, kind: str, namespace: str | None = None) -> list[Object]:
        """All objects of a kind, of one namespace or of all."""
        if namespace is not None:
            return [*self._kinds.get(kind, {}).get(namespace, {}).values()]
        return [*self._each(kind)]

    def _each(self, kind: str) -> Iterator[Object]:
        for names in self._kinds.get(kind, {}).values():
            yield from names.values()

    def _tell(self, new: Object | None, previous: Object | None) -> None:
        for listener in self._listeners:
            listener(new, previous)

    def _remember_gone(self, uid: str | None) -> None:
        if uid is None:
            return
        self._gone[uid] = None
        if len(self._gone) > REMEMBERED_UIDS:
            self._gone.popitem(last=False)


def trim(obj: Object, previous: Object | None = None) -> Object:
    """A copy without what nobody here reads: managedFields and kubectl's copy of the last applied manifest.

    Equal strings are shared between all objects: ten thousand families of one kind of text need less than half. What is
    as in `previous`, a trimmed one, is shared with it: most changes are of the status alone.
    """
    metadata = obj["metadata"]
    if "managedFields" in metadata or LAST_APPLIED in (metadata.get("annotations") or ()):
        kept = {name: value for name, value in metadata.items() if name not in ("managedFields", "annotations")}
        annotations = metadata.get("annotations") or {}
        kept_annotations = {name: value for name, value in annotations.items() if name != LAST_APPLIED}
        if kept_annotations:
            kept["annotations"] = kept_annotations
        obj = {**obj, "metadata": kept}
    known = previous or {}
    metadata = _fields(obj["metadata"], known.get("metadata") or {})
    others = _fields({name: inner for name, inner in obj.items() if name != "metadata"}, known)
    return others | {"metadata": metadata}


def _fields(value: Object, known: Object) -> Object:
    return {
        intern(name): known[name] if name in known and known[name] == inner else _shared(inner)
        for name, inner in value.items()
    }


def _shared(value: Any) -> Any:
    # Nine in ten are strings: those cost no call of their own.
    kind = type(value)
    if kind is str:
        return intern(value)
    if kind is dict:
        return {intern(name): intern(inner) if type(inner) is str else _shared(inner) for name, inner in value.items()}
    if kind is list:
        return [intern(inner) if type(inner) is str else _shared(inner) for inner in value]
    return value


def version_of(metadata: Object) -> int | None:
    """The resourceVersion as the number that it is since Kubernetes 1.35 (KEP-5504), None for a foreign form."""
    text = metadata.get("resourceVersion", "")
    return int(text) if text.isdigit() else None


def _newer(new: Object, known: Object) -> bool:
    new_version, known_version = version_of(new), version_of(known)
    if new_version is None or known_version is None:
        return new.get("resourceVersion") != known.get("resourceVersion")
    return new_version > known_version


def _is_after(metadata: Object, version: str | None) -> bool:
    if version is None:
        return False
    known = version_of(metadata)
    return known is not None and version.isdigit() and known > int(version)
