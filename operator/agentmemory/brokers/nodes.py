"""Writes a BrokerPool's objects, one broker at a time."""

from agentmemory.api.conditions import Phase
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.brokers import desired
from agentmemory.brokers.world import World
from agentmemory.context import Context
from agentmemory.engines.apply import Tools, create_pod, end_pod, ensure_claim, own
from agentmemory.engines.base import NodePlan, Object
from agentmemory.engines.kafka import certificates, objects
from agentmemory.engines.kafka.certificates import Certified
from agentmemory.engines.kafka.pki import Pair
from agentmemory.engines.pods import PodState
from agentmemory.kube.owned import hash_of


class Writer:
    """The writes of one reconcile."""

    def __init__(self, ctx: Context, tools: Tools, world: World, cluster: MemoryCluster, authority: Pair) -> None:
        self._tools = tools
        self._world = world
        self._cluster = cluster
        self._authority = authority
        self._image = cluster.spec.image or ctx.settings.image(cluster.spec.engine, cluster.spec.version)
        self.hashes: dict[int, str] = {}
        """The hash that each broker's pod should have."""
        self.hindrances: list[Phase] = []
        """What could not be done, without holding up the rest."""

    async def keep(self, node_id: int) -> None:
        """Everything of one broker. Raises Taken when the id of a new one turns out to be somebody else's.

        A new broker's pod goes first, since making it locks the id; it waits for what it mounts. A known one's goes
        last, when all that it mounts is up to date.
        """
        # Nobody watches Secrets: before a pod is made that mounts one, a look whether it is still there.
        plan, fresh = self._plan(node_id, ""), node_id not in self._world.pods
        certified = await certificates.prepare(self._tools, plan, self._authority, fresh=fresh)
        made = self._world.engine.pod(self._plan(node_id, certified.fingerprint))
        self.hashes[node_id] = hash_of(made) or ""
        if node_id not in self._world.ids:
            await create_pod(self._tools, made, self._world.owner.uid)
        await self._surround(plan, certified)
        if node_id in self._world.ids:
            await self._keep_pod(node_id, made)

    def _plan(self, node_id: int, tls_hash: str) -> NodePlan:
        return desired.broker_plan(self._world, self._cluster, node_id, self._image, tls_hash)

    async def _surround(self, plan: NodePlan, certified: Certified) -> None:
        """Service, configuration, certificate and volume claim."""
        uid = self._world.owner.uid
        await own(self._tools, objects.node_service(plan), uid)
        await own(self._tools, self._world.engine.config_map(plan), uid)
        await certificates.write(self._tools, certified, uid)
        claim = desired.broker_claim(plan)
        found = await ensure_claim(self._tools, claim) if claim is not None else None
        if found is not None:
            self.hindrances.append(found)

    async def _keep_pod(self, node_id: int, made: Object) -> None:
        """Makes a missing pod and ends a dead one; a volume that is being deleted is waited for."""
        pod, volume = self._world.pods.get(node_id), self._world.volumes.get(node_id)
        if pod is None and not (volume is not None and volume.ending):
            await create_pod(self._tools, made, self._world.owner.uid)
        elif pod is not None and pod.state is PodState.DEAD:
            await end_pod(self._tools, self._world.key.namespace, pod, "it has ended")
