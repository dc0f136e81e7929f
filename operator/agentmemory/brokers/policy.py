"""What stands between a BrokerPool and Ready. Pure: each check looks at the World and finds something or nothing."""

from collections.abc import Callable, Iterable
from typing import Literal

from agentmemory.api.conditions import Phase, progressing, ready, stalled
from agentmemory.api.labels import ADOPT_VOLUMES
from agentmemory.brokers.drain import DRAINING
from agentmemory.brokers.world import World
from agentmemory.core.errors import Denied, Invalid
from agentmemory.domain.names import FIRST_BROKER_ID
from agentmemory.engines.pods import PodState, Trouble

Check = Callable[[World], Phase | None]
State = Literal["Pending", "Starting", "Registered", "Failed", "Leaving"]

NOT_REGISTERED = "NotRegistered"
ROLLING = frozenset({"Rolling", "WaitingForKafka"})
"""A MemoryCluster's reasons while some controller has not taken up its declaration (see engines.roller)."""


def cluster_is_there(world: World) -> Phase | None:
    """It may be on its way (one `kubectl apply` of many files), so this waits."""
    if world.cluster is not None:
        return None
    name = f"MemoryCluster {world.key.namespace}/{world.cluster_key.name}"
    if world.cluster_fault is not None:
        return stalled("ClusterInvalid", f"{name} cannot be read: {world.cluster_fault}")
    return progressing(
        "ClusterNotFound",
        f"{name} does not exist; create it in this namespace, or make a pool that names another in spec.clusterRef",
    )


def engine_refuses(world: World) -> Phase | None:
    """The declaration itself cannot be kept."""
    return world.engine.check_pool(world.pool)


def cluster_is_sound(world: World) -> Phase | None:
    """Nothing is made for a cluster that is refused or on its way out."""
    if world.cluster is None:
        return None
    name = f"MemoryCluster {world.cluster_key.name}"
    if world.cluster.metadata.deletion_timestamp is not None:
        return stalled("ClusterTerminating", f"{name} is being deleted; delete this pool too, its volumes stay")
    fault = world.engine.check_cluster(world.cluster)
    return None if fault is None else stalled("ClusterRefused", f"{name} is refused: {fault.message}")


def cluster_has_identity(world: World) -> Phase | None:
    """The cluster's id and its authority are the MemoryCluster's to make."""
    if world.cluster is not None and world.cluster.status.cluster_id is not None and world.authority is not None:
        return None
    return progressing("ClusterNotReady", f"waiting for MemoryCluster {world.cluster_key.name} to have its identity")


def buckets_are_known(world: World) -> Phase | None:
    """Brokers are told how to reach them; whether they are ready is the MemoryCluster's to say."""
    return world.storage.phase


def volumes_are_the_clusters(world: World) -> Phase | None:
    """Volumes of the pool's name with another cluster's data: a broker would refuse to start on them."""
    known = None if world.cluster is None else world.cluster.status.cluster_id
    foreign = [volume for _, volume in sorted(world.volumes.items()) if volume.cluster_id != known]
    if not foreign:
        return None
    names = ", ".join(world.node(volume.node_id).name for volume in foreign)
    whose = ", ".join(sorted({volume.cluster_id or "nobody knows which" for volume in foreign}))
    return stalled(
        "VolumesFound",
        f"volume claim {names} holds data of Kafka cluster {whose}, and MemoryCluster {world.cluster_key.name} is "
        f"{known}; let the MemoryCluster take its old volumes over ({ADOPT_VOLUMES}=true) or delete these claims to "
        "begin empty",
    )


# Asked first: while one of these finds something nothing is touched.
GATES: tuple[Check, ...] = (
    cluster_is_there,
    engine_refuses,
    cluster_is_sound,
    cluster_has_identity,
    buckets_are_known,
    volumes_are_the_clusters,
)


def broker_is_stuck(world: World) -> Phase | None:
    """A pod that does not get on by itself, or runs and is not registered."""
    for node_id in sorted(world.staying):
        trouble = trouble_of(world, node_id)
        if trouble is not None:
            return stalled(trouble.reason, trouble.message)
    return None


