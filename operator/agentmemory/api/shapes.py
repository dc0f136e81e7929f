"""Sizes of pods and volumes, shared by clusters and pools."""

from typing import Literal

from agentmemory.api.base import SpecModel
from agentmemory.api.rules import Rule
from agentmemory.api.types import CpuQuantity, DnsSubdomain, Quantity

_CLASS_STAYS = Rule(
    "has(self.storageClassName) == has(oldSelf.storageClassName) && "
    "(!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
    "storageClassName cannot be added, changed or removed; make a new pool with the other class and move to it",
)
_SIZE_STAYS = Rule(
    "(has(self.type) && self.type == 'Ephemeral') || "
    "quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0",
    "size cannot shrink, since a volume cannot; write the old size or more",
    path=".size",
)


class Resources(SpecModel):
    """What one pod gets: memory as request and limit, CPU as request only, since a throttled broker is a slow one."""

    cpu: CpuQuantity | None = None
    """Requested CPU, `500m` or `2`. Absent: no request."""
    memory: Quantity = Quantity("1Gi")
    """Requested and limited memory, `1Gi`; the JVM's heap is derived from it."""


class Storage(SpecModel):
    """A persistent volume for each node."""

    size: Quantity = Quantity("10Gi")
    """Size of one volume, `10Gi`. Cannot shrink."""
    storage_class_name: DnsSubdomain | None = None
    """StorageClass of the volumes. Absent: the Kubernetes cluster's default. Cannot change."""


class BrokerStorage(SpecModel):
    """Where each broker of a pool keeps its log."""

    RULES = (
        Rule(
            "(has(self.type) ? self.type : '') == (has(oldSelf.type) ? oldSelf.type : '')",
            "type cannot be added, changed or removed; make a new pool of the other type and move to it",
        ),
        _SIZE_STAYS,
        _CLASS_STAYS,
        Rule(
            "!has(self.type) || self.type == 'Persistent' || !has(self.storageClassName)",
            "storageClassName means nothing with type Ephemeral; remove it",
            lambda storage: storage.type != "Ephemeral" or storage.storage_class_name is None,
            ".storageClassName",
        ),
    )

    type: Literal["Persistent", "Ephemeral"] | None = None
    """Persistent: a volume that outlives the pod. Ephemeral: space on the node that goes with it. Absent: what the
    engine wants, Ephemeral with automq and Persistent with the others. Cannot change."""
    size: Quantity = Quantity("10Gi")
    """Size for one broker, `10Gi`. Cannot shrink unless type is Ephemeral."""
    storage_class_name: DnsSubdomain | None = None
    """StorageClass of the volumes. Absent: the Kubernetes cluster's default. Cannot change."""
