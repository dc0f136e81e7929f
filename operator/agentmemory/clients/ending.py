"""Where access is taken away: with the client, and when nobody answers for the client any more.

Access errs on the other side than data: topics that cannot be deleted rightly stay, users go.
"""

from dataclasses import dataclass
from typing import Any

import structlog

from agentmemory.api.base import TenantRef
from agentmemory.api.memoryclient import MemoryClient
from agentmemory.clients.users import Users
from agentmemory.clients.world import World
from agentmemory.context import Context
from agentmemory.core.errors import OperatorError
from agentmemory.core.key import Key, key_of
from agentmemory.core.store import Store
from agentmemory.engines.lifecycle import confirm_ending, is_ending, namespace_is_ending, release
from agentmemory.kube.errors import NotLeading

log = structlog.get_logger(__name__)

Object = dict[str, Any]


@dataclass(frozen=True)
class Access:
    """A user on a cluster."""

    cluster: Key
    principal: str


def access_to_end(store: Store, world: World) -> list[Access]:
    """Where the client may have a user. Pure but for the store's look-ups.

    With a good frame that is one principal on one cluster. Without, the status says which principal it had: it counts
    only when it is made of this tenant's and this client's names and its segment is nobody else's now. Without a tenant
    any cluster beside it may be the one: none of them has another tenant of the name.
    """
    frame, client = world.frame, world.client
    if frame.tenant is not None and frame.segment is not None:
        return [Access(it, world.principal) for it in _live(store, [frame.cluster_key])]
    principal = recorded_principal(client, client.spec.tenant_ref)
    if principal is None:
        return []
    if frame.tenant is None:
        beside = [key_of(cluster) for cluster in store.list("MemoryCluster", frame.ref.namespace)]
        return [Access(it, principal) for it in _live(store, beside)]
    if principal.split(".")[1] in {entry.effective_segment for entry in frame.tenant.spec.namespaces}:
        return []
    return [Access(it, principal) for it in _live(store, [frame.cluster_key])]


def recorded_principal(client: MemoryClient, ref: TenantRef) -> str | None:
    """The principal in the status, if it can be this client's."""
    parts = (client.status.principal or "").split(".")
    good = len(parts) == 3 and (parts[0], parts[2]) == (ref.name, client.metadata.name)
    return client.status.principal if good else None


def _live(store: Store, clusters: list[Key]) -> list[Key]:
    """Clusters that are there to stay and have been up: on others there is no user."""
    found = ((key, store.get(key)) for key in clusters)
    return [
        key
        for key, obj in found
        if obj is not None
        and not is_ending(obj)
        and ((obj.get("status") or {}).get("bootstrapped") or (obj.get("status") or {}).get("clusterId"))
    ]


class Ending:
    """The destructive part of the client's story."""

    def __init__(self, context: Context, users: Users) -> None:
        self._context = context
        self._users = users

    async def end(self, obj: Object, world: World) -> None:
        """Take the user and its rules away, then let the client go. Raises what Kafka answered while it must wait.

        It does not wait for a Kafka that nobody answers for: when tenant or namespace go, one try is all.
        """
        targets = access_to_end(self._context.store, world)
        try:
            if targets:
                await confirm_ending(self._context.kube, obj)
            for target in targets:
                await self.revoke(target)
        except OperatorError as error:
            if not await self._may_let_go(world):
                raise
            left = [f"{target.principal} on {target.cluster}" for target in targets]
            log.warning("client goes, its user may stay", key=str(key_of(obj)), users=left, why=error.message)
        await release(self._context.kube, self._context.store, obj)

    async def revoke(self, target: Access) -> None:
        """Take everything of a user away; no write when there is nothing."""
        if not self._context.leading():
            raise NotLeading("NotLeading", "access is not taken away: this process does not hold its Lease")
        user = await self._users.observe(target.cluster, target.principal)
        if user.acls:
            await self._users.change_rules(target.cluster, (), user.acls)
        if user.scram:
            await self._users.take_mechanisms(target.cluster, target.principal, user.scram)
        if user.acls or user.scram:
            log.info("revoked", principal=target.principal, cluster=str(target.cluster))

    async def _may_let_go(self, world: World) -> bool:
        tenant = world.frame.tenant
        if tenant is None or tenant.metadata.deletion_timestamp is not None:
            return True
        namespace = world.client.metadata.namespace
        return await namespace_is_ending(self._context.kube, self._context.store, namespace)
