"""Writes on a node's objects: each idempotent, each safe to repeat after a crash between any two of them."""

from dataclasses import dataclass
from typing import Any

import structlog

from agentmemory.api.conditions import Phase, stalled
from agentmemory.api.labels import CLUSTER, MANAGED_BY, MANAGER
from agentmemory.core.clock import Clock
from agentmemory.core.errors import Conflict, Denied, Invalid, Transient
from agentmemory.core.key import Key, key_of
from agentmemory.core.store import Store
from agentmemory.domain.units import parse_quantity
from agentmemory.engines.pods import PodView
from agentmemory.engines.shared import Shared
from agentmemory.kube.client import KubeClient
from agentmemory.kube.errors import AlreadyExists
from agentmemory.kube.owned import check_owners, ensure, is_owned

Object = dict[str, Any]
log = structlog.get_logger(__name__)

# Seconds until the garbage collector has taken what an earlier object of this name left behind.
OLD_ONE = 2.0


@dataclass(frozen=True)
class Tools:
    """What the functions of this layer work with."""

    kube: KubeClient
    store: Store
    clock: Clock
    shared: Shared


class Taken(Conflict):
    """The name of a new node is somebody else's: its id is taken."""


async def own(tools: Tools, desired: Object, owner_uid: str) -> Object:
    """`kube.owned.ensure`, which is patient with what an earlier object of the same name left to the garbage collector.

    Raises Conflict when it belongs to somebody else.
    """
    try:
        return await ensure(tools.kube, tools.store, desired, owner_uid)
    except Conflict as error:
        key = key_of(desired)
        live = tools.store.get(key) or await tools.kube.get(key)
        if live is not None and not _is_left_over(live, desired):
            raise
        raise Transient(
            "LeftOver",
            f"{key.kind} {key.namespace}/{key.name} belongs to an earlier object of this name and goes with it; if "
            "that one was deleted with --cascade=orphan, delete it by hand",
            OLD_ONE,
        ) from error


async def ensure_claim(tools: Tools, desired: Object) -> Phase | None:
    """Makes a volume claim, or brings the one that is there up to date: annotations of ours, and a size that grew.

    Claims have no owner. Returns a finding when the volume cannot grow.
    """
    key = key_of(desired)
    live = tools.store.get(key)
    if live is None:
        await _create_claim(tools, desired)
        return None
    wanted = desired["metadata"]["annotations"]
    has = live["metadata"].get("annotations") or {}
    missing = {name: value for name, value in wanted.items() if has.get(name) != value}
    if missing:
        await _patch(tools, live, {"metadata": {"annotations": missing}})
    return await _grow(tools, live, desired["spec"]["resources"]["requests"]["storage"])


async def create_pod(tools: Tools, desired: Object, owner_uid: str) -> None:
    """POST; of an existing one only ours is fine. Raises Taken for another's, which is how an id is locked."""
    key = key_of(desired)
    await check_owners(tools.kube, tools.store, desired)
    try:
        made = await tools.kube.create(desired)
    except AlreadyExists as error:
        live = await tools.kube.get(key)
        if live is None:
            raise Transient("Gone", f"{key} was there and went away while it was created", OLD_ONE) from error
        if not is_owned(live, owner_uid):
            if _is_left_over(live, desired) and live["metadata"].get("deletionTimestamp"):
                raise Transient("LeftOver", f"{key} of an earlier object is still ending", OLD_ONE) from error
            raise Taken("NameTaken", f"pod {key.namespace}/{key.name} exists and is not this object's") from error
        made = live
    else:
        log.info("made", object=str(key))
    tools.store.put(made)


async def end_pod(tools: Tools, namespace: str, pod: PodView, why: str, *, grace: int | None = None) -> None:
    """Deletes exactly this pod, in the state in which it was judged."""
    log.info("replace", pod=f"{namespace}/{pod.name}", why=why)
    await tools.kube.delete(
        Key("Pod", namespace, pod.name), uid=pod.uid, resource_version=pod.version, grace_seconds=grace
    )
    tools.shared.ending.add(pod.uid)


async def _create_claim(tools: Tools, desired: Object) -> None:
    key = key_of(desired)
    try:
        tools.store.put(await tools.kube.create(desired))
    except AlreadyExists as error:
        live = await tools.kube.get(key)
        if live is not None and not _is_left_over(live, desired):
            raise Conflict(
                "ClaimNotOurs",
                f"volume claim {key.namespace}/{key.name} exists without the operator's labels; delete it, or give it "
                f"the labels {', '.join(f'{name}={value}' for name, value in desired['metadata']['labels'].items())}",
            ) from error
        raise Transient("Gone", f"{key} was made by somebody else just now", OLD_ONE) from error
    log.info("made", object=str(key))


async def _grow(tools: Tools, live: Object, storage: str) -> Phase | None:
    size = ((live.get("spec") or {}).get("resources") or {}).get("requests", {}).get("storage", storage)
    if parse_quantity(storage) <= parse_quantity(size):
        return None
    try:
        await _patch(tools, live, {"spec": {"resources": {"requests": {"storage": storage}}}})
    except (Invalid, Denied) as error:
        name = live["metadata"]["name"]
        return stalled(
            "VolumeCannotGrow",
            f"volume claim {name} stays at {size}: {error.message}; use a StorageClass with allowVolumeExpansion, or "
            "move to a new pool",
        )
    return None


async def _patch(tools: Tools, live: Object, body: Object) -> None:
    written = await tools.kube.merge_patch(key_of(live), body, uid=live["metadata"]["uid"])
    if written is not None:
        tools.store.put(written)


def _is_left_over(live: Object, desired: Object) -> bool:
    """Whether it was made by us for a cluster of the same name."""
    has, wants = live["metadata"].get("labels") or {}, desired["metadata"]["labels"]
    return has.get(MANAGED_BY) == MANAGER and has.get(CLUSTER) == wants.get(CLUSTER)
