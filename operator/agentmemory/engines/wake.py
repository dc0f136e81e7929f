"""Which changes elsewhere wake whom: a starting broker must not wake ten thousand families.

Only an economy: a change that is missed here is met at the next resync.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from agentmemory.api.conditions import condition, is_ready
from agentmemory.core.key import Key, key_of
from agentmemory.core.store import Store
from agentmemory.engines import residency

Object = Mapping[str, Any]


class Changes:
    """Tells a change that matters from one that does not, by what a reader reads of the object."""

    def __init__(self, store: Store, read: Callable[[Object | None], Hashable]) -> None:
        self._store = store
        self._read = read
        self._known: dict[Key, Hashable] = {}

    def matter(self, obj: Object) -> bool:
        """Whether the object, as the store has it now, differs in what `read` reads from when this was last asked."""
        key = key_of(obj)
        known, now = self._known.get(key), self._read(self._store.get(key))
        if now is None:
            self._known.pop(key, None)
        else:
            self._known[key] = now
        return known != now


class FrameWatch:
    """Wakes those of one kind that stand in a tenant's frame when the tenant or its cluster changes."""

    def __init__(self, store: Store, kind: str) -> None:
        self._store = store
        self._kind = kind
        self._frames = Changes(store, frame_of)
        self._readiness = Changes(store, readiness_of)

    def owners(self, obj: Object) -> list[Key]:
        """All of the frame; when no more than readiness changed, those that are not ready themselves."""
        if obj["kind"] not in ("MemoryTenant", "MemoryCluster"):
            return []
        frame, readiness = self._frames.matter(obj), self._readiness.matter(obj)
        if not frame and not readiness:
            return []
        tenants = self._tenants(obj)
        inside = (one for one in self._store.list(self._kind) if tenant_of(one) in tenants)
        return [key_of(one) for one in inside if frame or not is_ready(one)]

    def _tenants(self, obj: Object) -> set[Key]:
        key = key_of(obj)
        if key.kind == "MemoryTenant":
            return {key}
        tenants = self._store.list("MemoryTenant", key.namespace)
        return {key_of(tenant) for tenant in tenants if _spec(tenant, "clusterRef").get("name") == key.name}


def tenant_of(obj: Object) -> Key:
    """The tenant that a family or client refers to; empty names when it says none."""
    ref = _spec(obj, "tenantRef")
    return Key("MemoryTenant", ref.get("namespace", ""), ref.get("name", ""))


def frame_of(obj: Object | None) -> Hashable:
    """What those inside the frame read of a tenant or a cluster; counts and messages come and go without them."""
    if obj is None:
        return None
    metadata, status = obj["metadata"], obj.get("status") or {}
    return (
        metadata.get("uid"),
        metadata.get("generation"),
        metadata.get("deletionTimestamp") is not None,
        _verdict(status, "Accepted"),
        status.get("bootstrapped"),
        status.get("clusterId"),
        status.get("bootstrapServers"),
        residency.summary(status),
    )


def readiness_of(obj: Object | None) -> Hashable:
    """Whether a tenant or a cluster is ready."""
    return None if obj is None else _verdict(obj.get("status") or {}, "Ready")


def _verdict(status: Object, type_: str) -> str | None:
    found = condition(status.get("conditions") or (), type_)
    return None if found is None else found.get("status")


def _spec(obj: Object, field: str) -> Object:
    found = (obj.get("spec") or {}).get(field)
    return found if isinstance(found, Mapping) else {}
