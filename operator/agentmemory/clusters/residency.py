"""Looks at where a MemoryCluster's data rests: buckets and volumes from the store, machines by name.

A volume is marked with the region for which it was first used. So whoever deletes a cluster and makes it again under
its name with another region meets the old region on the volumes that stayed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from agentmemory.api.base import parse
from agentmemory.api.labels import REGION
from agentmemory.api.memorybucket import MemoryBucket
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.clusters.machines import Machines
from agentmemory.clusters.world import World
from agentmemory.core.errors import Invalid
from agentmemory.core.key import Key, key_of
from agentmemory.core.store import Store
from agentmemory.engines import places
from agentmemory.engines.apply import Tools
from agentmemory.engines.places import View, Volume
from agentmemory.engines.roster import belonging

Object = dict[str, Any]
log = structlog.get_logger(__name__)

SELECTED_NODE = "volume.kubernetes.io/selected-node"
"""Annotation of the scheduler: the machine for which a volume that waits for its first pod is made."""


class Residency:
    """One per process: machines are shared by all clusters."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._machines = Machines(tools.clock)

    def known(self, world: World) -> World:
        """With what the store tells, before anything is written or read elsewhere."""
        region = world.cluster.spec.region
        if region is None:
            return world
        store = self._tools.store
        view = View(
            cluster=world.cluster,
            region=region,
            pods={pod.name: pod.node_name for pod in world.pods.values() if pod.node_name is not None},
            volumes=_volumes(store, world.key),
            buckets=buckets_of(store, world.cluster),
        )
        return replace(world, view=view)

    async def look(self, world: World) -> World:
        """With all places judged; machines are read, and new volumes marked."""
        world = self.known(world)
        if world.view is None:
            return world
        await self._mark(world.key, world.view)
        found = await self._machines.look(self._tools.kube, world.view.on)
        view = replace(world.view, machines=found)
        return replace(world, view=view, places=places.find(view))

    async def _mark(self, cluster: Key, view: View) -> None:
        """Write the region on the claims that have none. One with another region is left as it is: it is told."""
        for _, claim in belonging(self._tools.store, "PersistentVolumeClaim", cluster):
            metadata = claim["metadata"]
            if REGION in (metadata.get("annotations") or {}) or metadata.get("deletionTimestamp"):
                continue
            body = {"metadata": {"annotations": {REGION: view.region.name}}}
            written = await self._tools.kube.merge_patch(
                key_of(claim), body, resource_version=metadata["resourceVersion"], uid=metadata["uid"]
            )
            if written is not None:
                self._tools.store.put(written)
                log.info("marked", claim=metadata["name"], region=view.region.name)


def buckets_of(store: Store, cluster: MemoryCluster) -> dict[str, MemoryBucket | None]:
    """The MemoryBuckets that a cluster names; None for one that is not there or cannot be read."""
    return {name: _bucket(store, cluster.metadata.namespace, name) for name in bucket_names(cluster)}


def bucket_names(cluster: MemoryCluster) -> tuple[str, ...]:
    """The names of the MemoryBuckets in which a cluster keeps data."""
    storage, tiering = cluster.spec.object_storage, cluster.spec.tiering
    refs = [] if storage is None else [storage.data_bucket_ref, storage.ops_bucket_ref]
    refs += [tiering.bucket_ref] if tiering is not None and tiering.bucket_ref is not None else []
    return tuple(sorted({ref.name for ref in refs}))


def clusters_on(store: Store, namespace: str, bucket: str) -> list[Key]:
    """The clusters that keep data in a MemoryBucket, those that cannot be parsed too."""
    return [key_of(obj) for obj in store.list("MemoryCluster", namespace) if bucket in _named(obj.get("spec") or {})]


def _named(spec: Mapping[str, Any]) -> set[str]:
    parts = (spec.get("objectStorage"), spec.get("tiering"))
    refs = [value for part in parts if isinstance(part, Mapping) for value in part.values()]
    return {str(ref["name"]) for ref in refs if isinstance(ref, Mapping) and "name" in ref}


def _bucket(store: Store, namespace: str, name: str) -> MemoryBucket | None:
    try:
        return store.derive(Key("MemoryBucket", namespace, name), _parsed)
    except Invalid:
        return None


def _parsed(obj: Object) -> MemoryBucket:
    return parse(MemoryBucket, obj)


def _volumes(store: Store, cluster: Key) -> Mapping[str, Volume]:
    found = {}
    for _, claim in belonging(store, "PersistentVolumeClaim", cluster):
        marks = claim["metadata"].get("annotations") or {}
        found[claim["metadata"]["name"]] = Volume(marks.get(REGION), marks.get(SELECTED_NODE))
    return found
