"""How a BrokerPool goes. Pure.

Its objects belong to it, so the garbage collector takes them once it is gone. A pool of brokers that hold nothing has
more to do while other pools of its cluster stay: its brokers leave one by one, as if `replicas` were 0, so that no
partition waits for a broker that was taken away and no id stays registered. Our finalizer is there for that alone.
"""

from typing import Any

from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.conditions import Phase, progressing
from agentmemory.brokers.world import World

Object = dict[str, Any]

CASCADES = frozenset({"foregroundDeletion", "orphan"})
"""Finalizers of a deletion with `--cascade=foreground` or `--cascade=orphan`: what the pool owns goes, or stays, first.

https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion
"""


def has_work(world: World) -> bool:
    """Whether the pool's deletion is to wait for its brokers to leave."""
    return world.stateless and world.others > 0


def goes_at_once(obj: Object, world: World) -> bool:
    """Whether nothing is left to be done, or nobody wants it done: the cluster goes too, or no other pool stays."""
    cluster = world.cluster
    if cluster is None:
        return world.cluster_fault is None
    if cluster.metadata.deletion_timestamp is not None or CASCADES & set(obj["metadata"].get("finalizers") or ()):
        return True
    return not has_work(world) or not world.ids


def emptied(pool: BrokerPool) -> BrokerPool:
    """The pool as it is looked at while it goes."""
    return pool.model_copy(update={"spec": pool.spec.model_copy(update={"replicas": 0})})


def told(phase: Phase) -> Phase:
    """What to say of a pool that goes: it is not Ready any more, whatever its brokers are."""
    if phase.kind != "Ready":
        return phase
    return progressing("Terminating", f"the pool goes when its brokers have left: {phase.message}")
