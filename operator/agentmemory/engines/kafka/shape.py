"""What of a node's pod an engine decides. All that speak Kafka share the rest: `pod.pod`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentmemory.engines.base import NodePlan

Object = dict[str, Any]


@dataclass(frozen=True)
class Additions:
    """What comes on top of every node's pod."""

    env: tuple[Object, ...] = ()
    """More variables of the Kafka container, as Kubernetes writes them (`valueFrom` for what a Secret holds)."""
    mounts: tuple[Object, ...] = ()
    volumes: tuple[Object, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()
    """More container ports: name and number."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    service_account: str | None = None
    """Whose identity the pod has. The Kubernetes API's token is not mounted; IRSA and its like mount their own."""


def nothing(plan: NodePlan) -> Additions:
    """No additions."""
    del plan
    return Additions()


@dataclass(frozen=True)
class Shape:
    """One engine's way with a pod. All functions are pure."""

    files: Callable[[NodePlan], Mapping[str, str]]
    """What is mounted at names.CONFIG: `server.properties`, `start.sh`, the logging's configuration."""
    environment: Callable[[NodePlan], Mapping[str, str]]
    """Variables of the Kafka container: nothing secret."""
    logging: str
    """The JVM option that names the logging's configuration."""
    formats: bool
    """Whether an init container gives a new volume its identity; else the engine does so by itself."""
    grace: Mapping[str, int]
    """Seconds between SIGTERM and the kill, by role."""
    additions: Callable[[NodePlan], Additions] = nothing
