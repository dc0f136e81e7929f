"""A BrokerPool's status from what was seen. Pure."""

from datetime import datetime
from typing import Any

from agentmemory.api.conditions import Phase, to_conditions
from agentmemory.api.labels import CLUSTER, POOL
from agentmemory.brokers import policy
from agentmemory.brokers.world import World

Object = dict[str, Any]


def of_pool(obj: Object, world: World, phase: Phase) -> Object:
    """The status once the pool's objects are applied."""
    brokers = [_broker(world, node_id) for node_id in sorted(world.ids)]
    return {
        "observedGeneration": obj["metadata"]["generation"],
        "conditions": _conditions(obj, phase, world.now),
        "replicas": sum(node_id in world.pods for node_id in world.ids),
        "readyReplicas": sum(broker["state"] == "Registered" for broker in brokers),
        "selector": selector(world),
        "brokers": brokers,
    }


def of_trouble(obj: Object, phase: Phase, now: datetime) -> Object:
    """The status when nothing could be done: the conditions, and all else as it was."""
    return {
        **(obj.get("status") or {}),
        "observedGeneration": obj["metadata"]["generation"],
        "conditions": _conditions(obj, phase, now),
    }


def selector(world: World) -> str:
    """Label selector of the pool's pods, for the scale subresource."""
    return f"{CLUSTER}={world.cluster_key.name},{POOL}={world.key.name}"


def _broker(world: World, node_id: int) -> Object:
    made: Object = {"id": node_id, "pod": world.node(node_id).name, "state": policy.state_of(world, node_id)}
    reason = policy.reason_of(world, node_id)
    return made | {"reason": reason} if reason else made


def _conditions(obj: Object, phase: Phase, now: datetime) -> list[Object]:
    previous = (obj.get("status") or {}).get("conditions") or []
    return to_conditions(phase, previous, obj["metadata"]["generation"], now)
