"""The story of a MemoryTenant: check the frame, give the tenant role its rights in the tenant's namespaces, say so.

Rights that no tenant asks for any more are taken back by whichever tenant is looked at next: what shall be is a
function of all tenants, so nothing has to be remembered. The finalizer is there for that alone.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import structlog

from agentmemory.api.base import parse
from agentmemory.api.conditions import Phase, phase_of_error
from agentmemory.api.memorytenant import MemoryTenant
from agentmemory.context import Context
from agentmemory.core.errors import Denied, Invalid, Transient
from agentmemory.core.key import Key, key_of
from agentmemory.core.outcome import Again, Done, Outcome
from agentmemory.engines import residency
from agentmemory.engines.lifecycle import hold, is_ending, is_paused, release
from agentmemory.engines.wake import Changes
from agentmemory.kube.errors import AlreadyExists, NamespaceEnding
from agentmemory.kube.status import write_status
from agentmemory.tenants import desired, policy
from agentmemory.tenants.world import (
    BINDING,
    World,
    cluster_namespaces,
    gather,
    granted,
    is_ours,
    is_protected,
    listed,
)

log = structlog.get_logger(__name__)

Object = dict[str, Any]
# Namespaces are not watched: one that is missing is looked for again after so many seconds.
LOOK_AGAIN = 15.0


class TenantReconciler:
    """Runs in the platform role."""

    kind = "MemoryTenant"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._clusters = Changes(context.store, _cluster_matters)

    def owners(self, obj: dict[str, Any]) -> Iterable[Key]:
        """The tenants that a cluster, a binding or another tenant bears on."""
        key, tenants = key_of(obj), self._context.store.list(self.kind)
        match key.kind:
            case "MemoryCluster" if self._clusters.matter(obj):
                return [key_of(it) for it in tenants if _is_on(it, key) or key.namespace in listed(it)]
            case "RoleBinding" if key.name == BINDING:
                return [key_of(it) for it in tenants if key.namespace in listed(it)]
            case "MemoryTenant":  # the other one of the name may have taken its prefix
                return [key_of(it) for it in tenants if it["metadata"]["name"] == key.name]
            case _:
                return ()

    async def reconcile(self, key: Key) -> Outcome:
        """Bring the rights in the tenant's namespaces to what is declared, or say why not."""
        context = self._context
        obj = context.store.get(key)
        if obj is None or is_paused(obj):
            return Done()
        try:
            await self._take_back()
        except Denied as error:
            await self._say(obj, None, phase_of_error(error))
            raise
        if is_ending(obj):
            await release(context.kube, context.store, obj)
            return Done()
        try:
            world = gather(context.store, parse(MemoryTenant, obj), context.settings.namespace)
        except Invalid as error:
            await self._say(obj, None, phase_of_error(error))
            return Done()
        found = policy.judge(world)
        if found is not None:
            await self._say(obj, world, found)
            return Done()
        return await self._serve(await hold(context.kube, context.store, obj), world)

    async def _serve(self, obj: Object, world: World) -> Outcome:
        names = [entry.name for entry in world.tenant.spec.namespaces]
        bindings = granted(self._context.store)
        troubles = {name: found for name in names if (found := await self._grant(name, bindings.get(name))) is not None}
        await self._say(obj, world, policy.served(world, troubles), [name for name in names if name not in troubles])
        return Again(LOOK_AGAIN, "some namespaces are not served") if troubles else Done()

    async def _grant(self, namespace: str, live: Object | None) -> Phase | None:
        """See to the binding in one namespace; what stands in the way there, or None."""
        wanted = desired.role_binding(namespace, self._context.settings.namespace)
        if live is not None and desired.is_right(live, wanted):
            return None
        try:
            if live is not None and desired.binds_right_role(live, wanted):
                return await self._correct(live, wanted)
            if live is not None:
                await self._delete(live)
            return await self._create(namespace, wanted)
        except Denied as error:
            return phase_of_error(error)

    async def _create(self, namespace: str, wanted: Object) -> Phase | None:
        context = self._context
        found = await context.kube.get(Key("Namespace", "", namespace))
        if found is None:
            return policy.namespace_missing(namespace)
        if is_ending(found):
            return policy.namespace_ending(namespace)
        try:
            context.store.put(await context.kube.create(wanted))
        except NamespaceEnding:
            return policy.namespace_ending(namespace)
        except AlreadyExists:
            return await self._look_at(key_of(wanted))
        log.info("granted", namespace=namespace)
        return None

    async def _look_at(self, key: Key) -> Phase | None:
        """A binding that the watch did not show: somebody else's, or ours and its news are on their way."""
        live = await self._context.kube.get(key)
        if live is None or is_ours(live):
            raise Transient("Unseen", f"{key} came or went a moment ago; it is looked at again")
        return policy.binding_foreign(key.namespace, key.name)

    async def _correct(self, live: Object, wanted: Object) -> Phase | None:
        metadata = live["metadata"]
        body = {"subjects": wanted["subjects"]}
        written = await self._context.kube.merge_patch(
            key_of(live), body, resource_version=metadata["resourceVersion"], uid=metadata["uid"]
        )
        if written is not None:
            self._context.store.put(written)
            log.info("corrected", namespace=metadata["namespace"])
            return None
        return await self._create(metadata["namespace"], wanted)

    async def _take_back(self) -> None:
        """Delete our bindings where no tenant lists the namespace, or where none may have it."""
        store, operator_namespace = self._context.store, self._context.settings.namespace
        if not all(store.synced(kind) for kind in ("MemoryTenant", "MemoryCluster")):
            return  # not all tenants are known yet: what looks unwanted may be wanted
        of_clusters = cluster_namespaces(store)
        wanted = frozenset[str]().union(*(listed(tenant) for tenant in store.list(self.kind)))
        for namespace, binding in granted(store).items():
            if namespace not in wanted or is_protected(namespace, operator_namespace, of_clusters):
                await self._delete(binding)
                log.info("took back", namespace=namespace)

    async def _delete(self, binding: Object) -> None:
        uid = binding["metadata"]["uid"]
        await self._context.kube.delete(key_of(binding), uid=uid)
        self._context.store.drop(key_of(binding), uid)

    async def _say(self, obj: Object, world: World | None, phase: Phase, served: list[str] | None = None) -> None:
        status = desired.status(obj, world, phase, served, self._context.clock.now())
        await write_status(self._context.kube, self._context.store, obj, status)


def _is_on(tenant: Mapping[str, Any], cluster: Key) -> bool:
    ref = (tenant.get("spec") or {}).get("clusterRef") or {}
    return (tenant["metadata"].get("namespace"), ref.get("name")) == (cluster.namespace, cluster.name)


def _cluster_matters(obj: Mapping[str, Any] | None) -> Hashable:
    """What tenants read of a cluster."""
    if obj is None:
        return None
    metadata, status = obj["metadata"], obj.get("status") or {}
    ending = metadata.get("deletionTimestamp") is not None
    places = residency.summary(status)
    return metadata.get("uid"), metadata.get("generation"), ending, status.get("clusterId"), places
