"""MemoryTenant: who may put memory into a cluster, from which namespaces, and within which frame."""

from typing import Annotated

from pydantic import Field

from agentmemory.api.base import (
    AGE,
    READY,
    REASON,
    ClusterRef,
    Column,
    EnforcingStatus,
    KindInfo,
    Resource,
    SpecModel,
    StatusModel,
)
from agentmemory.api.lists import ListMap, ListSet
from agentmemory.api.rules import Rule, object_name
from agentmemory.api.types import DnsLabel
from agentmemory.domain.names import TENANT_LENGTH
from agentmemory.domain.priorities import Priority


class TenantNamespace(SpecModel):
    """A namespace that belongs to the tenant."""

    RULES = (
        Rule(
            "(has(self.segment) ? self.segment : self.name) == (has(oldSelf.segment) ? oldSelf.segment : oldSelf.name)",
            "segment cannot change (absent, it is the namespace's name), since it is part of the topics' names; "
            "write the old one",
        ),
    )

    name: DnsLabel
    """Name of the namespace. Families and clients in it may refer to this tenant."""
    segment: DnsLabel | None = None
    """Second part of the names of its topics. Absent: the namespace's name. Unique in the tenant; cannot change."""

    @property
    def effective_segment(self) -> str:
        """The segment, or the namespace's name where none is given."""
        return self.segment or self.name


def _segments_differ(namespaces: tuple[TenantNamespace, ...]) -> bool:
    return len({namespace.effective_segment for namespace in namespaces}) == len(namespaces)


_SEGMENTS_DIFFER = Rule(
    "self.all(n, self.exists_one(m, (has(m.segment) ? m.segment : m.name) == (has(n.segment) ? n.segment : n.name)))",
    "two namespaces have one segment (absent, it is the namespace's name), so their topics would share a name; "
    "give each its own",
    _segments_differ,
)


class MemoryTenantSpec(SpecModel):
    """What the platform team allows the tenant."""

    cluster_ref: ClusterRef
    """The MemoryCluster, in the same namespace, that holds the tenant's topics. Cannot change."""
    namespaces: Annotated[tuple[TenantNamespace, ...], ListMap("name"), _SEGMENTS_DIFFER] = Field(
        min_length=1, max_length=200
    )
    """The tenant's namespaces."""
    priorities: Annotated[tuple[Priority, ...], ListSet()] = Field(default=("standard",), min_length=1, max_length=3)
    """Priorities that its families may declare."""
    regions: Annotated[tuple[DnsLabel, ...], ListSet()] = Field(default=(), max_length=16)
    """Regions that its families may name in their residency. Empty: the cluster's own region only."""


class TenantNamespaceStatus(StatusModel):
    """A namespace whose families and clients are served."""

    name: str = Field(max_length=63)
    """Name of the namespace."""
    segment: str = Field(max_length=63)
    """Second part of the names of its topics."""


class MemoryTenantStatus(EnforcingStatus):
    """What the operator last saw of the tenant."""

    namespaces: Annotated[tuple[TenantNamespaceStatus, ...], ListMap("name")] = Field(default=(), max_length=200)
    """Namespaces whose families and clients are served."""


class MemoryTenant(Resource[MemoryTenantSpec, MemoryTenantStatus]):
    """Who may put memory into a MemoryCluster: namespaces, priorities and regions. Its name is the topics' prefix."""

    INFO = KindInfo(
        kind="MemoryTenant",
        plural="memorytenants",
        short="mt",
        columns=(
            Column("Cluster", ".spec.clusterRef.name", description="The cluster."),
            Column("Priorities", ".spec.priorities", description="Priorities its families may declare."),
            Column("Namespaces", ".spec.namespaces[*].name", priority=1, description="The tenant's namespaces."),
            READY,
            REASON,
            AGE,
        ),
        rules=(object_name(TENANT_LENGTH, "it is the first part of its topics' names"),),
    )
