"""The story of a MemoryCluster that the operator makes; `external` has the other one.

    gates ─► volume claims ─► quorum's ConfigMap ─► what it has once ─► controllers' objects ─► pods
          ─► ask Kafka ─► roll out ─► the tenant role's rights and credentials ─► status

Each step is safe to repeat, and what it needs to know is read from what is there: the operator may die between any two
writes. The order of the first two is what docs/adr/0006-quorum-and-volumes.md rests on.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import structlog

from agentmemory.api.base import parse
from agentmemory.api.conditions import Phase, phase_of_error
from agentmemory.api.labels import CLUSTER
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.clusters import policy, status
from agentmemory.clusters.external import keep_external
from agentmemory.clusters.handover import hand_over, withdraw
from agentmemory.clusters.nodes import apply_objects, keep_pods
from agentmemory.clusters.residency import Residency, clusters_on
from agentmemory.clusters.world import World, gather, quorum_of, tools_of
from agentmemory.context import Context
from agentmemory.core.errors import OperatorError
from agentmemory.core.key import Key
from agentmemory.core.outcome import Again, Done, Outcome
from agentmemory.engines.kafka import acls, certificates
from agentmemory.engines.lifecycle import is_ending, is_paused
from agentmemory.engines.placement import look_after
from agentmemory.engines.pods import PodState
from agentmemory.engines.rolling import advance
from agentmemory.engines.roster import pods
from agentmemory.engines.sight import look
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kube.errors import NotLeading, Stale
from agentmemory.kube.status import write_status

log = structlog.get_logger(__name__)

Object = dict[str, Any]

# Seconds between two looks at a cluster that is as declared: what Kafka knows is told by nobody.
AT_REST = 30.0
# Seconds between two looks at what keeps a cluster from beginning.
GATED = 10.0
# No cluster's name.
NOBODY = ""


class ClusterReconciler:
    """Runs in the platform role."""

    kind = "MemoryCluster"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tools = tools_of(context)
        self._residency = Residency(self._tools)
        # A cluster that went while nobody worked wakes nobody: one look as at a cluster that is gone, after the start.
        context.enqueue(Key(self.kind, context.settings.namespace, NOBODY), 0.0)

    def owners(self, obj: dict[str, Any]) -> Iterable[Key]:
        """Pools and buckets by a reference, all else by its label."""
        namespace = obj["metadata"].get("namespace", "")
        if obj["kind"] == "MemoryBucket":
            return clusters_on(self._context.store, namespace, obj["metadata"]["name"])
        if obj["kind"] == "BrokerPool":
            name = ((obj.get("spec") or {}).get("clusterRef") or {}).get("name")
        else:
            name = (obj["metadata"].get("labels") or {}).get(CLUSTER)
        return [Key(self.kind, namespace, name)] if name else []

    async def reconcile(self, key: Key) -> Outcome:
        """Bring the cluster one step nearer to what it declares, and say where it stands."""
        obj = self._context.store.get(key)
        if obj is None:
            await self._context.kafka.forget(key)
            await withdraw(self._context, self._tools, fresh=True)
            return Done()
        if is_paused(obj) or is_ending(obj):
            return Done()
        try:
            cluster = parse(MemoryCluster, obj)
            if cluster.spec.engine == "external":
                return await keep_external(self._context, self._tools, obj, cluster)
            return await self._keep(obj, await gather(self._context, cluster))
        except (Stale, NotLeading):
            raise  # says something of the moment and nothing of the cluster
        except OperatorError as error:
            await self._say(obj, status.of_trouble(obj, phase_of_error(error), self._context.clock.now()))
            raise

    async def _keep(self, obj: Object, world: World) -> Outcome:
        world = self._residency.known(world)
        if world.evidence.missing and not policy.first(policy.GATES, world):
            world = await self._ask(world)  # whether a lost volume may be replaced hangs on the others
        found = policy.first(policy.GATES, world)
        if found is not None:
            await self._say(obj, status.of_gate(obj, world, found))
            # What passes by itself may hang on a Secret, which nobody watches.
            return Again(GATED, found.message) if found.kind == "Progressing" else Done()
        world, hashes = await self._apply(world)
        world = await self._ask(world)
        world = await self._look_after(world)
        world = replace(world, rolling=await self._roll(world, hashes))
        world = await self._admit_tenants(world)
        world = await self._residency.look(world)
        phase = policy.judge(world)
        await self._say(obj, status.of_cluster(obj, world, quorum_of(world), phase))
        return self._next(phase)

    async def _apply(self, world: World) -> tuple[World, dict[int, str]]:
        """Kubernetes objects, pods last; the hashes that the controllers' pods should have."""
        plans, hindrances = await apply_objects(self._context, self._tools, world, quorum_of(world))
        hashes = await keep_pods(self._tools, world, quorum_of(world), plans)
        return replace(self._fresh(world), hindrances=hindrances), hashes

    def _fresh(self, world: World) -> World:
        return replace(world, pods=pods(self._tools, world.key))

    async def _admin(self, world: World) -> KafkaAdmin | None:
        """The way into Kafka, when there is a broker to ask and an authority to sign our certificate."""
        brokers = world.pods.keys() - _controllers(world)
        authority = self._tools.shared.secrets.known(certificates.authority_key(world.key))
        if authority is None or not any(world.pods[node_id].state is PodState.READY for node_id in brokers):
            return None
        pair = certificates.authority_of(authority)
        credentials = certificates.operator_credentials(self._tools, world.key, pair)
        return await self._context.kafka.get(world.key, credentials)

    async def _ask(self, world: World) -> World:
        admin = await self._admin(world)
        return world if admin is None else replace(world, sight=await look(admin))

    async def _look_after(self, world: World) -> World:
        own = [pod for node_id, pod in world.pods.items() if node_id in _controllers(world)]
        lost = await look_after(self._tools, world.key.namespace, own, world.sight)
        return replace(world, lost=tuple(lost))

    async def _roll(self, world: World, hashes: dict[int, str]) -> Phase | None:
        return await advance(self._tools, world.key, hashes, await self._admin(world), world.sight)

    async def _admit_tenants(self, world: World) -> World:
        """What the tenant role needs to do its part. A failure is told and does not hold up the nodes."""
        admin = await self._admin(world)
        if admin is None or not world.sight.quorum_works or not self._context.leading():
            return world
        try:
            await acls.keep(admin, self._context.leading, world.engine.principals)
            await hand_over(self._context, self._tools, world.key)
        except (Stale, NotLeading):
            raise
        except OperatorError as error:
            log.debug("tenants are not admitted", cluster=str(world.key), why=str(error))
            return replace(world, hindrances=(*world.hindrances, phase_of_error(error)))
        return world

    async def _say(self, obj: Object, wanted: Object) -> None:
        await write_status(self._context.kube, self._context.store, obj, wanted)

    def _next(self, phase: Phase) -> Outcome:
        if phase.kind == "Ready":
            return Again(AT_REST, "Kafka is asked again")
        return Again(self._context.settings.engine_poll, phase.message)


def _controllers(world: World) -> set[int]:
    return {node.id for node in world.controllers}
