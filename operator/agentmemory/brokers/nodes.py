"""Writes a BrokerPool's objects, one broker at a time."""

from agentmemory.api.conditions import Phase
from agentmemory.api.labels import POOL
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.brokers import desired
from agentmemory.brokers.world import World
from agentmemory.context import Context
from agentmemory.engines.apply import Taken, Tools, create_pod, end_pod, ensure_claim, own
from agentmemory.engines.base import NodePlan, Object
from agentmemory.engines.kafka import certificates, objects
from agentmemory.engines.kafka.pki import Pair
from agentmemory.engines.pods import PodState
from agentmemory.kube.owned import hash_of, is_owned


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

        Making a new broker's pod locks the id, so it goes before all else but the certificate, whose hash it bears: who
        dies in between finds the certificate again and need not replace the pod. A certificate for an id that then
        turns out to be taken stands for no broker, and is there when the id is free. A known broker's pod goes last,
        when all that it mounts is up to date.
        """
        # Nobody watches Secrets: before a pod is made that mounts one, a look whether it is still there.
        plan, fresh = self._plan(node_id, ""), node_id not in self._world.pods
        certified = await certificates.prepare(self._tools, plan, self._authority, fresh=fresh)
        made = self._world.engine.pod(self._plan(node_id, certified.fingerprint))
        self.hashes[node_id] = hash_of(made) or ""
        is_new = node_id not in self._world.ids
        if is_new:
            self._see_whose(plan)
        await certificates.write(self._tools, certified, self._world.owner.uid)
        if is_new:
            await create_pod(self._tools, made, self._world.owner.uid)
        await self._surround(plan)
        if not is_new:
            await self._keep_pod(node_id, made)

    def _plan(self, node_id: int, tls_hash: str) -> NodePlan:
        return desired.broker_plan(self._world, self._cluster, node_id, self._image, tls_hash)

    def _see_whose(self, plan: NodePlan) -> None:
        """Raises Taken when the certificate for a new id is another pool's, which is about to make the pod, or was.

        What an earlier pool of our name left goes with it, and an id on which a volume of ours waits is no other's.
        """
        node = plan.node
        secret = self._tools.shared.secrets.known(certificates.tls_key(node))
        if secret is None or is_owned(secret, plan.owner.uid) or node.id in self._world.volumes:
            return
        if (secret["metadata"].get("labels") or {}).get(POOL) != node.pool:
            raise Taken("NameTaken", f"secret {node.namespace}/{node.tls_secret} exists and is not this object's")

    async def _surround(self, plan: NodePlan) -> None:
        """Service, configuration and volume claim."""
        uid = self._world.owner.uid
        await own(self._tools, objects.node_service(plan), uid)
        await own(self._tools, self._world.engine.config_map(plan), uid)
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
