"""What an engine is: all that differs between one way of running a Kafka-compatible cluster and another."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol

from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.conditions import Phase, refused
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.api.shapes import Resources
from agentmemory.api.types import Quantity
from agentmemory.domain.names import node_name
from agentmemory.kafka.model import Acl

Object = dict[str, Any]
Role = Literal["controller", "broker"]
FormatMode = Literal["bootstrap", "join"]


@dataclass(frozen=True)
class Capabilities:
    """Facts about an engine that decide what can be declared on it."""

    runs_nodes: bool
    """Whether the operator makes its controllers and brokers."""
    quorum: Literal["dynamic", "static", "foreign"]
    """dynamic: voters stand in the metadata log (KIP-853); static: in the configuration; foreign: not ours."""
    stateless_brokers: bool
    """Whether a broker can be replaced by another with nothing to copy."""
    compaction: bool = True
    """Whether a topic can keep the latest record of each key (`cleanup.policy=compact`)."""


@dataclass(frozen=True)
class Node:
    """One Kafka process and its place."""

    cluster: str
    namespace: str
    id: int
    role: Role
    pool: str | None = None

    @property
    def name(self) -> str:
        """Name of its pod, Service, ConfigMap and volume claim."""
        return node_name(self.cluster, self.id)

    @property
    def host(self) -> str:
        """The name under which peers and clients reach it, whatever the Kubernetes cluster's domain is."""
        return f"{self.name}.{self.namespace}.svc"

    @property
    def tls_secret(self) -> str:
        """Name of the Secret with its certificate."""
        return f"{self.name}-tls"


@dataclass(frozen=True)
class Owner:
    """The object that a child belongs to and goes with."""

    kind: Literal["MemoryCluster", "BrokerPool"]
    name: str
    uid: str


@dataclass(frozen=True)
class Disk:
    """Where a node keeps its log. `claim` False is space on the node that goes with the pod."""

    claim: bool
    size: Quantity
    storage_class: str | None = None


@dataclass(frozen=True)
class BucketPlace:
    """A MemoryBucket as a node reaches it. No keys: they are in the Secret that `Storage.credentials` names."""

    bucket: str
    """Its name on the server."""
    region: str
    endpoint: str | None = None
    """`http(s)://host[:port]`; None for AWS's own of the region."""
    path_style: bool = False
    ca_map: str | None = None
    """ConfigMap whose `ca.crt` signed the server's certificate."""


@dataclass(frozen=True)
class Storage:
    """The buckets behind a cluster, and with what its nodes reach them."""

    data: BucketPlace
    ops: BucketPlace | None = None
    credentials: str | None = None
    """Secret with AWS_ACCESS_KEY_ID and so on; None for the pod's own identity."""
    credentials_hash: str = ""
    """Fingerprint of what is in it: changed keys roll the pods."""


@dataclass(frozen=True)
class SecretSettings:
    """A Secret each of whose keys is a setting of an engine's plugin. Never the values."""

    secret: str
    names: tuple[str, ...]
    hash: str
    """Fingerprint of what is in it: changed values roll the pods."""


@dataclass(frozen=True)
class NodePlan:
    """One node as it should be: everything that its objects are built from."""

    node: Node
    cluster: MemoryCluster
    cluster_id: str
    image: str
    resources: Resources
    disk: Disk
    owner: Owner
    tls_hash: str = ""
    """Fingerprint of its certificate: a renewed one rolls the pod."""
    mode: FormatMode = "join"
    """Whether an empty volume may become an initial voter; not part of the pod's hash."""
    storage: Storage | None = None
    """The buckets behind the cluster, for engines that keep data in any."""
    settings: SecretSettings | None = None
    """Settings of the engine's plugin that no rendered file may hold."""


class Engine(Protocol):
    """One way of running a cluster. Pure: builds and checks, talks to nobody. EngineDefaults has the usual answers."""

    name: str
    capabilities: Capabilities
    principals: Mapping[str, frozenset[Acl]]
    """What the engine's own parts may do in Kafka, by principal (`User:...`); kept true like the operator's own."""

    def check_cluster(self, cluster: MemoryCluster) -> Phase | None:
        """Why this declaration cannot be kept, or None."""

    def check_pool(self, pool: BrokerPool) -> Phase | None:
        """Why this pool cannot be run, or None."""

    def config_map(self, plan: NodePlan) -> Object:
        """The node's configuration and scripts."""

    def pod(self, plan: NodePlan) -> Object:
        """The node's pod, stamped with the hash of what was asked for."""

    def shared_secrets(self, cluster: MemoryCluster, authority_key: str) -> Mapping[str, Mapping[str, str]]:
        """Secrets that the cluster has once and all its nodes mount: name to values.

        A function of the authority's key alone, so that one that went comes back as it was.
        """


def unknown_version(version: str, known: tuple[str, ...]) -> Phase | None:
    """Why a cluster of this version is not made, or None for one that the engine knows."""
    if version in known:
        return None
    return refused(
        "UnknownVersion",
        f"spec.version {version} is not known to this operator, which knows {', '.join(known)}; write one of these, or "
        "install a release of the operator that knows it",
    )


class EngineDefaults:
    """The usual answers: an engine inherits them and says what is different."""

    principals: Mapping[str, frozenset[Acl]] = MappingProxyType({})

    def shared_secrets(self, cluster: MemoryCluster, authority_key: str) -> Mapping[str, Mapping[str, str]]:
        """None."""
        del cluster, authority_key
        return {}
