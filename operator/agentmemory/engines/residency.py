"""What a cluster's places mean for whoever promises a region: the chain of reasons, and whether the promise is kept.

Tenants and families read a MemoryCluster's `status.places`; kinds do not import each other, so it is here.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from agentmemory.api.base import EnforcementEntry
from agentmemory.api.conditions import Phase, refused
from agentmemory.api.enforcement import enforced, unverified
from agentmemory.api.memorybucket import MemoryBucket
from agentmemory.api.memorycluster import MemoryCluster, PlaceStatus
from agentmemory.domain import regions
from agentmemory.engines import places

# Places that a message names one by one; the status has them all.
NAMED = 3
WAY_OUT = "move the data to a declared region, or use a cluster that keeps it there"


def region_of(cluster: MemoryCluster) -> str | None:
    """The region that a cluster declares."""
    return None if cluster.spec.region is None else cluster.spec.region.name


def text_of(cluster: MemoryCluster) -> str:
    """The cluster, for messages."""
    return f"MemoryCluster {cluster.metadata.namespace}/{cluster.metadata.name}"


def violated(cluster: MemoryCluster) -> tuple[PlaceStatus, ...]:
    """The places that are not where the cluster declares."""
    return tuple(place for place in cluster.status.places if place.state == "Violated")


def chain(first: Iterable[str], cluster: MemoryCluster) -> str:
    """The reasons of whoever promises a region (`first`), and on to the places where the cluster breaks it."""
    declares = f"its cluster {cluster.metadata.namespace}/{cluster.metadata.name} declares "
    links = [*first, declares + (region_of(cluster) or "no region"), *broken(cluster)]
    return "; ".join([*links, WAY_OUT])


def trouble(
    cluster: MemoryCluster, found: Iterable[regions.Place], phase: Callable[[str, str], Phase] = refused
) -> Phase | None:
    """The chain of reasons from the cluster to each of these places that is not in its region."""
    wrong = [place for place in found if place.state == "Violated"]
    if not wrong:
        return None
    region = region_of(cluster) or "no region"
    links = [f"{text_of(cluster)} declares {region}", *broken_links(wrong, region)]
    return phase("RegionViolated", "; ".join([*links, WAY_OUT]))


def buckets_elsewhere(cluster: MemoryCluster, buckets: Iterable[MemoryBucket]) -> Phase | None:
    """Buckets on which no node of the cluster may be built, made anew somewhere else under their old names too."""
    view = places.view_of(cluster)
    if view is None:
        return None
    named = {bucket.metadata.name: bucket for bucket in buckets}
    return trouble(cluster, places.buckets(replace(view, buckets=named)))


def broken(cluster: MemoryCluster) -> list[str]:
    """A link for each violated place, the last for those that are only counted."""
    return broken_links(violated(cluster), region_of(cluster) or "")


def broken_links(places: Iterable[PlaceStatus | regions.Place], declared: str) -> list[str]:
    """The same for any places."""
    found = [regions.says(place.name, place.region, place.by, declared) for place in places]
    more = len(found) - NAMED
    return found[:NAMED] + ([f"and {more} more (status.places)"] if more > 0 else [])


def keeping(path: str, cluster: MemoryCluster, by: str = "") -> EnforcementEntry:
    """What becomes of a promise of regions: Enforced only where every place was looked at and is right.

    `by` says what else keeps it.

    Says nothing that comes and goes with single machines or volumes: ten thousand families would be written anew.
    """
    declares = f"{by}its cluster declares {region_of(cluster) or 'no region'}"
    wrong = broken(cluster)
    if wrong:
        return unverified(path, declares, "; ".join(wrong)[:1024])
    if not cluster.status.places:
        return unverified(path, declares, "no place where its data rests has been looked at yet")
    kinds = unproven(cluster.status.places)
    if kinds:
        return unverified(
            path, declares, f"nothing proves the region of: {kinds} (status.places of {text_of(cluster)})"
        )
    return enforced(path, f"{declares}; each of its places was looked at (status.places of {text_of(cluster)})")


def unproven(places: Iterable[PlaceStatus | regions.Place]) -> str:
    """The kinds of places whose region is only declared."""
    return ", ".join(sorted({place.name.partition("/")[0] for place in places if place.state == "Declared"}))


def summary(status: Mapping[str, Any]) -> Hashable:
    """What those who promise regions read of a MemoryCluster's status as the API server has it."""
    places = [place for place in status.get("places") or () if isinstance(place, Mapping)]
    wrong = sorted(
        (str(place.get("name")), str(place.get("region")), str(place.get("by")))
        for place in places
        if place.get("state") == "Violated"
    )
    kinds = {str(place.get("name")).partition("/")[0] for place in places if place.get("state") == "Declared"}
    return bool(places), tuple(wrong), frozenset(kinds)
