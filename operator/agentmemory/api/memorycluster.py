"""MemoryCluster: one Kafka-compatible cluster, made by the operator or run by somebody else."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

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
from agentmemory.api.cluster_rules import CLUSTER_RULES, TIERING_RULES
from agentmemory.api.lists import ListMap, ListSet
from agentmemory.api.rules import NEW_OBJECT, Rule, duration_between, immutable, map_keys, object_name
from agentmemory.api.shapes import Resources, Storage
from agentmemory.api.types import LETTER_LABEL_PATTERN, DnsLabel, DnsSubdomain, Duration
from agentmemory.domain.names import CLUSTER_LENGTH

_LABEL_NAMES = map_keys(
    "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
    317,
    "keys must be names of labels, with or without a prefix",
)
LabelValue = Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]
HostPattern = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^(\*\.)?[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$")
]
"""A host's name, or all below one: `*.storage.svc`."""
_PROPERTY_NAMES = map_keys("^[A-Za-z0-9][A-Za-z0-9._-]*$", 256, "keys must be names of Java properties")

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
    """Where the cluster's data rests, and by what that is held and checked."""

    name: DnsLabel
    """Name of the region as tenants and families write it, `eu-central-1`."""
    node_labels: Annotated[Mapping[str, LabelValue], _LABEL_NAMES] = Field(default_factory=dict, max_length=8)
    """Labels of the machines of this region (`topology.kubernetes.io/region: eu-central-1`): the cluster's pods run on
    no others. Empty: pods run anywhere, and where they run is checked by that very label where machines have it."""
    kms_key_id: str | None = Field(
        default=None, min_length=1, max_length=2048, pattern=r"^[A-Za-z0-9][A-Za-z0-9:/_-]*$"
    )
    """Key of this region with which the cluster's buckets must be encrypted (their `encryption.kmsKeyId`)."""
    endpoints: Annotated[tuple[HostPattern, ...], ListSet()] = Field(default=(), max_length=32)
    """Hosts of this region's object storage, `s3.eu-central-1.amazonaws.com` or `*.storage.svc`: a bucket on another is
    refused. Empty: any host, except that a host of AWS must be the region's."""


class BucketRef(SpecModel):
    """A MemoryBucket in the same namespace."""

    name: DnsLabel
    """Name of the MemoryBucket."""


class ObjectStorage(SpecModel):
    """The buckets that hold what the brokers do not (engine automq)."""

    data_bucket_ref: BucketRef
    """MemoryBucket of purpose Data: records, and the log that is written ahead of them. Cannot change."""
    ops_bucket_ref: BucketRef
    """MemoryBucket of purpose Ops: the engine's own logs and metrics. Cannot change."""
    service_account_name: DnsSubdomain | None = None
    """ServiceAccount of the nodes' pods where the bucket has no credentialsSecretRef: the identity (IRSA, workload
    identity) with which they reach it."""
    latency_class: Literal["Low", "Balanced", "Economy"] = "Balanced"
    """How long a record waits to be written together with others: Low 20 ms, Balanced 100 ms, Economy 250 ms. The
    shorter, the more requests are paid for: up to 50, 10 or 4 a second and broker."""
    zone_router: bool = False
    """Whether clients whose client.id holds `automq_az=<zone>` are served by brokers of their zone
    (`automq.zonerouter.channels`): worth it where traffic between zones costs money; more requests, more latency."""


