"""Status writes: only what changed, only onto the object that was looked at."""

import re
from typing import Any

from agentmemory.core.errors import Invalid
from agentmemory.core.key import key_of
from agentmemory.core.store import Store
from agentmemory.kube.client import KubeClient
from agentmemory.kube.events import post

Object = dict[str, Any]
_LONGEST_EVENT = 1024  # characters of an Event's message (core/v1 validation)
# In a refusal's words: a field of the status itself is wrong, so it is our mistake and not the object's.
_OUR_FAULT = re.compile(r"(?:: |\[|, )status[.\[:]")


async def write_status(kube: KubeClient, store: Store, obj: Object, status: Object) -> bool:
    """Make `obj`'s status equal to `status` (complete: a field that is missing is removed). True when it was written.

    Equal: no call. The write carries uid and resourceVersion of `obj`: when the object changed meanwhile it raises
    Stale and the reconcile runs again on the new state. Gone: nothing to do, False.

    The API server validates the whole object with its status, CEL rules without ratcheting: an object of an older CRD
    that the present one refuses takes no status. What Ready would say is then posted as an Event, once.
    """
    patch = merge_diff(obj.get("status") or {}, status)
    if not patch or store.was_told(obj, _ready(status)):
        return False
    metadata = obj["metadata"]
    try:
        with store.expecting(key_of(obj), lambda seen: seen.get("status") == status and same_but_for(seen, obj)):
            written = await kube.merge_patch(
                key_of(obj),
                {"status": patch},
                subresource="status",
                resource_version=metadata.get("resourceVersion"),
                uid=metadata.get("uid"),
            )
    except Invalid as refused:
        if _OUR_FAULT.search(refused.message):
            raise
        await _tell_otherwise(kube, store, obj, status, refused)
        return False
    if written is None:
        # Gone, and the watch has not said so: what is made for it now would be collected and made again without end.
        store.drop(key_of(obj), metadata.get("uid"))
        return False
    store.put(written)
    return True


def same_but_for(seen: Object, obj: Object, *fields: str) -> bool:
    """Whether two states of an object differ in its status, in these fields of its metadata and in nothing else."""
    own = {"resourceVersion", "managedFields", *fields}
    metadata, known = seen["metadata"], obj["metadata"]
    return seen.get("spec") == obj.get("spec") and all(
        metadata.get(field) == known.get(field) for field in (metadata.keys() | known.keys()) - own
    )


async def _tell_otherwise(kube: KubeClient, store: Store, obj: Object, status: Object, refused: Invalid) -> None:
    ready = next((found for found in status.get("conditions") or () if found["type"] == "Ready"), None)
    if ready is None:
        raise refused
    words = f"{ready['message']}; its status cannot be written while the spec is refused: {refused.message}"
    await post(kube, obj, ready["reason"], words[:_LONGEST_EVENT], ready["lastTransitionTime"])
    store.tell(obj, _ready(status))


def _ready(status: Object) -> str:
    """What a status says in short."""
    return " ".join(
        f"{found['status']} {found['reason']} {found['message']}"
        for found in status.get("conditions") or ()
        if found["type"] == "Ready"
    )


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
