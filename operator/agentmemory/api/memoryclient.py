"""MemoryClient: one application, what it may do with which families, and how it proves who it is."""

from typing import Annotated, Literal

from pydantic import Field

from agentmemory.api.base import (
    AGE,
    READY,
    REASON,
    Column,
    EnforcingStatus,
    KindInfo,
    Resource,
    SpecModel,
    TenantRef,
)
from agentmemory.api.lists import ListMap, ListSet
from agentmemory.api.rules import object_name
from agentmemory.api.types import DnsLabel, DnsSubdomain
from agentmemory.domain.names import LABEL_LENGTH

Operation = Literal["Produce", "Consume", "Replay"]


class Authentication(SpecModel):
    """How the application proves who it is."""

    type: Literal["ScramSha512", "ScramSha256"] = "ScramSha512"
    """SASL mechanism, over TLS."""


class Access(SpecModel):
    """What the application may do with one family."""

    family: DnsLabel
    """Name of a TopicFamily in this namespace."""
    operations: Annotated[tuple[Operation, ...], ListSet()] = Field(min_length=1, max_length=3)
    """Produce: write. Consume: read in groups of the application's own. Replay: read again from any point."""


class MemoryClientSpec(SpecModel):
    """What the team wants for the application."""

    tenant_ref: TenantRef
    """The tenant, with its namespace; it must list this namespace in turn. Cannot change."""
    authentication: Authentication = Authentication()
    """How the application proves who it is."""
    access: Annotated[tuple[Access, ...], ListMap("family")] = Field(min_length=1, max_length=64)
    """What it may do, family by family."""
    secret_name: DnsSubdomain | None = None
    """Secret, made in this namespace, with credentials and addresses. Absent: `<name>-kafka`."""


class MemoryClientStatus(EnforcingStatus):
    """What the operator last did for the application."""

    principal: str | None = Field(default=None, max_length=256)
    """Its user in Kafka: `<tenant>.<segment>.<client>`."""
    secret_name: str | None = Field(default=None, max_length=253)
    """The Secret with credentials and addresses."""
    group_prefix: str | None = Field(default=None, max_length=256)
    """What its consumer groups' ids must begin with."""
    transactional_id_prefix: str | None = Field(default=None, max_length=256)
    """What its transactional ids must begin with."""


class MemoryClient(Resource[MemoryClientSpec, MemoryClientStatus]):
    """One application that writes or reads memory: what it may do, and the Secret that lets it."""

    INFO = KindInfo(
        kind="MemoryClient",
        plural="memoryclients",
        short="mcl",
        columns=(
            Column("Tenant", ".spec.tenantRef.name", description="The tenant."),
            Column("Principal", ".status.principal", description="Its user in Kafka."),
            Column("Secret", ".status.secretName", description="Where its credentials are."),
            READY,
            REASON,
            AGE,
        ),
        rules=(object_name(LABEL_LENGTH, "it is part of the user's name"),),
    )

    @property
    def secret_name(self) -> str:
        """The Secret's name, given or derived."""
        return self.spec.secret_name or f"{self.metadata.name}-kafka"
