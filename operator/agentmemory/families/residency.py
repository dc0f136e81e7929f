"""A family's promise of regions against its tenant, its cluster, and each place where the data rests. Pure."""

from collections.abc import Iterator

from agentmemory.api.base import EnforcementEntry
from agentmemory.api.conditions import Phase, refused
from agentmemory.api.enforcement import unverified
from agentmemory.domain import regions
from agentmemory.engines import residency
from agentmemory.families.world import World


def region_is_allowed(world: World) -> Phase | None:
    """Data rests where the cluster is: the tenant must allow each region named, and the cluster must be in one."""
    promise, tenant, cluster = world.family.spec.residency, world.frame.tenant, world.frame.cluster
    if promise is None or tenant is None or cluster is None:
        return None
    here = residency.region_of(cluster)
    permitted = sorted(regions.tenant_regions(tenant.spec.regions, here))
    outside = regions.outside(promise.regions, permitted)
    links = [*_links(world, promise.regions, permitted)]
    if outside:
        why = "none, since its cluster declares no region"
        return refused(
            "RegionNotAllowed",
            f"{links[0]}; its tenant {_tenant(world)} allows {', '.join(permitted) or why}, and not "
            f"{', '.join(outside)}; name allowed regions only, or use a tenant whose cluster is there",
        )
    if here not in promise.regions:
        return refused(
            "RegionNotAllowed",
            f"{'; '.join(links)}; its cluster {cluster.metadata.namespace}/{cluster.metadata.name} declares "
            f"{here or 'no region'}; use a tenant whose cluster is there",
        )
    if residency.violated(cluster):
        return refused("RegionViolated", residency.chain(links, cluster))
    return None


def promised(world: World) -> Iterator[EnforcementEntry]:
    """What becomes of the promise, by the places of its cluster."""
    if world.family.spec.residency is None:
        return
    path, cluster = "spec.residency.regions", world.frame.cluster
    if cluster is None:
        yield unverified(path, "its cluster declares no region", "its cluster is not there")
    else:
        yield residency.keeping(path, cluster)


def _links(world: World, promise: tuple[str, ...], permitted: list[str]) -> Iterator[str]:
    metadata = world.family.metadata
    yield f"TopicFamily {metadata.namespace}/{metadata.name} allows {', '.join(promise)}"
    yield f"its tenant {_tenant(world)} allows {', '.join(permitted)}"


def _tenant(world: World) -> str:
    return f"{world.frame.ref.namespace}/{world.frame.ref.name}"
