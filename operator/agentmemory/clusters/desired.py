"""A MemoryCluster's objects as they should be. Pure."""

from typing import Any

from agentmemory.clusters.world import World
from agentmemory.engines.base import Disk, Node, NodePlan
from agentmemory.engines.kafka import names, objects
from agentmemory.engines.kafka.quorum import Quorum, majority

Object = dict[str, Any]


def controller_plan(world: World, quorum: Quorum, node: Node, image: str, tls_hash: str = "") -> NodePlan:
    """One controller."""
    spec = world.cluster.spec.controllers
    return NodePlan(
        node=node,
        cluster=world.cluster,
        cluster_id=quorum.cluster_id,
        image=image,
        resources=spec.resources,
        disk=Disk(True, spec.storage.size, spec.storage.storage_class_name),
        owner=world.owner,
        tls_hash=tls_hash,
        mode=quorum.mode(node.id),
        storage=world.storage.storage,
        settings=world.storage.settings,
    )


def claims(world: World, quorum: Quorum) -> list[Object]:
    """The volume claims that are there or are to be made now; only an initial one names a directory."""
    disk = controller_disk(world)
    made = []
    for node in world.controllers:
        if node.id in world.claims or node.id in quorum.create:
            directory = quorum.directories[node.id] if node.id in quorum.initial else None
            made.append(objects.claim(node, disk, quorum.cluster_id, directory, begun=quorum.begun))
    return made


def controller_disk(world: World) -> Disk:
    """Each controller's volume."""
    storage = world.cluster.spec.controllers.storage
    return Disk(True, storage.size, storage.storage_class_name)


def quorum_config(world: World, quorum: Quorum) -> Object:
    """How an empty controller's volume may be formatted."""
    return objects.quorum_config(
        world.key.name,
        world.key.namespace,
        world.owner,
        "join" if quorum.begun else "bootstrap",
        objects.initial_controllers(list(world.controllers), quorum.directories) if quorum.directories else "",
    )


def once(world: World, ca_cert: str) -> list[Object]:
    """What the cluster has once: the bootstrap Service, its public authority, the disruption budgets."""
    name, namespace, owner = world.key.name, world.key.namespace, world.owner
    return [
        objects.authority_config(name, namespace, owner, ca_cert),
        objects.bootstrap_service(name, namespace, owner),
        objects.disruption_budget(name, namespace, owner, "controller", _least_controllers(len(world.controllers))),
        objects.disruption_budget(name, namespace, owner, "broker", max(0, world.brokers_wanted - 1)),
    ]


def shared_secrets(world: World, authority_key: str) -> list[Object]:
    """Secrets that all nodes mount beside their certificates."""
    marks = objects.common_labels(world.key.name)
    return [
        objects.secret(name, world.key.namespace, marks, world.owner, values)
        for name, values in world.engine.shared_secrets(world.cluster, authority_key).items()
    ]


def client_bootstrap(world: World) -> str:
    """Where clients connect."""
    return names.client_bootstrap(world.key.name, world.key.namespace)


def _least_controllers(count: int) -> int:
    """A majority; a lone controller may be evicted, or its machine could never be emptied."""
    return majority(count) if count > 1 else 0
