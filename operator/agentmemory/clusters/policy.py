"""What stands between a MemoryCluster and Ready. Pure: each check looks at the World and finds something or nothing."""

from collections.abc import Callable, Iterable

from agentmemory.api.conditions import Phase, progressing, ready, refused, stalled
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.clusters.buckets import buckets_are_there, buckets_stay_ready
from agentmemory.clusters.world import World
from agentmemory.core.errors import Denied, Invalid
from agentmemory.engines import places
from agentmemory.engines.kafka import certificates, quorum
from agentmemory.engines.places import View
from agentmemory.engines.pods import PodState
from agentmemory.engines.residency import trouble

Check = Callable[[World], Phase | None]


def engine_refuses(world: World) -> Phase | None:
    """The declaration itself cannot be kept."""
    return world.engine.check_cluster(world.cluster)


def region_is_consistent(world: World) -> Phase | None:
    """The declared region's own labels, key and hosts are of that region."""
    return _contradicts(world.view)


def data_stays_in_region(world: World) -> Phase | None:
    """No bucket elsewhere, and no volume that was first used for another region."""
    return None if world.view is None else trouble(world.cluster, places.fixed(world.view))


def region_trouble(cluster: MemoryCluster) -> Phase | None:
    """What the declaration alone shows: for a cluster that somebody else runs."""
    view = places.view_of(cluster)
    return None if view is None else _contradicts(view) or trouble(cluster, places.fixed(view))


def volumes_are_ours(world: World) -> Phase | None:
    """Volumes of another cluster, or a majority that is gone."""
    return quorum.trouble(world.evidence)


def authority_is_there(world: World) -> Phase | None:
    """No new certificate authority while nodes run on the old one."""
    return certificates.authority_trouble(
        world.cluster.metadata.name, world.authority, nodes_run=bool(world.pods), now=world.now
    )


# Asked first: while one of these finds something nothing is touched.
GATES: tuple[Check, ...] = (
    engine_refuses,
    region_is_consistent,
    data_stays_in_region,
    volumes_are_ours,
    buckets_are_there,
    authority_is_there,
)


def controller_is_stuck(world: World) -> Phase | None:
    """A pod that does not get on by itself."""
    for node in world.controllers:
        pod = world.pods.get(node.id)
        if pod is not None and pod.trouble is not None:
            return stalled(pod.trouble.reason, pod.trouble.message)
    return None


def node_is_lost(world: World) -> Phase | None:
    """A controller on a machine that does not answer."""
    for lost in world.lost:
        trouble = lost.trouble()
        return stalled(trouble.reason, trouble.message)
    return None


def volume_waits(world: World) -> Phase | None:
    """A lost volume that is not replaced yet."""
    return quorum.waiting(world.evidence)


def something_could_not_be_done(world: World) -> Phase | None:
    """A step that failed without holding up the others."""
    return world.hindrances[0] if world.hindrances else None


def nodes_are_in_region(world: World) -> Phase | None:
    """Machines, too: asked after the roll-out, which may be what takes the pods off a wrong one."""
    return trouble(world.cluster, world.places, stalled)


def controllers_are_up(world: World) -> Phase | None:
    """Every controller's listener is open."""
    waiting = [
        node.name
        for node in world.controllers
        if (pod := world.pods.get(node.id)) is None or pod.state is not PodState.READY
    ]
    return progressing("ControllersStarting", f"waiting for {', '.join(waiting)}") if waiting else None


def roll_out_is_done(world: World) -> Phase | None:
    """A changed declaration that not all controllers have taken up."""
    return world.rolling


def brokers_are_declared(world: World) -> Phase | None:
    """Pools, and in them enough brokers for the copies that are declared."""
    name, factor, wanted = world.key.name, world.cluster.spec.replication.factor, world.brokers_wanted
    if not world.pools:
        return progressing(
            "NoBrokers",
            f"no BrokerPool in namespace {world.key.namespace} names this cluster; make one with "
            f"spec.clusterRef.name {name}",
        )
    if wanted < factor:
        return stalled(
            "FactorExceedsBrokers",
            f"spec.replication.factor is {factor}, and the pools declare {_count(wanted, 'broker')}: no topic can be "
            "made; raise a pool's replicas or lower the factor (and minInSync)",
        )
    return None


def kafka_answers(world: World) -> Phase | None:
    """The admin listener of some broker."""
    error = world.sight.error
    if error is None:
        return None
    if not any(pod.state is PodState.READY for node_id, pod in world.pods.items() if _is_broker(world, node_id)):
        return progressing("BrokersStarting", "waiting for a broker to be ready")
    if isinstance(error, Denied | Invalid):
        return stalled("KafkaRefuses", error.message)
    return progressing("KafkaUnavailable", error.message)


def quorum_is_whole(world: World) -> Phase | None:
    """Every controller votes."""
    missing = [str(node.id) for node in world.controllers if node.id not in world.sight.voters]
    if world.sight.leader < 0:
        return progressing("NoQuorum", "the controllers have no leader; waiting for a majority of them to agree")
    if missing:
        return progressing("VoterMissing", f"waiting for controller {', '.join(missing)} to join the quorum")
    return None


def brokers_are_registered(world: World) -> Phase | None:
    """As many as each record has copies; a pool says by itself when it is not whole."""
    registered, factor = len(world.sight.registered), world.cluster.spec.replication.factor
    if registered >= factor:
        return None
    return progressing("BrokersStarting", f"waiting for brokers: {factor} are needed for the declared copies")


# Asked in the end: what to say.
CHECKS: tuple[Check, ...] = (
    controller_is_stuck,
    node_is_lost,
    volume_waits,
    something_could_not_be_done,
    roll_out_is_done,
    nodes_are_in_region,
    buckets_stay_ready,
    controllers_are_up,
    brokers_are_declared,
    kafka_answers,
    quorum_is_whole,
    brokers_are_registered,
)


def first(checks: Iterable[Check], world: World) -> Phase | None:
    """The first finding."""
    return next((found for check in checks if (found := check(world)) is not None), None)


def judge(world: World) -> Phase:
    """Where the cluster stands."""
    return first(CHECKS, world) or ready(f"{_count(len(world.controllers), 'controller')} and the brokers are up")


def _contradicts(view: View | None) -> Phase | None:
    wrong = [] if view is None else [*places.contradictions(view.region)]
    if view is None or not wrong:
        return None
    return refused(
        "RegionContradiction",
        f"spec.region declares {view.region.name}, and {' and '.join(wrong)}; name those of the region",
    )


def _is_broker(world: World, node_id: int) -> bool:
    return all(node.id != node_id for node in world.controllers)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
