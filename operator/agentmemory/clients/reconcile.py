"""The story of a MemoryClient: agree, see to its Secret, its user and its rules, say how it stands.

The Secret comes first and decides the password; Kafka is compared with it at every look (see model.iterations_of), so a
crash between any two writes is made good by the next look.
"""

from collections.abc import Awaitable, Hashable, Iterable, Mapping
from typing import Any

import structlog

from agentmemory.api.base import parse
from agentmemory.api.conditions import Phase, phase_of_error, stalled
from agentmemory.api.memoryclient import MemoryClient
from agentmemory.clients import desired, policy
from agentmemory.clients.credentials import Credentials, RightsPending
from agentmemory.clients.ending import Ending, access_to_end
from agentmemory.clients.model import User, iterations_of, mechanism_of
from agentmemory.clients.users import DirectUsers, Users
from agentmemory.clients.world import World, gather, read_family
from agentmemory.context import Context
from agentmemory.core.errors import Conflict, Denied, Invalid
from agentmemory.core.key import Key, key_of
from agentmemory.core.outcome import Again, Done, Outcome
from agentmemory.engines.handover import Handover
from agentmemory.engines.lifecycle import hold, is_ending, is_paused, release
from agentmemory.engines.outage import Breaker, Outages, Unanswered
from agentmemory.engines.wake import Changes, FrameWatch
from agentmemory.kube.errors import NotLeading
from agentmemory.kube.status import write_status

log = structlog.get_logger(__name__)

Object = dict[str, Any]
# Seconds until the rights on Secrets are tried again.
RIGHTS_PENDING = 2.0


