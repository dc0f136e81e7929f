"""Whether a tenant can be as it is declared: pure checks, the first finding wins.

That segments differ, names are DNS labels and namespaces are listed once is checked by the API already. Two tenants may
list one namespace: the tenant's name is part of every Kafka name, so nothing of theirs can meet.
"""

from collections.abc import Callable, Mapping

from agentmemory.api.conditions import Phase, progressing, ready, refused, stalled
from agentmemory.domain import regions
from agentmemory.engines import residency
from agentmemory.engines.verdict import sum_up
from agentmemory.tenants.world import World

Check = Callable[[World], Phase | None]


def namespaces_may_be_had(world: World) -> Phase | None:
    """The tenant role gets rights on Secrets in a tenant's namespaces, so the platform's own cannot be among them."""
    found = [entry.name for entry in world.tenant.spec.namespaces if world.is_protected(entry.name)]
    if not found:
        return None
    return refused(
        "NamespaceProtected",
        f"spec.namespaces lists {', '.join(found)}; namespaces of Kubernetes (kube-*), of the operator "
        f"({world.operator_namespace}) and of MemoryClusters cannot be a tenant's; take them off the list",
    )


def cluster_exists(world: World) -> Phase | None:
    """It may be on its way (one `kubectl apply` of many files), so this waits."""
    tenant = world.tenant
    name = f"MemoryCluster {tenant.metadata.namespace}/{tenant.spec.cluster_ref.name}"
    if world.cluster_fault is not None:
        return stalled("ClusterInvalid", world.cluster_fault)
    if world.cluster is None:
        return progressing(
            "ClusterNotFound", f"{name} does not exist; create it (clusterRef cannot change: or make a new tenant)"
        )
    if world.cluster.metadata.deletion_timestamp is not None:
        return stalled("ClusterTerminating", f"{name} is being deleted")
    return None


def regions_exist(world: World) -> Phase | None:
    """A tenant cannot allow what its cluster does not have."""
    if world.cluster is None:
        return None
    tenant, cluster = world.tenant, world.cluster
    here = cluster.spec.region.name if cluster.spec.region else None
    missing = regions.outside(tenant.spec.regions, regions.tenant_regions((), here))
    if not missing:
        return None
    return refused(
        "RegionNotAvailable",
        f"spec.regions lists {', '.join(missing)}; the tenant's topics rest in MemoryCluster "
        f"{cluster.metadata.namespace}/{cluster.metadata.name}, which is in {here or 'no declared region'}; "
        "take them off the list, or make a tenant for a cluster that is there",
    )


def places_are_in_region(world: World) -> Phase | None:
    """A region that the tenant names is broken by the cluster. Its families say so themselves where they promise it."""
    tenant, cluster = world.tenant, world.cluster
    if cluster is None or not tenant.spec.regions or not residency.violated(cluster):
        return None
    name = f"{tenant.metadata.namespace}/{tenant.metadata.name}"
    first = f"MemoryTenant {name} names {', '.join(tenant.spec.regions)}"
    return stalled("RegionViolated", residency.chain([first], cluster))


def prefix_is_free(world: World) -> Phase | None:
    """On one Kafka a tenant's name is the prefix of its topics, so it is there once."""
    if world.rival is None:
        return None
    name = world.tenant.metadata.name
    return refused(
        "PrefixTaken",
        f"MemoryTenant {world.rival.namespace}/{name} has the prefix {name}. on the same Kafka; "
        "make a tenant of another name",
    )


CHECKS: tuple[Check, ...] = (
    namespaces_may_be_had,  # before anything that waits: it is about rights
    cluster_exists,
    regions_exist,
    places_are_in_region,
    prefix_is_free,
)


def judge(world: World) -> Phase | None:
    """The first finding of CHECKS, or None when the tenant can be served."""
    return next((found for check in CHECKS if (found := check(world)) is not None), None)


def served(world: World, troubles: Mapping[str, Phase]) -> Phase:
    """How it stands after rights were granted; `troubles` by namespace. The others are served all the same."""
    found = sum_up([*troubles.values()])
    if found is not None:
        return found
    count = len(world.tenant.spec.namespaces)
    return ready(f"{count} {'namespace is' if count == 1 else 'namespaces are'} served")


def namespace_missing(namespace: str) -> Phase:
    """Looked for again: a namespace often comes after its tenant."""
    return progressing(
        "NamespaceNotFound", f"namespace {namespace} does not exist; create it, or take it off spec.namespaces"
    )


def namespace_ending(namespace: str) -> Phase:
    """It may come back under its name."""
    return progressing(
        "NamespaceTerminating", f"namespace {namespace} is being deleted; take it off spec.namespaces if it stays away"
    )


def binding_foreign(namespace: str, name: str) -> Phase:
    """Somebody made an object of our name: it is not touched."""
    return stalled(
        "NotOurs",
        f"RoleBinding {namespace}/{name} exists and is not the operator's; delete it, so that ours can be made",
    )
