"""Status writes: only what changed, only onto the object that was looked at."""

from typing import Any

from agentmemory.core.key import key_of
from agentmemory.core.store import Store
from agentmemory.kube.client import KubeClient

Object = dict[str, Any]


async def write_status(kube: KubeClient, store: Store, obj: Object, status: Object) -> bool:
    """Make `obj`'s status equal to `status` (complete: a field that is missing is removed). True when it was written.

    Equal: no call. The write carries uid and resourceVersion of `obj`: when the object changed meanwhile it raises
    Stale and the reconcile runs again on the new state. Gone: nothing to do, False.
    """
    patch = merge_diff(obj.get("status") or {}, status)
    if not patch:
        return False
    metadata = obj["metadata"]
    written = await kube.merge_patch(
        key_of(obj),
        {"status": patch},
        subresource="status",
        resource_version=metadata.get("resourceVersion"),
        uid=metadata.get("uid"),
    )
    if written is None:
        return False
    store.put(written)
    return True


def merge_diff(old: Object, new: Object) -> Object:
    """The JSON merge patch (RFC 7386) that turns `old` into `new`; {} when they are equal. Lists go whole."""
    patch: Object = {name: None for name in old if name not in new}
    for name, value in new.items():
        known = old.get(name)
        if isinstance(value, dict) and isinstance(known, dict):
            inner = merge_diff(known, value)
            if inner:
                patch[name] = inner
        elif name not in old or known != value:
            patch[name] = value
    return patch