class ClientReconciler:
    """Runs in the tenant role."""

    kind = "MemoryClient"

    def __init__(self, context: Context, users: Users | None = None, credentials: Credentials | None = None) -> None:
        """`users`: how Kafka is reached; by default each client for itself."""
        self._context = context
        handover = Handover(context.kube, context.settings.namespace, context.clock)
        self._users = users or DirectUsers(context.kafka, handover, Breaker(context.clock), lambda: context.leading())
        self._credentials = credentials or Credentials(context.kube)
        self._ending = Ending(context, self._users)
        self._outages = Outages(context.enqueue)
        self._frames = FrameWatch(context.store, self.kind)
        self._families = Changes(context.store, _family_matters)

    def owners(self, obj: dict[str, Any]) -> Iterable[Key]:
        """The clients of a tenant, of a cluster's tenants, or of a family that came, went or changed its priority."""
        if obj["kind"] != "TopicFamily":
            return self._frames.owners(obj)
        key = key_of(obj)
        if not self._families.matter(obj):
            return ()
        clients = self._context.store.list(self.kind, key.namespace)
        return [key_of(client) for client in clients if key.name in _named(client)]

    async def reconcile(self, key: Key) -> Outcome:
        """Bring the client's access to what it declares, or say why not."""
        obj = self._context.store.get(key)
        if obj is None or is_paused(obj):
            return Done()
        try:
            client = parse(MemoryClient, obj)
        except Invalid as error:
            return await self._unreadable(obj, error)
        world = gather(self._context.store, client)
        if is_ending(obj):
            return await self._asking(key, obj, world, self._end(obj, world))
        found = policy.judge(world)
        if found is not None:
            return await self._asking(key, obj, world, self._refuse(key, obj, world, found))
        obj = await hold(self._context.kube, self._context.store, obj)
        return await self._asking(key, obj, world, self._keep(obj, world))

    async def _asking(self, key: Key, obj: Object, world: World, story: Awaitable[Outcome]) -> Outcome:
        """Tell the client's author what stands in the way of a part of the story."""
        try:
            return await story
        except Unanswered as error:
            await self._say(obj, world, phase_of_error(error))
            return self._outages.wait(key, error)
        except RightsPending as error:
            await self._say(obj, world, policy.rights_pending(world))
            return Again(RIGHTS_PENDING, error.message)
        except (Denied, Conflict, Invalid) as error:
            await self._say(obj, world, stalled(error.reason, error.message))
            raise

    async def _unreadable(self, obj: Object, error: Invalid) -> Outcome:
        """An object of an older CRD, or edited past the API. To end it, its tenant and its status are enough."""
        if not is_ending(obj):
            await self._say(obj, None, phase_of_error(error))
            return Done()
        try:
            world = gather(self._context.store, parse(MemoryClient, without_access(obj)))
        except Invalid:
            log.warning("client goes unread, its user may stay", key=str(key_of(obj)), why=error.message)
            await release(self._context.kube, self._context.store, obj)
            return Done()
        return await self._asking(key_of(obj), obj, world, self._end(obj, world))

    async def _end(self, obj: Object, world: World) -> Outcome:
        await self._ending.end(obj, world)
        return Done()

    async def _refuse(self, key: Key, obj: Object, world: World, found: Phase) -> Outcome:
        """What is refused gains nothing, and loses what it must not have."""
        had_access = world.client.status.principal is not None
        try:
            if had_access and found.reason in policy.WITHDRAWN and self._context.store.synced("MemoryTenant"):
                for target in access_to_end(self._context.store, world):
                    await self._ending.revoke(target)
                had_access = False
            elif had_access and policy.is_own_finding(world):
                await self._rules(world, grant=False)
        except Unanswered as error:
            await self._say(obj, world, found)
            return self._outages.wait(key, error)
        await self._say(obj, world, found, given=None if had_access else False)
        return Done()

    async def _keep(self, obj: Object, world: World) -> Outcome:
        cluster = world.frame.cluster_key
        live = await self._credentials.read(world)
        user = await self._users.observe(cluster, world.principal)
        self._outages.over(cluster)
        password = await self._credentials.password(world, live, user)
        await self._credentials.write(world, live, password, await self._users.authority(cluster))
        await self._password(world, user, password)
        await self._rules(world, user, grant=True)
        await self._credentials.drop_former(world)
        await self._say(obj, world, policy.served(world), given=True)
        return Done()

    async def _password(self, world: World, user: User, password: str) -> None:
        """Kafka has the Secret's password, by the one mechanism that is declared."""
        cluster, principal = world.frame.cluster_key, world.principal
        mechanism, iterations = mechanism_of(world.client.spec.authentication), iterations_of(password)
        if user.scram.get(mechanism) != iterations:
            self._check_leading()
            await self._users.set_password(cluster, principal, mechanism, password, iterations)
            log.info("set password", principal=principal, cluster=str(cluster))
        others = [other for other in user.scram if other != mechanism]
        if others:
            self._check_leading()
            await self._users.take_mechanisms(cluster, principal, others)

    async def _rules(self, world: World, user: User | None = None, *, grant: bool) -> None:
        """Kafka has exactly the wanted rules; without `grant` no more than these."""
        cluster = world.frame.cluster_key
        has = (user or await self._users.observe(cluster, world.principal)).acls
        wanted = desired.acls(world)
        missing, surplus = (wanted - has if grant else frozenset()), has - wanted
        if missing or surplus:
            self._check_leading()
            await self._users.change_rules(cluster, missing, surplus)
            log.info("changed rules", principal=world.principal, given=len(missing), taken=len(surplus))

    def _check_leading(self) -> None:
        if not self._context.leading():
            raise NotLeading("NotLeading", "access is not changed: this process does not hold its Lease")

    async def _say(self, obj: Object, world: World | None, phase: Phase, *, given: bool | None = None) -> None:
        status = desired.status(obj, world, phase, self._context.clock.now(), given=given)
        await write_status(self._context.kube, self._context.store, obj, status)


def without_access(obj: Mapping[str, Any]) -> Object:
    """The client with no more of its spec than says whose it is."""
    placeholder = [{"family": "none", "operations": ["Consume"]}]
    spec = obj.get("spec") or {}
    return {**obj, "spec": {"tenantRef": spec.get("tenantRef"), "access": placeholder}}


def _family_matters(obj: Mapping[str, Any] | None) -> Hashable:
    """What clients read of a family; None when it is gone for them."""
    return read_family(obj)


def _named(client: Mapping[str, Any]) -> set[Any]:
    entries = (client.get("spec") or {}).get("access") or ()
    return {entry.get("family") for entry in entries if isinstance(entry, Mapping)}
