"""What a tenant's reconcile looks at: the tenant, its cluster, and what else bears on its names and namespaces."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentmemory.api.base import parse
from agentmemory.api.labels import MANAGED_BY, MANAGER
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.api.memorytenant import MemoryTenant
from agentmemory.core.errors import Invalid
from agentmemory.core.key import Key
from agentmemory.core.store import Store

Object = dict[str, Any]

BINDING = "agent-memory-tenant-operator"
"""Name of the RoleBinding in each of a tenant's namespaces."""


@dataclass(frozen=True)
class Rival:
    """A tenant of the same name elsewhere, older than this one, whose cluster is the same Kafka."""

    namespace: str
    name: str


@dataclass(frozen=True)
class World:
    """All of it comes from the store: gathering costs no call."""

    tenant: MemoryTenant
    cluster: MemoryCluster | None
    cluster_fault: str | None
    operator_namespace: str
    cluster_namespaces: frozenset[str]
    rival: Rival | None = None

    def is_protected(self, namespace: str) -> bool:
        """Whether no tenant may have this namespace."""
        return is_protected(namespace, self.operator_namespace, self.cluster_namespaces)


def gather(store: Store, tenant: MemoryTenant, operator_namespace: str) -> World:
    """The world around a tenant."""
    cluster, fault = _cluster(store, tenant)
    return World(
        tenant,
        cluster,
        fault,
        operator_namespace,
        cluster_namespaces(store),
        _rival(store, tenant, cluster),
    )


def cluster_namespaces(store: Store) -> frozenset[str]:
    """Where MemoryClusters live, and with them the platform's Secrets."""
    return frozenset(cluster["metadata"]["namespace"] for cluster in store.list("MemoryCluster"))


def is_protected(namespace: str, operator_namespace: str, of_clusters: frozenset[str]) -> bool:
    """Namespaces in which the tenant role must never get rights: Kubernetes' own, the operator's, the platform's."""
    return namespace.startswith("kube-") or namespace == operator_namespace or namespace in of_clusters


def listed(tenant: Mapping[str, Any]) -> frozenset[str]:
    """The namespaces that a tenant lists, even when the rest of it cannot be read; none once it is being deleted."""
    if tenant["metadata"].get("deletionTimestamp"):
        return frozenset()
    entries = (tenant.get("spec") or {}).get("namespaces") or ()
    return frozenset(entry.get("name", "") for entry in entries if isinstance(entry, Mapping))


def granted(store: Store) -> dict[str, Object]:
    """Our RoleBindings by namespace. A binding of the name without our label is somebody else's."""
    return {
        binding["metadata"]["namespace"]: binding
        for binding in store.list("RoleBinding")
        if binding["metadata"]["name"] == BINDING and is_ours(binding)
    }


def is_ours(binding: Mapping[str, Any]) -> bool:
    """Whether it carries our label."""
    return bool((binding["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER)


def _cluster(store: Store, tenant: MemoryTenant) -> tuple[MemoryCluster | None, str | None]:
    key = Key("MemoryCluster", tenant.metadata.namespace, tenant.spec.cluster_ref.name)
    obj = store.get(key)
    try:
        return (None if obj is None else parse(MemoryCluster, obj)), None
    except Invalid as error:
        return None, f"MemoryCluster {key.namespace}/{key.name} cannot be read: {error.message}"


def _rival(store: Store, tenant: MemoryTenant, cluster: MemoryCluster | None) -> Rival | None:
    """Two MemoryClusters may lead to one Kafka (engine external); then two tenants of one name would share topics."""
    if cluster is None or cluster.status.cluster_id is None:
        return None
    for other in store.list("MemoryTenant"):
        metadata = other["metadata"]
        if metadata["name"] != tenant.metadata.name or metadata["namespace"] == tenant.metadata.namespace:
            continue
        if _cluster_id(store, other) == cluster.status.cluster_id and _age(metadata) < _own_age(tenant):
            return Rival(metadata["namespace"], metadata["name"])
    return None


def _cluster_id(store: Store, tenant: Mapping[str, Any]) -> str | None:
    name = ((tenant.get("spec") or {}).get("clusterRef") or {}).get("name", "")
    cluster = store.get(Key("MemoryCluster", tenant["metadata"]["namespace"], name))
    found = (cluster.get("status") or {}).get("clusterId") if cluster else None
    return found if isinstance(found, str) else None


def _age(metadata: Mapping[str, Any]) -> tuple[str, str]:
    return str(metadata.get("creationTimestamp", "")), metadata["namespace"]


def _own_age(tenant: MemoryTenant) -> tuple[str, str]:
    made = tenant.metadata.creation_timestamp
    return made.strftime("%Y-%m-%dT%H:%M:%SZ") if made else "", tenant.metadata.namespace
