"""Objects that we make for an owner: created by POST, changed only while they carry that owner's uid.

What admission or defaulting adds to an object is none of our business, so objects are compared by a hash of what we
asked for, kept in the annotation `agentmemory.dev/spec-hash`. An update is a PUT of the whole desired object: what we
no longer ask for goes away, labels and annotations of others stay.
"""

import hashlib
import json
from typing import Any

import structlog

from agentmemory.api.labels import SPEC_HASH
from agentmemory.core.errors import Conflict, Transient
from agentmemory.core.key import Key, key_of
from agentmemory.core.router import CURRENT
from agentmemory.core.store import Store
from agentmemory.kube.client import KubeClient
from agentmemory.kube.errors import AlreadyExists

log = structlog.get_logger(__name__)

Object = dict[str, Any]
# Seconds until the next look at an object that is gone; a list finds it missing at the latest.
OWNER_GONE = 10.0


def spec_hash(desired: Object) -> str:
    """16 hex digits over the whole desired object, its own hash annotation left out."""
    metadata = desired.get("metadata", {})
    annotations = {name: value for name, value in (metadata.get("annotations") or {}).items() if name != SPEC_HASH}
    content = {**desired, "metadata": {**metadata, "annotations": annotations}}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def with_hash(desired: Object) -> Object:
    """The desired object with its hash as annotation; one that is already there is kept."""
    metadata = desired["metadata"]
    annotations = metadata.get("annotations") or {}
    if SPEC_HASH in annotations:
        return desired
    return {**desired, "metadata": {**metadata, "annotations": {**annotations, SPEC_HASH: spec_hash(desired)}}}


def hash_of(obj: Object) -> str | None:
    """The hash that a live object was made from."""
    value = (obj["metadata"].get("annotations") or {}).get(SPEC_HASH)
    return value if isinstance(value, str) else None


def is_owned(obj: Object, owner_uid: str) -> bool:
    """Whether one of the object's ownerReferences carries this uid."""
    return any(reference.get("uid") == owner_uid for reference in obj["metadata"].get("ownerReferences") or ())


async def ensure(kube: KubeClient, store: Store, desired: Object, owner_uid: str) -> Object:
    """Create `desired`, or update it when its hash differs; returns the live object.

    Of a kind that is not watched (Secrets) the live object is read first. Raises Conflict when an object of that name
    belongs to someone else, Transient while ours is being deleted.
    """
    key = key_of(desired)
    wanted = with_hash(desired)
    live = store.get(key) if store.synced(key.kind) else await kube.get(key)

    def is_echo(seen: Object) -> bool:
        return hash_of(seen) == hash_of(wanted) and is_owned(seen, owner_uid)

    if live is None:
        await check_owners(kube, store, desired)
        try:
            with store.expecting(key, is_echo, CURRENT.get()):
                return _keep(store, await kube.create(wanted))
        except AlreadyExists:
            live = await kube.get(key)
            if live is None:
                raise Transient("Gone", f"{key} was there and went away while it was created") from None
    _check_owner(live, owner_uid)
    if hash_of(live) == hash_of(wanted):
        return live
    log.info("update", object=str(key))
    with store.expecting(key, is_echo, CURRENT.get()):
        return _keep(store, await kube.update(_over(live, wanted)))


async def check_owners(kube: KubeClient, store: Store, desired: Object) -> None:
    """Ask whether the owners still live of what is made anew. Raises Transient when one is gone.

    Of a deleted object the watch may tell what the garbage collector took before it tells of the object itself, or
    never: what we made then would be collected again. An owner that was told of nothing yet was made a moment ago, and
    is not asked for.
    """
    namespace = desired["metadata"].get("namespace", "")
    for reference in desired["metadata"].get("ownerReferences") or ():
        key = Key(reference["kind"], namespace, reference["name"])
        known = store.get(key) if store.synced(key.kind) else None
        if known is None or not known.get("status"):
            continue
        live = await kube.get(key)
        if live is None or live["metadata"]["uid"] != reference["uid"]:
            raise Transient("OwnerGone", f"{key} is gone, the news of it are on their way", OWNER_GONE)


def _check_owner(live: Object, owner_uid: str) -> None:
    key = key_of(live)
    if not is_owned(live, owner_uid):
        raise Conflict(
            "NotOurs",
            f"{key.kind} {key.name} in namespace {key.namespace} exists and belongs to someone else;"
            " delete or rename it, or give this object another name",
        )
    if live["metadata"].get("deletionTimestamp"):
        raise Transient("Terminating", f"{key} is being deleted; it is made anew when it is gone")


def _over(live: Object, wanted: Object) -> Object:
    """The body of the PUT: all of `wanted`, with the identity, labels, annotations and finalizers that are there."""
    old, new = live["metadata"], wanted["metadata"]
    metadata = {**new, "uid": old["uid"], "resourceVersion": old["resourceVersion"]}
    for field in ("labels", "annotations"):
        merged = {**(old.get(field) or {}), **(new.get(field) or {})}
        if merged:
            metadata[field] = merged
    if old.get("finalizers"):
        metadata["finalizers"] = old["finalizers"]
    return {**wanted, "metadata": metadata}


def _keep(store: Store, obj: Object) -> Object:
    # Unwatched kinds (Secrets) never enter the store.
    if store.synced(obj["kind"]):
        store.put(obj)
    return obj
