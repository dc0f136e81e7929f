"""A BrokerPool's objects as they should be. Pure."""

from typing import Any

from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.brokers.world import World
from agentmemory.engines.base import Disk, NodePlan
from agentmemory.engines.kafka import objects

Object = dict[str, Any]


def broker_plan(world: World, cluster: MemoryCluster, node_id: int, image: str, tls_hash: str = "") -> NodePlan:
    """One broker. Its volume is always formatted to join: only controllers begin a quorum."""
    return NodePlan(
        node=world.node(node_id),
        cluster=cluster,
        cluster_id=cluster.status.cluster_id or "",
        image=image,
        resources=world.pool.spec.resources,
        disk=broker_disk(world),
        owner=world.owner,
        tls_hash=tls_hash,
        storage=world.storage.storage,
        settings=world.storage.settings,
    )


def broker_disk(world: World) -> Disk:
    """Where each broker keeps its log."""
    storage = world.pool.spec.storage
    wanted = "Ephemeral" if world.engine.capabilities.stateless_brokers else "Persistent"
    return Disk((storage.type or wanted) == "Persistent", storage.size, storage.storage_class_name)


def broker_claim(plan: NodePlan) -> Object | None:
    """The broker's volume claim; None for space on the node."""
    return objects.claim(plan.node, plan.disk, plan.cluster_id) if plan.disk.claim else None
