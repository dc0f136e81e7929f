"""A MemoryCluster and the buckets that it is made on: when it may begin, and what its promises of them cost. Pure."""

from agentmemory.api.base import EnforcementEntry
from agentmemory.api.conditions import Phase
from agentmemory.api.enforcement import depends_on_producer, enforced
from agentmemory.clusters.world import World
from agentmemory.engines.automq.buckets import INTERVALS, price
from agentmemory.engines.kafka import quorum
from agentmemory.engines.storage import not_ready, unmet

_PATH = "spec.objectStorage"


def buckets_are_there(world: World) -> Phase | None:
    """Before it begins a cluster waits until its buckets are ready; later it needs only to know how to reach them."""
    if quorum.begun(world.evidence):
        return world.storage.phase
    return unmet(world.cluster, world.storage)


def buckets_stay_ready(world: World) -> Phase | None:
    """What a bucket says of itself while the cluster runs on it."""
    return next((found for bucket in world.storage.buckets if (found := not_ready(bucket)) is not None), None)


def enforcement(world: World) -> list[EnforcementEntry]:
    """What becomes of the promises about buckets."""
    asked = world.cluster.spec.object_storage
    if asked is None:
        return []
    interval = f"s3.wal.path batchInterval={INTERVALS[asked.latency_class]}"
    entries = [enforced(f"{_PATH}.latencyClass", interval, price(asked.latency_class, world.brokers_wanted))]
    if asked.zone_router:
        how = "it holds for clients whose client.id has automq_az=<zone>; others may be served across zones"
        entries.append(depends_on_producer(f"{_PATH}.zoneRouter", "automq.zonerouter.channels", how))
    return entries