def shrinking_is_refused(world: World) -> Phase | None:
    """A broker that leaves must be proven empty before, which only shared storage makes possible as yet."""
    wanted, has = world.pool.spec.replicas, len(world.staying)
    if has <= wanted:
        return None
    if world.stateless:
        return _drain_is_hindered(world, has - wanted)
    return stalled(
        "ScaleDownUnsupported",
        f"spec.replicas is {wanted}, and the pool has {has} brokers that may hold the only copy of records; they go on "
        f"serving. Set replicas back to {has}: this release drains brokers of shared-storage engines only",
    )


def _drain_is_hindered(world: World, too_many: int) -> Phase | None:
    """What must be known before one is chosen to leave."""
    if world.nodes is not None or world.sight.error is not None:
        return None  # it is chosen next, or `kafka_answers` says why not
    said = world.nodes_error.message if world.nodes_error is not None else "nobody was asked"
    return stalled(
        "ScaleDownUnsupported",
        f"{too_many} broker(s) too many, and none is taken away: the cluster does not tell whether a broker's streams "
        f"are closed ({said}); run an image of the engine that does, or set replicas back to {len(world.staying)}",
    )


def drain_goes_on(world: World) -> Phase | None:
    """A broker that leaves and cannot go on without somebody's help."""
    return next((phase for _, phase in sorted(world.drains.items()) if phase.kind == "Stalled"), None)


def something_could_not_be_done(world: World) -> Phase | None:
    """A step that failed without holding up the others."""
    return world.hindrances[0] if world.hindrances else None


def roll_out_is_done(world: World) -> Phase | None:
    """A changed declaration that not all brokers have taken up."""
    return world.rolling


def brokers_are_up(world: World) -> Phase | None:
    """Every broker's listener is open."""
    waiting = [world.node(node_id).name for node_id in sorted(world.staying) if not _is_up(world, node_id)]
    missing = world.pool.spec.replicas - len(world.staying)
    if waiting or missing > 0:
        return progressing("BrokersStarting", f"waiting for {', '.join(waiting) or 'brokers to be made'}")
    return None


def kafka_answers(world: World) -> Phase | None:
    """The admin listener of some broker."""
    error = world.sight.error
    if error is None or not world.ids:
        return None
    if isinstance(error, Denied | Invalid):
        return stalled("KafkaRefuses", error.message)
    return progressing("KafkaUnavailable", error.message)


def brokers_are_registered(world: World) -> Phase | None:
    """Known to the controllers, and not fenced."""
    waiting = [world.node(node_id).name for node_id in sorted(world.staying - world.sight.registered)]
    return progressing("BrokersStarting", f"waiting for {', '.join(waiting)} to be registered") if waiting else None


# Asked in the end: what to say.
CHECKS: tuple[Check, ...] = (
    broker_is_stuck,
    drain_goes_on,
    something_could_not_be_done,
    shrinking_is_refused,
    roll_out_is_done,
    brokers_are_up,
    kafka_answers,
    brokers_are_registered,
)


def first(checks: Iterable[Check], world: World) -> Phase | None:
    """The first finding."""
    return next((found for check in checks if (found := check(world)) is not None), None)


def judge(world: World) -> Phase:
    """Where the pool stands. While brokers leave it is ready all the same: those that stay serve."""
    count = len(world.staying)
    found = first(CHECKS, world)
    if found is not None:
        return found
    said = f"{count} broker{'' if count == 1 else 's'} registered"
    steps = [phase.message for _, phase in sorted(world.drains.items())]
    return ready(f"{said}; {'; '.join(steps)}", DRAINING) if steps else ready(said)


