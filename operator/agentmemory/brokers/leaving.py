"""Which brokers of a pool leave. Pure.

Only on engines whose brokers hold nothing. Too many: one leaves at a time, the newest id unless another does not serve
anyway. Lost or stuck: it leaves at once, and a broker with a new id comes. The decision is a mark on the broker's
Service, so it stands whatever happens to the one who took it.
"""

from dataclasses import dataclass
from datetime import timedelta

from agentmemory.brokers.policy import NOT_REGISTERED, trouble_of
from agentmemory.brokers.world import World
from agentmemory.engines.pods import PodState

STUCK_PAUSE = timedelta(minutes=10)
"""A broker that is stuck is not replaced while another of the pool is younger: what ails all is not cured so."""


@dataclass(frozen=True)
class Decision:
    """Brokers that begin to leave, with why, and one that is wanted again."""

    leave: tuple[tuple[int, str], ...] = ()
    stay: tuple[int, ...] = ()


def decide(world: World) -> Decision:
    """What changes now; nothing when Kafka has to be asked first and does not answer."""
    lost = tuple((node_id, "its machine is lost") for node_id in sorted(world.staying) if is_lost(world, node_id))
    if lost:
        return Decision(leave=lost)
    missing = world.pool.spec.replicas - len(world.staying)
    if missing > 0:
        return Decision(stay=_wanted_again(world)[:missing])
    if missing < 0:
        return Decision(leave=_surplus(world))
    return Decision(leave=_stuck(world))


def is_lost(world: World, node_id: int) -> bool:
    """Its machine is silent or gone, and Kafka misses it or its pod was told to go."""
    pod = world.pods.get(node_id)
    if pod is None or node_id not in world.silent:
        return False
    serves = world.sight.answers and node_id in world.sight.registered
    return pod.state is PodState.ENDING or not serves


def drains(world: World) -> bool:
    """Whether brokers of this cluster can leave: the engine says so, and Kafka tells what became of them."""
    return world.stateless and world.nodes is not None


def _surplus(world: World) -> tuple[tuple[int, str], ...]:
    """One at a time; those that do not serve first, as they cost nothing."""
    if not drains(world) or not world.sight.answers or is_under_way(world):
        return ()
    chosen = min(world.staying, key=lambda node_id: (node_id in world.sight.registered, -node_id))
    return ((chosen, "spec.replicas is smaller"),)


def is_under_way(world: World) -> bool:
    """Whether a broker of the pool leaves, but for those of whom only a pod on a lost machine is left."""
    return any(one not in world.silent or one in (world.nodes or {}) for one in world.leaving)


def _wanted_again(world: World) -> tuple[int, ...]:
    """Brokers that were to leave and serve still, the last one decided on first."""
    serving = [
        node_id
        for node_id in world.leaving
        if node_id in world.sight.registered
        and node_id not in world.silent
        and (pod := world.pods.get(node_id)) is not None
        and pod.state is PodState.READY
    ]
    return tuple(sorted(serving, key=lambda node_id: (world.leaving[node_id], node_id), reverse=True))


def _stuck(world: World) -> tuple[tuple[int, str], ...]:
    """A broker that served once and does not get on, while all others do: one, and then none for a while."""
    if not drains(world) or not world.sight.answers or is_under_way(world):
        return ()
    for node_id in sorted(world.staying):
        pod, trouble = world.pods.get(node_id), trouble_of(world, node_id)
        others = world.sight.registered - {node_id}
        if trouble is None or pod is None or not pod.proven or node_id not in (world.nodes or {}):
            continue
        if trouble.reason == NOT_REGISTERED and not _unready_for_long(world):
            continue  # a session that ran out is no standstill
        if others and world.staying - {node_id} <= others and not _young_ones(world, node_id):
            return ((node_id, trouble.reason),)
    return ()


def _unready_for_long(world: World) -> bool:
    """Whether the pool says so long enough: how long Kafka has missed a broker is told by nobody."""
    found = next((one for one in world.pool.status.conditions if one.type == "Ready"), None)
    return found is not None and found.status == "False" and world.now - found.last_transition_time > world.patience


def _young_ones(world: World, but: int) -> bool:
    pods = (world.pods.get(node_id) for node_id in world.staying - {but})
    starts = [pod.running_since for pod in pods if pod is not None and pod.running_since is not None]
    return any(world.now - started < STUCK_PAUSE for started in starts)
