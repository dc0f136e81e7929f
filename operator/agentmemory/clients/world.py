"""What a client's reconcile looks at before it asks Kafka: the client, its frame, and the families that it names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentmemory.api.base import TenantRef
from agentmemory.api.memoryclient import Access, MemoryClient
from agentmemory.core.key import Key
from agentmemory.core.store import Store
from agentmemory.domain import names
from agentmemory.engines.frame import Frame, look
from agentmemory.engines.wake import tenant_of


@dataclass(frozen=True)
class Family:
    """What a client needs to know of a family; one that is being deleted is gone for it."""

    name: str
    tenant: Key
    priority: str


@dataclass(frozen=True)
class World:
    """All of it comes from the store: gathering costs no call."""

    client: MemoryClient
    frame: Frame
    families: Mapping[str, Family]

    @property
    def segment(self) -> str:
        """Raises ValueError when the tenant does not list the namespace."""
        if self.frame.segment is None:
            raise ValueError(f"namespace {self.frame.namespace} has no segment")
        return self.frame.segment

    @property
    def principal(self) -> str:
        """The user's name in Kafka. Raises ValueError when the frame does not hold."""
        return names.principal(self.frame.ref.name, self.segment, self.client.metadata.name)

    @property
    def access(self) -> tuple[Access, ...]:
        """What is granted: access to families that exist and are this tenant's."""
        tenant = tenant_key(self.frame.ref)
        return tuple(
            entry
            for entry in self.client.spec.access
            if entry.family in self.families and self.families[entry.family].tenant == tenant
        )

    @property
    def absent(self) -> tuple[str, ...]:
        """Families that the client names and that do not exist in its namespace."""
        return tuple(entry.family for entry in self.client.spec.access if entry.family not in self.families)


def gather(store: Store, client: MemoryClient) -> World:
    """The world around a client."""
    namespace = client.metadata.namespace
    found = {entry.family: store.get(Key("TopicFamily", namespace, entry.family)) for entry in client.spec.access}
    families = {name: family for name, obj in found.items() if obj and (family := read_family(obj)) is not None}
    return World(client, look(store, client.spec.tenant_ref, namespace), families)


def read_family(obj: Mapping[str, Any] | None) -> Family | None:
    """What matters of a family to its clients, even of one that does not parse; None when it is gone or going."""
    if obj is None or obj["metadata"].get("deletionTimestamp"):
        return None
    priority = (obj.get("spec") or {}).get("priority", "standard")
    return Family(obj["metadata"]["name"], tenant_of(obj), priority if isinstance(priority, str) else "standard")


def tenant_key(ref: TenantRef) -> Key:
    """The tenant that a reference names."""
    return Key("MemoryTenant", ref.namespace, ref.name)
