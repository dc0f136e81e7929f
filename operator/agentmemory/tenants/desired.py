"""What a tenant becomes in Kubernetes: one RoleBinding for each of its namespaces, and its status. Pure."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from agentmemory.api.base import EnforcementEntry
from agentmemory.api.conditions import Phase, to_conditions
from agentmemory.api.enforcement import enforced, to_list, unverified
from agentmemory.api.labels import MANAGED_BY, MANAGER
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.engines import residency
from agentmemory.tenants.world import BINDING, World

Object = dict[str, Any]

ROLE = "agent-memory-tenant-namespace"
"""The fixed ClusterRole (the chart's): the only one that the platform role may bind."""
ACCOUNT = "agent-memory-operator-tenant"
"""The tenant role's ServiceAccount (the chart's), in the operator's namespace."""


def role_binding(namespace: str, operator_namespace: str) -> Object:
    """The tenant role's rights in a tenant's namespace.

    The same whichever tenant lists the namespace, and without owner: an ownerReference cannot cross namespaces. It is
    ours by its name and label, and goes when no tenant lists the namespace any more.
    """
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": BINDING, "namespace": namespace, "labels": {MANAGED_BY: MANAGER}},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": operator_namespace}],
    }


def is_right(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a binding says what it should."""
    return binds_right_role(live, wanted) and live.get("subjects") == wanted["subjects"]


def binds_right_role(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """`roleRef` cannot change: a binding with another one is made anew."""
    return bool(live.get("roleRef") == wanted["roleRef"])


def status(
    obj: Mapping[str, Any], world: World | None, phase: Phase, served: Collection[str] | None, now: datetime
) -> Object:
    """The complete status. `world` None: the spec cannot be read; `served` None: nothing was granted in this look."""
    before, generation = obj.get("status") or {}, obj["metadata"].get("generation", 0)
    made: Object = {
        "observedGeneration": generation,
        "conditions": to_conditions(phase, before.get("conditions") or [], generation, now),
    }
    if world is None:
        return made | {name: before[name] for name in ("enforcement", "namespaces") if name in before}
    made["enforcement"] = to_list(enforcement(world.cluster))
    if served is None:
        return made | ({"namespaces": before["namespaces"]} if "namespaces" in before else {})
    listed = [entry for entry in world.tenant.spec.namespaces if entry.name in served]
    made["namespaces"] = [{"name": entry.name, "segment": entry.effective_segment} for entry in listed]
    return made


def enforcement(cluster: MemoryCluster | None) -> list[EnforcementEntry]:
    """What becomes of each promise of the frame."""
    regions = "families that name another region are refused"
    return [
        enforced("spec.namespaces", "families and clients of other namespaces are refused; prefixed ACLs in Kafka"),
        enforced("spec.priorities", "families that declare another priority are refused"),
        unverified("spec.regions", regions, "its cluster is not there")
        if cluster is None
        else residency.keeping("spec.regions", cluster, f"{regions}; "),
    ]
