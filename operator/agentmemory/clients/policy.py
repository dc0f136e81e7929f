"""Whether a client can be as it is declared: pure checks, the first finding wins."""

from collections.abc import Callable

from agentmemory.api.conditions import Phase, progressing, ready, refused
from agentmemory.clients.world import World, tenant_key
from agentmemory.engines.frame import CLUSTER_CHECKS, TENANT_CHECKS

Check = Callable[[World], Phase | None]

WITHDRAWN = frozenset({"TenantNotFound", "TenantTerminating", "NamespaceNotAllowed"})
"""Findings that end the access that was given: nobody answers for the client any more."""


def frame_holds(world: World) -> Phase | None:
    """There is a good tenant that lists the client's namespace, and its cluster has come up at least once."""
    return next((found for check in TENANT_CHECKS + CLUSTER_CHECKS if (found := check(world.frame)) is not None), None)


def name_is_valid(world: World) -> Phase | None:
    """Names that the API let through long ago may still not make a user's name."""
    try:
        world.principal  # noqa: B018 (raises)
    except ValueError as error:
        return refused("InvalidName", f"no user's name can be made: {error}")
    return None


def families_are_the_tenants(world: World) -> Phase | None:
    """A namespace may be in two tenants; a client and its families are in one."""
    tenant = tenant_key(world.frame.ref)
    foreign = [family for family in world.families.values() if family.tenant != tenant]
    if not foreign:
        return None
    return refused(
        "FamilyOfAnotherTenant",
        f"spec.access names family {foreign[0].name} of MemoryTenant {foreign[0].tenant.namespace}/"
        f"{foreign[0].tenant.name}, and this client is {world.frame.tenant_text()}'s; make a client for each tenant",
    )


def one_priority(world: World) -> Phase | None:
    """Kafka's quotas know users and not topics, so all that one user writes has one priority."""
    written = [world.families[entry.family] for entry in world.access if "Produce" in entry.operations]
    if len({family.priority for family in written}) <= 1:
        return None
    listed = ", ".join(f"{family.name} ({family.priority})" for family in written)
    return refused(
        "MixedPriorities",
        f"spec.access has Produce on families of different priorities: {listed}; quotas are by user, so make a client "
        "for each priority",
    )


OWN_CHECKS: tuple[Check, ...] = (
    families_are_the_tenants,
    one_priority,
)
CHECKS: tuple[Check, ...] = (
    frame_holds,
    name_is_valid,
    *OWN_CHECKS,  # with a frame: what is refused here may still lose access, never gain any
)


def judge(world: World) -> Phase | None:
    """The first finding of CHECKS, or None when access can be given."""
    return next((found for check in CHECKS if (found := check(world)) is not None), None)


def is_own_finding(world: World) -> bool:
    """Whether the frame is good, and what stands in the way is in the client's own declaration."""
    return frame_holds(world) is None and name_is_valid(world) is None


def served(world: World) -> Phase:
    """How it stands once all that can be given is given."""
    absent, count = world.absent, len(world.client.spec.access)
    if absent:
        return progressing(
            "FamilyNotFound",
            f"spec.access names {', '.join(absent[:3])}{' and others' if len(absent) > 3 else ''}, which namespace "
            f"{world.frame.namespace} does not have (any more); create the TopicFamily, or take it off spec.access",
        )
    return ready(f"user {world.principal} has access to {count} {'family' if count == 1 else 'families'}")


def rights_pending(world: World) -> Phase:
    """The other role gives us our rights on Secrets in the namespace, and takes a moment to."""
    return progressing(
        "RightsPending",
        f"the operator has no right on Secrets in namespace {world.frame.namespace} yet; RoleBinding "
        f"agent-memory-tenant-operator there gives it: see the conditions of {world.frame.tenant_text()} if this stays",
    )
