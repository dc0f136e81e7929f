"""The story of a BrokerPool: find its cluster, make its brokers one by one, roll out what changed, say how it stands.

Brokers have ids that are unique in the cluster, over all pools; a broker that is lost comes back under its own.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import structlog

from agentmemory.api.base import parse
from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.conditions import Phase, phase_of_error
from agentmemory.api.labels import CLUSTER, POOL
from agentmemory.brokers import ending, leaving, policy, status
from agentmemory.brokers.nodes import Writer
from agentmemory.brokers.retire import Retirer
from agentmemory.brokers.world import World, cluster_name, gather, keeps_nothing, pools_of, siblings, tools_of
from agentmemory.context import Context
from agentmemory.core.errors import Bug, Invalid, OperatorError
from agentmemory.core.key import Key, key_of
from agentmemory.core.outcome import Again, Done, Outcome
from agentmemory.domain.names import FIRST_BROKER_ID
from agentmemory.engines.apply import Taken
from agentmemory.engines.kafka import certificates
from agentmemory.engines.kafka.pki import Pair
from agentmemory.engines.lifecycle import has_finalizer, hold, is_ending, is_paused, release
from agentmemory.engines.placement import look_after
from agentmemory.engines.pods import PodState
from agentmemory.engines.rolling import advance
from agentmemory.engines.sight import Sight, look
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.nodes import ACTIVE
from agentmemory.kube.errors import NotLeading, Stale
from agentmemory.kube.status import write_status

log = structlog.get_logger(__name__)

Object = dict[str, Any]

# Seconds between two looks at a pool that is as declared: what Kafka knows is told by nobody.
AT_REST = 30.0
# Seconds until another free id is looked for.
TAKEN = 0.5


class PoolReconciler:
    """Runs in the platform role."""

    kind = "BrokerPool"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tools = tools_of(context)

    def owners(self, obj: dict[str, Any]) -> Iterable[Key]:
        """A cluster's pools; for a node's objects the pool on their label; for a pool those that it may outlive."""
        metadata = obj["metadata"]
        namespace = metadata.get("namespace", "")
        if obj["kind"] == "MemoryCluster":
            return [key_of(pool) for pool in pools_of(self._context.store, key_of(obj))]
        if obj["kind"] == self.kind:
            return self._unheld(obj)
        marks = metadata.get("labels") or {}
        return [Key(self.kind, namespace, marks[POOL])] if POOL in marks and CLUSTER in marks else []

    def _unheld(self, pool: Object) -> list[Key]:
        """Other pools of its cluster whose deletion does not wait for their brokers yet, and now should."""
        key = Key("MemoryCluster", pool["metadata"].get("namespace", ""), cluster_name(pool) or "")
        cluster = self._context.store.get(key)
        if cluster is None or not keeps_nothing(cluster):
            return []
        found = siblings(self._context.store, pool["metadata"]["name"], key)
        return [key_of(other) for other in found if not has_finalizer(other)]

    async def reconcile(self, key: Key) -> Outcome:
        """Bring the pool one step nearer to what it declares, and say where it stands."""
        obj = self._context.store.get(key)
        if obj is None or is_paused(obj) or (is_ending(obj) and not has_finalizer(obj)):
            return Done()
        try:
            world = await gather(self._context, self._tools, parse(BrokerPool, obj))
            if is_ending(obj):
                return await self._end(obj, world)
            if world.cluster is not None:
                obj = await (hold if ending.has_work(world) else release)(self._context.kube, self._context.store, obj)
            return await self._keep(obj, world)
        except (Stale, NotLeading):
            raise  # says something of the moment and nothing of the pool
        except OperatorError as error:
            await self._say(obj, status.of_trouble(obj, phase_of_error(error), self._context.clock.now()))
            raise

    async def _end(self, obj: Object, world: World) -> Outcome:
        """Its brokers leave before it goes."""
        if ending.goes_at_once(obj, world):
            return await self._release(obj)
        return await self._keep(obj, replace(world, pool=ending.emptied(world.pool)))

    async def _release(self, obj: Object) -> Outcome:
        await release(self._context.kube, self._context.store, obj)
        return Done()

    async def _keep(self, obj: Object, world: World) -> Outcome:
        found = policy.first(policy.GATES, world)
        if found is not None:
            await self._say(obj, status.of_trouble(obj, found, world.now))
            return Done()
        cluster, secret = world.cluster, world.authority
        if cluster is None or secret is None:
            raise Bug("GateOpen", "a pool without its cluster got past the gates")
        authority = certificates.authority_of(secret)
        if world.stateless:
            world = await self._part(world, authority)
        elif len(world.ids) < world.pool.spec.replicas:
            world = await self._ask(world, authority)  # a new broker must not take the id of one that Kafka remembers
        writer = Writer(self._context, self._tools, world, cluster, authority)
        for node_id in policy.wanted_ids(world):
            try:
                await writer.keep(node_id)
            except Taken as error:
                log.info("id is taken", pool=str(world.key), why=error.message)
                self._tools.shared.taken[world.cluster_key].add(node_id)
                return Again(TAKEN, error.message)
        return await self._judge(obj, world, writer, authority)

    async def _part(self, world: World, authority: Pair) -> World:
        """Decides which brokers leave, before others are made in their stead."""
        world = await self._ask(world, authority)
        retirer = Retirer(self._context, self._tools, world, await self._admin(world, authority))
        world = replace(world, silent=await retirer.silent())
        if not await retirer.mark(leaving.decide(world)):
            return world
        fresh = await gather(self._context, self._tools, world.pool)
        return replace(world, leaving=fresh.leaving, retiring=fresh.retiring)

    async def _judge(self, obj: Object, world: World, writer: Writer, authority: Pair) -> Outcome:
        fresh = await gather(self._context, self._tools, world.pool)
        fresh = replace(fresh, hindrances=tuple(writer.hindrances), silent=world.silent)
        world = await self._ask(fresh, authority)
        own = [pod for node_id, pod in world.pods.items() if node_id in world.ids]
        lost = await look_after(self._tools, world.key.namespace, own, world.sight)
        world = replace(world, lost=tuple(lost))
        admin = await self._admin(world, authority)
        rolling = await advance(
            self._tools, world.cluster_key, writer.hashes, admin, world.sight, policy.hold_of(world)
        )
        world = replace(world, rolling=rolling)
        if world.leaving:
            retirer = Retirer(self._context, self._tools, world, admin)
            world = replace(world, drains=await retirer.advance(rolling.message if rolling is not None else ""))
        if is_ending(obj) and world.nodes_error is not None:
            return await self._release(obj)  # nobody tells when a broker may be forgotten: they go with the pool
        phase = ending.told(policy.judge(world)) if is_ending(obj) else policy.judge(world)
        await self._say(obj, status.of_pool(obj, world, phase))
        return self._next(phase, world)

    async def _admin(self, world: World, authority: Pair) -> KafkaAdmin | None:
        """The way into Kafka, when there is a broker to ask."""
        if not any(pod.state is PodState.READY and node_id >= FIRST_BROKER_ID for node_id, pod in world.pods.items()):
            return None
        credentials = certificates.operator_credentials(self._tools, world.cluster_key, authority)
        return await self._context.kafka.get(world.cluster_key, credentials)

    async def _ask(self, world: World, authority: Pair) -> World:
        admin = await self._admin(world, authority)
        if admin is None:
            return world
        world = replace(world, sight=await look(admin))
        return await _with_nodes(world, admin) if world.stateless and world.sight.answers else world

    async def _say(self, obj: Object, wanted: Object) -> None:
        await write_status(self._context.kube, self._context.store, obj, wanted)

    def _next(self, phase: Phase, world: World) -> Outcome:
        if phase.kind == "Ready" and not leaving.is_under_way(world):
            return Again(AT_REST, "Kafka is asked again")
        return Again(self._context.settings.engine_poll, phase.message)


async def _with_nodes(world: World, admin: KafkaAdmin) -> World:
    """AutoMQ's own word on its nodes: one counts as registered that it calls active."""
    try:
        nodes = await admin.get_nodes()
    except Invalid as error:  # another engine's broker, which does not know the call
        return replace(world, nodes_error=error)
    except OperatorError as error:
        return replace(world, sight=Sight(error=error))
    active = frozenset(node.id for node in nodes.values() if node.state == ACTIVE)
    return replace(world, nodes=nodes, sight=replace(world.sight, registered=world.sight.registered & active))
