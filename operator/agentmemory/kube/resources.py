"""The kinds that we talk about and where they live in the Kubernetes API."""

from dataclasses import dataclass

from agentmemory.core.key import Key

GROUP_VERSION = "agentmemory.dev/v1alpha1"


@dataclass(frozen=True)
class Resource:
    """One kind of object. `api_version` is `v1` for the core group, else `<group>/<version>`."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group, empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version inside the group."""
        return self.api_version.rpartition("/")[2]

    @property
    def custom(self) -> bool:
        """Whether a CustomResourceDefinition of ours makes it."""
        return self.api_version == GROUP_VERSION

    @property
    def root(self) -> str:
        """The path of the group and version."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"


def _of(api_version: str, *kinds: tuple[str, str], namespaced: bool = True) -> dict[str, Resource]:
    return {kind: Resource(api_version, kind, plural, namespaced) for kind, plural in kinds}


RESOURCES: dict[str, Resource] = {
    **_of(
        GROUP_VERSION,
        ("MemoryCluster", "memoryclusters"),
        ("BrokerPool", "brokerpools"),
        ("MemoryBucket", "memorybuckets"),
        ("MemoryTenant", "memorytenants"),
        ("TopicFamily", "topicfamilies"),
        ("MemoryClient", "memoryclients"),
    ),
    **_of(
        "v1",
        ("Pod", "pods"),
        ("Service", "services"),
        ("PersistentVolumeClaim", "persistentvolumeclaims"),
        ("ConfigMap", "configmaps"),
        ("Secret", "secrets"),
        ("Event", "events"),
    ),
    **_of("v1", ("Namespace", "namespaces"), ("Node", "nodes"), namespaced=False),
    **_of("policy/v1", ("PodDisruptionBudget", "poddisruptionbudgets")),
    **_of("rbac.authorization.k8s.io/v1", ("RoleBinding", "rolebindings")),
    **_of("coordination.k8s.io/v1", ("Lease", "leases")),
}


def path(kind: str, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
    """The URL path of an object, or of a collection without `name`. Raises KeyError for a kind not listed above."""
    resource = RESOURCES[kind]
    parts = [resource.root]
    if resource.namespaced and namespace:
        parts += ["namespaces", namespace]
    parts.append(resource.plural)
    if name is not None:
        parts.append(name)
    if subresource is not None:
        parts.append(subresource)
    return "/".join(parts)


def path_of(key: Key, subresource: str | None = None) -> str:
    """The URL path of the object with this key."""
    return path(key.kind, key.namespace, key.name, subresource)
