"""Beginning and end of an object's care: paused, its finalizer, and a fresh look before anything is destroyed."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from agentmemory.api.labels import FINALIZER, PAUSED
from agentmemory.core.errors import Denied, Transient
from agentmemory.core.key import Key, key_of
from agentmemory.core.store import Store
from agentmemory.kube.client import KubeClient
from agentmemory.kube.errors import Stale
from agentmemory.kube.status import same_but_for

Object = dict[str, Any]


def is_paused(obj: Mapping[str, Any]) -> bool:
    """Whether a user asked to have it left alone."""
    return (obj["metadata"].get("annotations") or {}).get(PAUSED) == "true"


def is_ending(obj: Mapping[str, Any]) -> bool:
    """Whether it is being deleted."""
    return obj["metadata"].get("deletionTimestamp") is not None


def has_finalizer(obj: Mapping[str, Any]) -> bool:
    """Whether its deletion waits for us."""
    return FINALIZER in (obj["metadata"].get("finalizers") or ())


async def hold(kube: KubeClient, store: Store, obj: Object) -> Object:
    """Put our finalizer on and return the object as it then is; no call when it is there. Raises Stale on a change."""
    if has_finalizer(obj):
        return obj
    wanted = [*(obj["metadata"].get("finalizers") or ()), FINALIZER]
    with store.expecting(key_of(obj), partial(_is_echo, obj, wanted)):
        written = await _write(kube, obj, wanted)
    if written is None:
        raise Stale("Gone", f"{key_of(obj)} was deleted")
    store.put(written)
    return written


async def release(kube: KubeClient, store: Store, obj: Object) -> Object:
    """Take our finalizer off; the object may be gone after that. Raises Stale on a change."""
    if not has_finalizer(obj):
        return obj
    wanted = [name for name in obj["metadata"]["finalizers"] if name != FINALIZER]
    with store.expecting(key_of(obj), partial(_is_echo, obj, wanted)):
        written = await _write(kube, obj, wanted)
    if written is None or is_ending(written):
        return obj  # gone, or about to be told so by the watch
    store.put(written)
    return written


async def confirm_ending(kube: KubeClient, obj: Object) -> None:
    """Read the object and raise Stale unless it is still the one that is being deleted and waits for us.

    While it does, no other object can have its name: what is found under that name elsewhere is still its own.
    """
    live = await kube.get(key_of(obj))
    same = live is not None and live["metadata"].get("uid") == obj["metadata"].get("uid")
    if live is None or not same or not is_ending(live) or not has_finalizer(live):
        raise Stale("Gone", f"{key_of(obj)} is not waiting for its deletion any more")


async def confirm_unchanged(kube: KubeClient, obj: Object) -> None:
    """Read the object and raise Stale unless its spec is still the one that was looked at."""
    live = await kube.get(key_of(obj))
    fields = ("uid", "generation")
    if live is None or any(live["metadata"].get(field) != obj["metadata"].get(field) for field in fields):
        raise Stale("Changed", f"{key_of(obj)} changed since it was looked at")


async def namespace_is_ending(kube: KubeClient, store: Store, namespace: str) -> bool:
    """Whether the namespace is being deleted or gone; False when we cannot tell. One GET unless it is watched."""
    key = Key("Namespace", "", namespace)
    try:
        found = store.get(key) if store.synced("Namespace") else await kube.get(key)
    except (Transient, Denied):
        return False
    return found is None or is_ending(found)


def _is_echo(obj: Object, finalizers: list[str], seen: Object) -> bool:
    same_status = seen.get("status") == obj.get("status")
    return (
        (seen["metadata"].get("finalizers") or []) == finalizers
        and same_status
        and same_but_for(seen, obj, "finalizers")
    )


async def _write(kube: KubeClient, obj: Object, finalizers: list[str]) -> Object | None:
    metadata = obj["metadata"]
    return await kube.merge_patch(
        key_of(obj),
        {"metadata": {"finalizers": finalizers}},
        resource_version=metadata.get("resourceVersion"),
        uid=metadata.get("uid"),
    )
