"""What every reconciler is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentmemory.core.clock import Clock
from agentmemory.core.key import Key
from agentmemory.core.store import Store
from agentmemory.kube.client import KubeClient
from agentmemory.settings import Settings

if TYPE_CHECKING:
    from agentmemory.kafka.connection import KafkaPool
    from agentmemory.objectstore.store import Stores


def _always() -> bool:
    return True


def _never(_: Key) -> bool:
    return False


@dataclass
class Context:
    """The process's parts, shared by all reconcilers of a role."""

    store: Store
    kube: KubeClient
    kafka: "KafkaPool"
    clock: Clock
    settings: Settings
    # enqueue(key, after): ask for a reconcile of another key in `after` seconds
    enqueue: Callable[[Key, float], None]
    # Whether this process holds its Lease at this moment: look before anything destructive outside Kubernetes.
    leading: Callable[[], bool] = _always
    # Whether a user asked for this key, which is being reconciled, once more: what waits for it should come to its end.
    awaited: Callable[[Key], bool] = _never
    # The way to object storage; it loads nothing until somebody asks.
    stores: "Stores | None" = None
