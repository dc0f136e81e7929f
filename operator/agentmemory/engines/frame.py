"""The frame of whatever a team declares: its tenant, the tenant's cluster, and the checks that both sides agree.

Families and clients stand in the same frame; kinds do not import each other, so it is here, in the layer below them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agentmemory.api.base import Condition, Resource, TenantRef, parse
from agentmemory.api.conditions import Phase, progressing, refused, stalled
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.api.memorytenant import MemoryTenant
from agentmemory.core.errors import Invalid
from agentmemory.core.key import Key
from agentmemory.core.store import Store


@dataclass(frozen=True)
class Frame:
    """What a reference to a tenant leads to. `unreadable` says which of the two objects does not parse, and why."""

    ref: TenantRef
    namespace: str
    tenant: MemoryTenant | None = None
    cluster: MemoryCluster | None = None
    unreadable: str | None = None

    @property
    def segment(self) -> str | None:
        """The second part of the names of everything in this namespace; None when the tenant does not list it."""
        if self.tenant is None:
            return None
        listed = (entry for entry in self.tenant.spec.namespaces if entry.name == self.namespace)
        return next((entry.effective_segment for entry in listed), None)

    @property
    def cluster_key(self) -> Key:
        """Where the tenant's cluster is: beside the tenant. Only with a tenant."""
        if self.tenant is None:
            raise ValueError(f"tenant {self.ref.namespace}/{self.ref.name} is not there")
        return Key("MemoryCluster", self.ref.namespace, self.tenant.spec.cluster_ref.name)

    def tenant_text(self) -> str:
        """The tenant, for messages."""
        return f"MemoryTenant {self.ref.namespace}/{self.ref.name}"

    def cluster_text(self) -> str:
        """The cluster, for messages."""
        key = self.cluster_key
        return f"MemoryCluster {key.namespace}/{key.name}"


def look(store: Store, ref: TenantRef, namespace: str) -> Frame:
    """The frame of an object in `namespace` that names this tenant."""
    frame = Frame(ref, namespace)
    try:
        tenant = store.derive(Key("MemoryTenant", ref.namespace, ref.name), _tenant)
        frame = Frame(ref, namespace, tenant)
        if tenant is None:
            return frame
        return Frame(ref, namespace, tenant, store.derive(frame.cluster_key, _cluster))
    except Invalid as error:
        what = frame.tenant_text() if frame.tenant is None else frame.cluster_text()
        return Frame(ref, namespace, frame.tenant, None, f"{what} cannot be read: {error.message}")


def _tenant(obj: dict[str, Any]) -> MemoryTenant:
    return parse(MemoryTenant, obj)


def _cluster(obj: dict[str, Any]) -> MemoryCluster:
    return parse(MemoryCluster, obj)


# Checks, in the order in which they are asked. Each takes the frame and says what stands in the way, or None.


def is_readable(frame: Frame) -> Phase | None:
    """An object of an older release, or one edited past the API, may not parse."""
    return stalled("FrameInvalid", frame.unreadable) if frame.unreadable else None


def tenant_exists(frame: Frame) -> Phase | None:
    """It may be on its way (one `kubectl apply` of many files), so this waits."""
    if frame.tenant is None:
        return progressing(
            "TenantNotFound", f"{frame.tenant_text()} does not exist; create it, or correct spec.tenantRef"
        )
    if frame.tenant.metadata.deletion_timestamp is not None:
        return stalled("TenantTerminating", f"{frame.tenant_text()} is being deleted; its access ends with it")
    return None


def tenant_lists_namespace(frame: Frame) -> Phase | None:
    """The other half of the handshake: the object names the tenant, the tenant lists the object's namespace."""
    if frame.segment is not None:
        return None
    return refused(
        "NamespaceNotAllowed",
        f"{frame.tenant_text()} does not list namespace {frame.namespace}; ask its owner to add it to spec.namespaces, "
        "or name a tenant that lists it",
    )


def tenant_is_accepted(frame: Frame) -> Phase | None:
    """What the platform refused cannot be a frame. A verdict on an older generation stands until there is a new one."""
    accepted = _condition(frame.tenant, "Accepted")
    if accepted is None:
        return progressing("TenantNotReady", f"{frame.tenant_text()} has not been looked at yet")
    if accepted.status != "True":
        return stalled("TenantRefused", f"{frame.tenant_text()} is refused: {accepted.message}")
    return None


def cluster_exists(frame: Frame) -> Phase | None:
    """As with the tenant: it may be on its way."""
    if frame.cluster is None:
        return progressing(
            "ClusterNotFound",
            f"{frame.cluster_text()}, named by {frame.tenant_text()}, does not exist; create it",
        )
    if frame.cluster.metadata.deletion_timestamp is not None:
        return stalled("ClusterTerminating", f"{frame.cluster_text()} is being deleted")
    return None


def cluster_has_started(frame: Frame) -> Phase | None:
    """Waits for the first start only: a cluster that ran before is asked, so that its outage is told as what it is."""
    cluster = frame.cluster
    if cluster is None:
        return None
    status = cluster.status
    known = status.cluster_id is not None if cluster.spec.engine == "external" else status.bootstrapped
    if known and status.bootstrap_servers is not None:
        return None
    found = _condition(cluster, "Ready")
    why = f": {found.message}" if found is not None and found.message else ""
    return progressing("ClusterNotReady", f"{frame.cluster_text()} has not come up yet{why}")


TENANT_CHECKS: tuple[Callable[[Frame], Phase | None], ...] = (
    is_readable,
    tenant_exists,
    tenant_lists_namespace,
    tenant_is_accepted,
)
CLUSTER_CHECKS: tuple[Callable[[Frame], Phase | None], ...] = (cluster_exists, cluster_has_started)


def _condition(resource: Resource[Any, Any] | None, type_: str) -> Condition | None:
    if resource is None:
        return None
    return next((found for found in resource.status.conditions if found.type == type_), None)
