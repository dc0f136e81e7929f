"""What the fake knows of each kind beyond its path. Each line was seen on a real apiserver: see tests/conformance."""

from dataclasses import dataclass, field

from agentmemory.kube.resources import RESOURCES, Resource

HAS_STATUS = frozenset({"Pod", "Service", "PersistentVolumeClaim", "PodDisruptionBudget", "Namespace", "Node"})
HAS_GENERATION = frozenset({"Pod", "PodDisruptionBudget"})
# A DELETE of these answers with the object, of the others with a Status.
ANSWERS_OBJECT = frozenset({"Pod", "Service", "PersistentVolumeClaim", "Namespace"})
# A PUT without a resourceVersion is taken.
BLIND_UPDATE = frozenset(
    {"Pod", "Service", "PersistentVolumeClaim", "ConfigMap", "Secret", "Event", "Namespace", "Node", "RoleBinding"}
)
# A PUT of a name that is not there creates it.
CREATED_BY_UPDATE = frozenset({"Lease", "Event", "RoleBinding"})


@dataclass(frozen=True)
class FakeKind:
    """Behaviour of one kind. Custom kinds drop `status` on create and start with `observedGeneration: -1`."""

    resource: Resource
    has_status: bool
    has_generation: bool
    has_scale: bool
    full_plural: str = field(init=False)  # as messages name it
    full_name: str = field(init=False)
    head: bytes = field(init=False)  # what the JSON of each object starts with

    def __post_init__(self) -> None:
        group = self.resource.group
        suffix = f".{group}" if group else ""
        object.__setattr__(self, "full_plural", f"{self.resource.plural}{suffix}")
        object.__setattr__(self, "full_name", f"{self.resource.kind}{suffix}")
        head = f'{{"apiVersion":"{self.resource.api_version}","kind":"{self.resource.kind}",'
        object.__setattr__(self, "head", head.encode())

    @property
    def answers_object(self) -> bool:
        return self.resource.kind in ANSWERS_OBJECT

    @property
    def blind_update(self) -> bool:
        return self.resource.kind in BLIND_UPDATE

    @property
    def created_by_update(self) -> bool:
        return self.resource.kind in CREATED_BY_UPDATE


KINDS: dict[str, FakeKind] = {
    kind: FakeKind(
        resource,
        has_status=resource.custom or kind in HAS_STATUS,
        has_generation=resource.custom or kind in HAS_GENERATION,
        has_scale=kind == "BrokerPool",
    )
    for kind, resource in RESOURCES.items()
}
_BY_PATH = {(known.resource.api_version, known.resource.plural): known for known in KINDS.values()}


def by_path(api_version: str, plural: str) -> FakeKind | None:
    """The kind served under `/apis/<api_version>/.../<plural>`."""
    return _BY_PATH.get((api_version, plural))
