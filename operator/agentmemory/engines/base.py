"""What an engine is: all that differs between one way of running a Kafka-compatible cluster and another."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.conditions import Phase
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.api.shapes import Resources
from agentmemory.api.types import Quantity
from agentmemory.domain.names import node_name

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


class Engine(Protocol):
    """One way of running a cluster. Pure: builds and checks, talks to nobody."""

    name: str
    capabilities: Capabilities

    def check_cluster(self, cluster: MemoryCluster) -> Phase | None:
        """Why this declaration cannot be kept, or None."""

    def check_pool(self, pool: BrokerPool) -> Phase | None:
        """Why this pool cannot be run, or None."""

    def config_map(self, plan: NodePlan) -> Object:
        """The node's configuration and scripts."""

    def pod(self, plan: NodePlan) -> Object:
        """The node's pod, stamped with the hash of what was asked for."""
