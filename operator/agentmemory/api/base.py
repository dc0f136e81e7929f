"""What all kinds share: the base models, object metadata, references, and `parse`.

A field's CRD default is its pydantic `default`: the apiserver writes it into the object, so a later release cannot
change it under an existing one. A `default_factory` is filled in by the operator alone and is not in the CRD.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from agentmemory.api.labels import GROUP
from agentmemory.api.lists import ListMap
from agentmemory.api.messages import explain
from agentmemory.api.rules import KEY, NEW_OBJECT, Rule, immutable
from agentmemory.api.types import DnsLabel, DnsSubdomain
from agentmemory.core.errors import Invalid

VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class _Model(BaseModel):
    """Frozen, camelCase on the wire, with the rules that CEL checks too."""

    RULES: ClassVar[tuple[Rule, ...]] = ()
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        if cls.RULES:
            schema[KEY] = [rule.schema() for rule in cls.RULES]
        return schema

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, camelCase, without absent values."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class SpecModel(_Model):
    """A part of a `spec`: unknown fields are refused, and every rule without `oldSelf` is checked."""

    @model_validator(mode="after")
    def _keep_rules(self) -> "SpecModel":
        for rule in self.RULES:
            rule.keep(self)
        return self


class StatusModel(_Model):
    """A part of a `status`: written by the operator, so an unknown field is a newer operator's and is passed over."""

    model_config = ConfigDict(extra="ignore")


class Metadata(BaseModel):
    """The part of `metadata` that reconcilers read."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    finalizers: tuple[str, ...] = ()
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)


class Condition(StatusModel):
    """One aspect of an object's state, as `kubectl wait --for=condition=...` and kstatus read it."""

    type: str = Field(max_length=316)
    """Accepted, Ready, Reconciling or Stalled."""
    status: Literal["True", "False", "Unknown"]
    """Whether it is so."""
    reason: str = Field(max_length=1024)
    """One CamelCase word for programs."""
    message: str = Field(max_length=32768)
    """What is so, and where something is wrong: where, and the way out."""
    last_transition_time: datetime
    """When `status` last changed."""
    observed_generation: int | None = None
    """The `metadata.generation` that was looked at."""


class EnforcementEntry(StatusModel):
    """Whether and by what one declaration of the spec is kept."""

    path: str = Field(max_length=256)
    """The declaration: its path in the object, `spec.retention.time`."""
    state: Literal["Enforced", "DependsOnProducer", "DependsOnNetwork", "Unsupported", "Unverified"]
    """Enforced by the cluster; kept only when producers or the network keep to it; not kept; or not known yet."""
    mechanism: str = Field(default="", max_length=1024)
    """What keeps it: for example the topic's `retention.ms`."""
    reason: str = Field(default="", max_length=1024)
    """Why the state is what it is."""


class Status(StatusModel):
    """What every kind reports."""

    observed_generation: int = -1
    """The `metadata.generation` that this status speaks of; -1 until the operator has seen the object."""
    conditions: Annotated[tuple[Condition, ...], ListMap("type")] = Field(default=(), max_length=16)
    """Accepted, Ready, Reconciling and Stalled, each with a reason and a message."""


class EnforcingStatus(Status):
    """What kinds report whose spec makes promises about data."""

    enforcement: Annotated[tuple[EnforcementEntry, ...], ListMap("path")] = Field(default=(), max_length=128)
    """One entry for each declaration: no promise is accepted silently."""


class ClusterRef(SpecModel):
    """The MemoryCluster, in the same namespace. Cannot change."""

    RULES = (immutable("clusterRef", NEW_OBJECT),)

    name: DnsLabel
    """Name of the MemoryCluster."""


class TenantRef(SpecModel):
    """The MemoryTenant, with its namespace; it must list this object's namespace in turn. Cannot change."""

    RULES = (immutable("tenantRef", NEW_OBJECT),)

    namespace: DnsLabel
    """Namespace of the MemoryTenant, which is its cluster's."""
    name: DnsLabel
    """Name of the MemoryTenant."""


class SecretRef(SpecModel):
    """A Secret in the same namespace."""

    name: DnsSubdomain
    """Name of the Secret."""


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; one with a priority above 0 shows with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0
    description: str = ""


READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status', description="Whether it is as declared.")
REASON = Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', description="Why it is ready or not.")
AGE = Column("Age", ".metadata.creationTimestamp", "date")


@dataclass(frozen=True)
class KindInfo:
    """What a CRD says of a kind besides its schema. `rules` see the whole object: of metadata only the name."""

    kind: str
    plural: str
    short: str
    columns: tuple[Column, ...] = ()
    rules: tuple[Rule, ...] = ()
    scale: dict[str, str] = field(default_factory=dict)

    @property
    def singular(self) -> str:
        """The kind in lower case, as kubectl takes it."""
        return self.kind.lower()

    @property
    def crd_name(self) -> str:
        """Name of the CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"


SpecT = TypeVar("SpecT", bound=SpecModel)
StatusT = TypeVar("StatusT", bound=Status)


class Resource(BaseModel, Generic[SpecT, StatusT]):
    """One object of a kind, as the apiserver stores it."""

    INFO: ClassVar[KindInfo]
    model_config = ConfigDict(frozen=True, extra="ignore")

    metadata: Metadata
    spec: SpecT
    status: StatusT

    @model_validator(mode="before")
    @classmethod
    def _fill_status(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and not value.get("status"):
            return {**value, "status": {}}
        return value

    @model_validator(mode="after")
    def _keep_rules(self) -> "Resource[SpecT, StatusT]":
        for rule in self.INFO.rules:
            rule.keep(self)
        return self


ResourceT = TypeVar("ResourceT", bound=Resource[Any, Any])


def parse(model: type[ResourceT], obj: Mapping[str, Any]) -> ResourceT:
    """An object of the apiserver as its model. Raises Invalid("InvalidSpec") with each fault's path and way out."""
    try:
        return model.model_validate(obj)
    except ValidationError as error:
        raise Invalid("InvalidSpec", explain(error)) from None
