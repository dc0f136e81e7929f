"""A MemoryCluster's status from what was seen. Pure; keeps what is only known while Kafka answers."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from agentmemory.api.base import EnforcementEntry
from agentmemory.api.conditions import Phase, to_conditions
from agentmemory.api.enforcement import enforced, to_list, unverified
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.clusters import buckets
from agentmemory.clusters.desired import client_bootstrap
from agentmemory.clusters.world import World
from agentmemory.domain.names import FIRST_BROKER_ID
from agentmemory.domain.regions import Place
from agentmemory.engines import places
from agentmemory.engines.kafka import names
from agentmemory.engines.kafka.quorum import Quorum
from agentmemory.engines.pods import PodState
from agentmemory.engines.residency import broken_links, unproven

Object = dict[str, Any]


_LATER_FACTOR = "a topic keeps the copies it has"
# With eligible leader replicas (KIP-966) the first value becomes a cluster-wide dynamic one, which goes before the
# nodes' own configuration (seen on 4.3.1); families' topics carry the value by themselves.
_LATER_MIN_IN_SYNC = "a change reaches families' topics; Kafka's own topics keep the value of the first start"


def of_cluster(obj: Object, world: World, quorum: Quorum, phase: Phase) -> Object:
    """The status of a cluster that the operator makes, once its objects are applied."""
    previous, cluster = obj.get("status") or {}, world.cluster
    ready = sum(1 for node in world.controllers if _is_ready(world, node.id))
    voters = sorted(world.sight.voters) if world.sight.answers else (previous.get("controllers") or {}).get("voters")
    registered = len(world.sight.registered) if world.sight.answers else _last_known(previous, world)
    status = {
        **base(obj, phase, world, enforcement(cluster, world.places) + buckets.enforcement(world)),
        "clusterId": quorum.cluster_id,
        "bootstrapped": quorum.begun,
        "bootstrapServers": client_bootstrap(world),
        "caSecretName": names.authority_secret(world.key.name),
        "controllers": {"desired": len(world.controllers), "ready": ready, "voters": voters or []},
        "brokers": {"registered": registered},
        **places_of(world.places),
    }
    version = cluster.spec.version if phase.kind == "Ready" else previous.get("kafkaVersion")
    return status if version is None else {**status, "kafkaVersion": version}


def of_trouble(obj: Object, phase: Phase, now: datetime) -> Object:
    """The status when nothing could be done: the conditions, and all else as it was.

    What passes by itself is no verdict on the declaration: the generation that was taken up stays the former one, by
    which the pools know that the controllers have still to take up the new one.
    """
    previous, generation = obj.get("status") or {}, obj["metadata"]["generation"]
    judged = previous.get("observedGeneration", -1) if phase.kind == "Progressing" else generation
    return {
        **previous,
        "observedGeneration": judged,
        "conditions": to_conditions(phase, previous.get("conditions") or [], generation, now),
    }


def of_gate(obj: Object, world: World, phase: Phase) -> Object:
    """The status while nothing is touched: places that need no look at machines are told, others stay as they were."""
    made = of_trouble(obj, phase, world.now)
    found = () if world.view is None else places.fixed(world.view)
    wrong = [place for place in found if place.state == "Violated"]
    known = [place for place in found if place in wrong or not place.name.startswith("Volume/")]
    if wrong:
        # What is known to be broken must not be called kept, though nothing else was looked at.
        others = [entry for entry in made.get("enforcement") or () if entry["path"] != "spec.region.name"]
        broken = to_list(region_entries(world.cluster, tuple(wrong))[:1])
        made["enforcement"] = sorted([*others, *broken], key=lambda entry: str(entry["path"]))
    named = {entry["name"] for entry in _entries(known)}
    kept = [entry for entry in made.get("places") or () if entry["name"] not in named]
    told = sorted([*_entries(known), *kept], key=lambda entry: str(entry["name"]))[: places.MOST]
    return {**made, "places": told} if told else made


def places_of(found: Iterable[Place]) -> Object:
    """`status.places`; nothing when there are none."""
    entries = _entries(found)
    return {"places": entries} if entries else {}


def _entries(found: Iterable[Place]) -> list[Object]:
    """Within the lengths of the schema; a region that nothing tells is absent."""
    return [
        {"name": place.name[:253], "state": place.state, "by": place.by[:512]}
        | ({} if place.region is None else {"region": place.region[:63]})
        for place in found
    ]


def base(obj: Object, phase: Phase, world: World, entries: list[EnforcementEntry]) -> Object:
    """What every status says."""
    generation = obj["metadata"]["generation"]
    previous = (obj.get("status") or {}).get("conditions") or []
    return {
        "observedGeneration": generation,
        "conditions": to_conditions(phase, previous, generation, world.now),
        "enforcement": to_list(entries),
    }


def enforcement(cluster: MemoryCluster, found: Iterable[Place] = ()) -> list[EnforcementEntry]:
    """What becomes of each promise about data."""
    entries = [
        enforced("spec.replication.factor", "default.replication.factor, also of Kafka's own topics", _LATER_FACTOR),
        enforced("spec.replication.minInSync", "min.insync.replicas", _LATER_MIN_IN_SYNC),
    ]
    return entries + region_entries(cluster, tuple(found))


def region_entries(cluster: MemoryCluster, found: tuple[Place, ...]) -> list[EnforcementEntry]:
    """What becomes of the declared region, by the places that were looked at."""
    region = cluster.spec.region
    if region is None:
        return []
    looks = "buckets, volumes and machines are looked at (status.places); what rests elsewhere is refused"
    wrong = [place for place in found if place.state == "Violated"]
    kinds = unproven(found)
    if wrong:
        entries = [unverified("spec.region.name", looks, "; ".join(broken_links(wrong, region.name))[:1024])]
    elif not found or kinds:
        why = f"nothing proves the region of: {kinds}" if kinds else "no place has been looked at yet"
        entries = [unverified("spec.region.name", looks, why)]
    else:
        entries = [enforced("spec.region.name", looks)]
    if region.node_labels and cluster.spec.engine != "external":
        entries.append(enforced("spec.region.nodeLabels", "required node affinity of each pod"))
    if region.kms_key_id is not None:
        entries.append(enforced("spec.region.kmsKeyId", "a bucket with another key is refused"))
    if region.endpoints:
        entries.append(enforced("spec.region.endpoints", "a bucket on another host is refused"))
    return entries


def _last_known(previous: Object, world: World) -> int:
    """How many brokers were registered when Kafka last answered; none once there is no broker's pod any more."""
    if not any(node_id >= FIRST_BROKER_ID for node_id in world.pods):
        return 0
    found: int = (previous.get("brokers") or {}).get("registered", 0)
    return found


def _is_ready(world: World, node_id: int) -> bool:
    pod = world.pods.get(node_id)
    return pod is not None and pod.state is PodState.READY
