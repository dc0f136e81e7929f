"""What the fake knows of each kind beyond its path."""

from dataclasses import dataclass

from agentmemory.kube.resources import RESOURCES, Resource

HAS_STATUS = frozenset({"Pod", "Service", "PersistentVolumeClaim", "PodDisruptionBudget", "Namespace", "Node"})
HAS_GENERATION = frozenset({"PodDisruptionBudget"})


@dataclass(frozen=True)
class FakeKind:
    """Behaviour of one kind. Custom kinds drop `status` on create and start with `observedGeneration: -1`."""

    resource: Resource
    has_status: bool
    has_generation: bool
    has_scale: bool


KINDS: dict[str, FakeKind] = {
    kind: FakeKind(
        resource,
        has_status=resource.custom or kind in HAS_STATUS,
        has_generation=resource.custom or kind in HAS_GENERATION,
        has_scale=kind == "BrokerPool",
    )
    for kind, resource in RESOURCES.items()
}


def by_path(api_version: str, plural: str) -> FakeKind | None:
    """The kind served under `/apis/<api_version>/.../<plural>`."""
    for known in KINDS.values():
        if known.resource.api_version == api_version and known.resource.plural == plural:
            return known
    return None