def wanted_ids(world: World) -> tuple[int, ...]:
    """The brokers that the pool should have: those it has, then those whose volumes wait, then the lowest free ids.

    An id is locked by making its pod: this only proposes. Kafka's ghosts, others' nodes and ids of brokers that leave
    are left out, and where brokers hold nothing a volume that was left behind calls nobody back.
    """
    chosen = set(world.staying)
    waiting = [] if world.stateless else sorted(node_id for node_id in world.volumes if node_id not in chosen)
    chosen |= set(waiting[: max(0, world.pool.spec.replicas - len(chosen))])
    used = world.taken | world.sight.registered | set(world.nodes or ()) | set(world.volumes) | world.ids | chosen
    candidate = FIRST_BROKER_ID
    while len(chosen) < world.pool.spec.replicas - _undecided(world):
        if candidate not in used:
            chosen.add(candidate)
        candidate += 1
    return tuple(sorted(chosen))


def _undecided(world: World) -> int:
    """How many that leave may yet stay: while Kafka does not tell, nobody is made in their stead."""
    if world.sight.answers or not world.stateless:
        return 0
    running = (world.pods.get(node_id) for node_id in world.leaving if node_id not in world.silent)
    return sum(1 for pod in running if pod is not None and pod.state is PodState.READY)


def state_of(world: World, node_id: int) -> State:
    """One broker in a word. What Kafka said last stands while it does not answer."""
    pod = world.pods.get(node_id)
    if node_id in world.leaving:
        return "Leaving"
    if trouble_of(world, node_id) is not None:
        return "Failed"
    if pod is None or pod.state not in (PodState.READY, PodState.STARTING):
        return "Pending"
    if pod.state is PodState.STARTING:
        return "Starting"
    if world.sight.answers:
        return "Registered" if node_id in world.sight.registered else "Starting"
    return "Registered" if _was_registered(world, node_id) else "Starting"


def reason_of(world: World, node_id: int) -> str:
    """Why a broker is not registered, in one word; empty when there is nothing to say."""
    if node_id in world.leaving:
        return world.drains[node_id].reason if node_id in world.drains else ""
    trouble = trouble_of(world, node_id)
    return trouble.reason if trouble is not None else ""


def trouble_of(world: World, node_id: int) -> Trouble | None:
    """What holds a broker up that will not pass by itself."""
    for lost in world.lost:
        if lost.pod.node_id == node_id:
            return lost.trouble()
    pod = world.pods.get(node_id)
    if pod is None:
        return None
    if pod.trouble is not None:
        return pod.trouble
    late = pod.running_since is not None and world.now - pod.running_since > world.patience
    if late and (pod.state is PodState.STARTING or (world.sight.answers and node_id not in world.sight.registered)):
        return Trouble(
            NOT_REGISTERED,
            f"broker {pod.name} runs for more than {world.patience.total_seconds():.0f} s and is not registered; it "
            f"may be recovering its log, or read what it says: `kubectl logs {pod.name}`",
        )
    return None


def hold_of(world: World) -> str:
    """Why no healthy broker may be replaced: the controllers go first."""
    cluster = world.cluster
    if cluster is None or cluster.status.observed_generation != cluster.metadata.generation:
        return "waiting for the controllers, which take up what is declared first"
    open_streams = [node_id for node_id in sorted(world.leaving) if _has_open_streams(world, node_id)]
    if open_streams:
        return f"waiting for {world.node(open_streams[0]).name}, which leaves, to have its streams closed"
    rolling = any(found.type == "Ready" and found.reason in ROLLING for found in cluster.status.conditions)
    if rolling or cluster.status.controllers.ready < cluster.status.controllers.desired:
        return "waiting for the controllers, which take up what is declared first"
    return ""


def _has_open_streams(world: World, node_id: int) -> bool:
    """Of a broker that has stopped: another one uploads what it had not."""
    node = (world.nodes or {}).get(node_id)
    return node is not None and node.open_streams and node_id not in world.sight.registered


def _is_up(world: World, node_id: int) -> bool:
    pod = world.pods.get(node_id)
    return pod is not None and pod.state is PodState.READY


def _was_registered(world: World, node_id: int) -> bool:
    return any(broker.id == node_id and broker.state == "Registered" for broker in world.pool.status.brokers)