class Tiering(SpecModel):
    """Old segments go to a bucket (engine kafka-tiered), by KIP-405's RemoteStorageManager."""

    RULES = TIERING_RULES

    profile: Literal["Aiven", "Custom"] = "Aiven"
    """Aiven: tiered-storage-for-apache-kafka with its S3 backend, configured from the bucket. Custom: className,
    classPath and properties say all."""
    bucket_ref: BucketRef | None = None
    """MemoryBucket of purpose Data that the segments go to (profile Aiven). Cannot change."""
    class_name: str | None = Field(default=None, min_length=1, max_length=256, pattern=r"^[A-Za-z_$][A-Za-z0-9_$.]*$")
    """Java class that implements RemoteStorageManager (profile Custom)."""
    class_path: str | None = Field(default=None, min_length=1, max_length=1024, pattern=r"^/[A-Za-z0-9/._*:-]+$")
    """Where its jars are in the image, `/opt/tiered/*`. Absent: profile Aiven's own place (docs/image-contract.md)."""
    properties: Annotated[
        Mapping[str, Annotated[str, Field(max_length=1024, pattern=r"^[^\r\n]*$")]], _PROPERTY_NAMES
    ] = Field(default_factory=dict, max_length=64)
    """Its settings, without the prefix `rsm.config.`; never keys or passwords, which go into secretRef."""
    secret_ref: SecretRef | None = None
    """Secret in this namespace each of whose keys is a setting of it: credentials, which no rendered file holds."""
    service_account_name: DnsSubdomain | None = None
    """ServiceAccount of the brokers' pods: the identity with which they reach the bucket where no Secret is given."""
    hot_window: Annotated[Duration, duration_between("1m", "8760h")] = Duration("24h")
    """How long records stay on the brokers' own volumes too, unless a family says otherwise (`local.retention.ms`)."""


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


DEFAULT_VERSIONS: Mapping[str, str] = {"kafka": "4.3.1", "kafka-tiered": "4.3.1", "automq": "1.7.3"}
"""What an absent `spec.version` means, for good: it must not change under an existing object."""


class MemoryClusterSpec(SpecModel):
    """What the platform team wants of the cluster."""

    RULES = CLUSTER_RULES

    engine: Annotated[Literal["kafka", "kafka-tiered", "automq", "external"], immutable("engine", NEW_OBJECT)]
    """kafka: Apache Kafka with KRaft. kafka-tiered: the same, whose old segments go to a bucket. automq: AutoMQ, whose
    brokers hold nothing. external: brokers that somebody else runs. Cannot change."""
    version: str = Field(default_factory=str, max_length=16, pattern=r"^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$")
    """Version of the engine. Absent: 4.3.1 of Apache Kafka, 1.7.3 of AutoMQ. Not read with engine external:
    `status.kafkaVersion` says what is found there."""
    image: str | None = Field(default=None, min_length=1, max_length=512, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$")
    """Container image of all nodes. Absent: the operator's own setting for this engine and version."""
    controllers: Controllers = Field(default_factory=Controllers)
    """The KRaft controllers."""
    replication: Replication = Field(default_factory=Replication)
    """How often each record is stored by brokers. Absent: 3 copies, 2 of them in sync; 1 and 1 with engine automq,
    whose copies are the bucket's."""
    object_storage: ObjectStorage | None = None
    """The buckets that hold the records (engine automq)."""
    tiering: Tiering | None = None
    """How old segments go to a bucket (engine kafka-tiered)."""
    region: Region | None = None
    """Where the data rests. Can be added later, but neither changed nor removed."""
    external: External | None = None
    """How to reach brokers that somebody else runs (engine external)."""
    failure_detection: FailureDetection = Field(default_factory=FailureDetection)
    """How soon a silent broker is taken for dead."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_by_engine(cls, value: Any) -> Any:
        """What stands for a field that is left out depends on the engine, which the CRD's schema cannot say."""
        if not isinstance(value, Mapping):
            return value
        engine = value.get("engine")
        filled = {"version": DEFAULT_VERSIONS.get(str(engine), "4.3.1")} | dict(value)
        if engine == "automq" and "replication" not in value:
            filled["replication"] = {"factor": 1, "minInSync": 1}
        return filled


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


class PlaceStatus(StatusModel):
    """One place where data of the cluster rests."""

    name: str = Field(max_length=253)
    """`Bucket/<MemoryBucket>`, `Node/<machine>`, `Volume/<claim>`; `Host/<bootstrap server>` of brokers that somebody
    else runs, `Tier/<class>` of a RemoteStorageManager of one's own."""
    region: str | None = Field(default=None, max_length=63)
    """The region that was found there; absent where nothing tells it."""
    state: Literal["Verified", "Declared", "Violated"]
    """Verified: looked at, and it is the declared region. Declared: nothing tells. Violated: another region."""
    by: str = Field(default="", max_length=512)
    """What was looked at, `GetBucketLocation`, `label topology.kubernetes.io/region`."""


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
    places: Annotated[tuple[PlaceStatus, ...], ListMap("name")] = Field(default=(), max_length=256)
    """Each place where data of the cluster rests, and how its region is known."""


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
