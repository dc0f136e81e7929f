"""MemoryCluster: one Kafka-compatible cluster, made by the operator or run by somebody else."""

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
    SecretRef,
    SpecModel,
    StatusModel,
)
from agentmemory.api.cluster_rules import CLUSTER_RULES
from agentmemory.api.lists import ListSet
from agentmemory.api.rules import NEW_OBJECT, Rule, duration_between, immutable, object_name
from agentmemory.api.shapes import Resources, Storage
from agentmemory.api.types import LETTER_LABEL_PATTERN, DnsLabel, Duration
from agentmemory.domain.names import CLUSTER_LENGTH

_BOOTSTRAP = r"^[A-Za-z0-9.-]+:[0-9]{1,5}(,[A-Za-z0-9.-]+:[0-9]{1,5})*$"


class Controllers(SpecModel):
    """The KRaft controllers, apart from the brokers: pods with ids below 1000 and a volume each."""

    replicas: Literal[1, 3] = 3
    """How many: 3 to survive the loss of one, 1 for trials. Cannot change."""
    resources: Resources = Resources()
    """What each controller's pod gets."""
    storage: Storage = Storage()
    """Each controller's volume; it is never deleted with the cluster."""


class Replication(SpecModel):
    """How often each record is stored. Holds for all topics, Kafka's internal ones included."""

    RULES = (
        Rule(
            "self.minInSync <= self.factor",
            "minInSync cannot be more than factor: no write could ever succeed; lower it or raise factor",
            lambda replication: replication.min_in_sync <= replication.factor,
            ".minInSync",
        ),
    )

    factor: int = Field(default=3, ge=1, le=9)
    """Copies of each record; needs as many brokers."""
    min_in_sync: int = Field(default=2, ge=1, le=9)
    """Copies that must be written before a record is acknowledged (`min.insync.replicas`)."""


class Region(SpecModel):
    """Where the cluster's data rests."""

    name: DnsLabel
    """Name of the region as tenants and families write it, `eu-central-1`."""


class External(SpecModel):
    """Brokers that somebody else runs."""

    bootstrap_servers: str = Field(min_length=3, max_length=2048, pattern=_BOOTSTRAP)
    """`host:port`, several with commas between."""
    credentials_secret_ref: SecretRef
    """Secret in this namespace: `tls.crt` and `tls.key` (mutual TLS), or `username` and `password` (SCRAM-SHA-512);
    and `ca.crt` unless a public authority signed the brokers' certificates."""


class FailureDetection(SpecModel):
    """How soon a silent broker is taken for dead."""

    session_timeout: Annotated[Duration, duration_between("3s", "60s")] = Duration("9s")
    """Silence after which the controllers fence a broker and its leaders move (`broker.session.timeout.ms`)."""


class MemoryClusterSpec(SpecModel):
    """What the platform team wants of the cluster."""

    RULES = CLUSTER_RULES

    engine: Annotated[Literal["kafka", "external"], immutable("engine", NEW_OBJECT)]
    """kafka: Apache Kafka with KRaft, made here. external: brokers that somebody else runs. Cannot change."""
    version: str = Field(default="4.3.1", max_length=16, pattern=r"^4\.[0-9]{1,3}\.[0-9]{1,3}$")
    """Version of Apache Kafka. Not read with engine external: `status.kafkaVersion` says what is found there."""
    image: str | None = Field(default=None, min_length=1, max_length=512, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$")
    """Container image of all nodes. Absent: the operator's own setting for this version, `apache/kafka:<version>`."""
    controllers: Controllers = Field(default_factory=Controllers)
    """The KRaft controllers (engine kafka)."""
    replication: Replication = Replication()
    """How often each record is stored."""
    region: Region | None = None
    """Where the data rests. Can be added later, but neither changed nor removed."""
    external: External | None = None
    """How to reach brokers that somebody else runs (engine external)."""
    failure_detection: FailureDetection = Field(default_factory=FailureDetection)
    """How soon a silent broker is taken for dead (engine kafka)."""


class ControllersStatus(StatusModel):
    """The KRaft controllers as they are."""

    desired: int = 0
    """How many there should be."""
    ready: int = 0
    """How many are ready."""
    voters: Annotated[tuple[int, ...], ListSet()] = Field(default=(), max_length=16)
    """Node ids that vote in the quorum."""


class BrokersStatus(StatusModel):
    """The brokers as the controllers see them."""

    registered: int = 0
    """How many are registered and unfenced, over all pools."""


class MemoryClusterStatus(EnforcingStatus):
    """What the operator last saw of the cluster."""

    cluster_id: str | None = Field(default=None, max_length=64)
    """Kafka's id of the cluster."""
    bootstrapped: bool = False
    """True for good once the first quorum has formed: from then on no controller is ever formatted anew."""
    kafka_version: str | None = Field(default=None, max_length=64)
    """The version that was found running."""
    bootstrap_servers: str | None = Field(default=None, max_length=2048)
    """Where clients connect: `host:port`, several with commas between."""
    ca_secret_name: str | None = Field(default=None, max_length=253)
    """Secret that holds the cluster's own certificate authority."""
    controllers: ControllersStatus = Field(default_factory=ControllersStatus)
    """The KRaft controllers as they are."""
    brokers: BrokersStatus = Field(default_factory=BrokersStatus)
    """The brokers as the controllers see them."""


class MemoryCluster(Resource[MemoryClusterSpec, MemoryClusterStatus]):
    """A Kafka-compatible cluster that holds the memory of agents: made by the operator, or run by somebody else."""

    INFO = KindInfo(
        kind="MemoryCluster",
        plural="memoryclusters",
        short="mc",
        columns=(
            Column("Engine", ".spec.engine", description="What runs it."),
            Column("Version", ".status.kafkaVersion", description="The version found running."),
            Column("Brokers", ".status.brokers.registered", "integer", description="Brokers registered and unfenced."),
            READY,
            REASON,
            Column("Bootstrap", ".status.bootstrapServers", priority=1, description="Where clients connect."),
            AGE,
        ),
        rules=(object_name(CLUSTER_LENGTH, "pods and Services are named after it", LETTER_LABEL_PATTERN),),
    )
