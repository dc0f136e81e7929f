"""BrokerPool: brokers of one shape in a cluster that the operator makes."""

from typing import Annotated, Literal

from pydantic import Field

from agentmemory.api.base import (
    AGE,
    READY,
    REASON,
    ClusterRef,
    Column,
    KindInfo,
    Resource,
    SpecModel,
    Status,
    StatusModel,
)
from agentmemory.api.lists import ListMap
from agentmemory.api.rules import object_name
from agentmemory.api.shapes import BrokerStorage, Resources
from agentmemory.api.types import Quantity
from agentmemory.domain.names import LABEL_LENGTH


class Capacity(SpecModel):
    """What one broker of this shape is known to carry; autoscaling compares the traffic with it."""

    write: Quantity
    """Bytes a second that producers may write to one broker, `20Mi`."""
    read: Quantity
    """Bytes a second that consumers may read from one broker, `60Mi`."""


class BrokerPoolSpec(SpecModel):
    """What the platform team wants of the pool."""

    cluster_ref: ClusterRef
    """The MemoryCluster, in the same namespace, that the brokers belong to. Cannot change."""
    replicas: int = Field(default=3, ge=0, le=100)
    """How many brokers; also set through the scale subresource."""
    resources: Resources = Resources()
    """What each broker's pod gets."""
    storage: BrokerStorage = BrokerStorage()
    """Where each broker keeps its log."""
    capacity: Capacity | None = None
    """What one broker is known to carry. Nothing reads it before autoscaling does."""


class BrokerStatus(StatusModel):
    """One broker of the pool."""

    id: int
    """Its node id, from 1000 on."""
    pod: str = Field(max_length=253)
    """Its pod's name."""
    state: Literal["Pending", "Starting", "Registered", "Failed", "Leaving"]
    """Pending: no running pod. Starting: not yet registered. Registered: serves, unfenced. Failed: see reason.
    Leaving: its partitions go to other brokers, then it ends and its id is unregistered."""
    reason: str = Field(default="", max_length=1024)
    """Why it is not registered."""


class BrokerPoolStatus(Status):
    """What the operator last saw of the pool."""

    replicas: int = 0
    """Broker pods there are."""
    ready_replicas: int = 0
    """Brokers registered and unfenced."""
    selector: str = Field(default="", max_length=1024)
    """Label selector of the pool's pods, for the scale subresource."""
    brokers: Annotated[tuple[BrokerStatus, ...], ListMap("id")] = Field(default=(), max_length=200)
    """Every broker of the pool."""


class BrokerPool(Resource[BrokerPoolSpec, BrokerPoolStatus]):
    """Brokers of one shape in a MemoryCluster that the operator makes."""

    INFO = KindInfo(
        kind="BrokerPool",
        plural="brokerpools",
        short="bp",
        columns=(
            Column("Cluster", ".spec.clusterRef.name", description="The cluster."),
            Column("Desired", ".spec.replicas", "integer", description="Brokers wanted."),
            Column("Registered", ".status.readyReplicas", "integer", description="Brokers registered and unfenced."),
            READY,
            REASON,
            AGE,
        ),
        rules=(object_name(LABEL_LENGTH, "it becomes a label's value"),),
        scale={
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    )
