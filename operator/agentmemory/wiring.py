"""Which reconcilers a role runs."""

from collections.abc import Callable, Mapping
from importlib import import_module

from agentmemory.context import Context
from agentmemory.core.router import Reconciler
from agentmemory.settings import Role

Build = Callable[[Role, Context], list[Reconciler]]

# Named, not imported: a process loads the code of its own role only.
RECONCILERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "platform": (
        ("agentmemory.clusters.reconcile", "ClusterReconciler"),
        ("agentmemory.brokers.reconcile", "PoolReconciler"),
        ("agentmemory.buckets.reconcile", "BucketReconciler"),
        ("agentmemory.tenants.reconcile", "TenantReconciler"),
    ),
    "tenant": (
        ("agentmemory.families.reconcile", "FamilyReconciler"),
        ("agentmemory.clients.reconcile", "ClientReconciler"),
    ),
}


def build(role: Role, context: Context) -> list[Reconciler]:
    """The role's reconcilers over one Context."""
    roles = ("platform", "tenant") if role == "all" else (role,)
    return [getattr(import_module(module), name)(context) for one in roles for module, name in RECONCILERS[one]]
