"""Writes a MemoryCluster's objects in the order that keeps its quorum safe."""

from agentmemory.api.conditions import Phase
from agentmemory.clusters import desired
from agentmemory.clusters.world import World
from agentmemory.context import Context
from agentmemory.core.key import key_of
from agentmemory.engines.apply import Tools, create_pod, end_pod, ensure_claim, own
from agentmemory.engines.base import Node, NodePlan, Object
from agentmemory.engines.kafka import certificates, objects
from agentmemory.engines.kafka.pki import Pair
from agentmemory.engines.kafka.quorum import Quorum
from agentmemory.engines.pods import PodState
from agentmemory.kube.owned import hash_of, is_owned


async def apply_objects(
    ctx: Context, tools: Tools, world: World, quorum: Quorum
) -> tuple[list[NodePlan], tuple[Phase, ...]]:
    """Everything but pods. Returns the controllers' plans, and what could not be done.

    Claims come first and the quorum's ConfigMap after all of them: from then on a missing claim is a lost one.
    """
    uid = world.owner.uid
    hindrances = [await ensure_claim(tools, claim) for claim in desired.claims(world, quorum)]
    await own(tools, desired.quorum_config(world, quorum), uid)
    authority = await _authority(tools, world)
    for made in desired.once(world, authority.cert):
        await own(tools, made, uid)
    for secret in desired.shared_secrets(world, authority.key):
        await _keep_secret(tools, world, secret)
    image = world.cluster.spec.image or ctx.settings.image(world.engine.name, world.cluster.spec.version)
    plans = [await _node(tools, world, quorum, node, image, authority) for node in world.controllers]
    return plans, tuple(found for found in hindrances if found is not None)


async def _keep_secret(tools: Tools, world: World, wanted: Object) -> None:
    """Makes a Secret that all nodes mount, or puts it right. Nobody watches it: it is read while pods are missing."""
    incomplete = any(node.id not in world.pods for node in world.controllers)
    live = await tools.shared.secrets.get(tools.kube, key_of(wanted), fresh=incomplete)
    if live is None or live.get("data") != wanted["data"] or not is_owned(live, world.owner.uid):
        tools.shared.secrets.put(await own(tools, wanted, world.owner.uid))


async def _authority(tools: Tools, world: World) -> Pair:
    if world.authority is not None:
        return certificates.authority_of(world.authority)
    return await certificates.make_authority(tools, world.key, world.owner, world.now)


async def _node(tools: Tools, world: World, quorum: Quorum, node: Node, image: str, authority: Pair) -> NodePlan:
    """A controller's Service, configuration and certificate."""
    plan = desired.controller_plan(world, quorum, node, image)
    await own(tools, objects.node_service(plan), world.owner.uid)
    await own(tools, world.engine.config_map(plan), world.owner.uid)
    # Nobody watches Secrets: before a pod is made that mounts it, a look whether it is still there.
    certified = await certificates.prepare(tools, plan, authority, fresh=node.id not in world.pods)
    await certificates.write(tools, certified, world.owner.uid)
    return desired.controller_plan(world, quorum, node, image, certified.fingerprint)


async def keep_pods(tools: Tools, world: World, quorum: Quorum, plans: list[NodePlan]) -> dict[int, str]:
    """Makes the pods that are missing and ends those that are dead; the hash that each should have.

    A lost volume that may not be replaced yet keeps its pod waiting, and so does one that is being deleted.
    """
    hashes: dict[int, str] = {}
    for plan in plans:
        node_id = plan.node.id
        made = world.engine.pod(plan)
        hashes[node_id] = hash_of(made) or ""
        pod, claim = world.pods.get(node_id), world.claims.get(node_id)
        has_volume = node_id in quorum.create if claim is None else not claim.ending
        if pod is None and has_volume:
            await create_pod(tools, made, world.owner.uid)
        elif pod is not None and pod.state is PodState.DEAD:
            await end_pod(tools, plan.node.namespace, pod, "it has ended")
    return hashes
