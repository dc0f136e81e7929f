"""A node's configuration, rendered. Pure."""

from dataclasses import dataclass
from typing import Any

from agentmemory.engines.base import Node, NodePlan
from agentmemory.engines.kafka import names
from agentmemory.engines.templating import render_properties, text

FILES = ("log4j2.properties", "format.sh", "start.sh")
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256")
"""With which clients show who they are."""


@dataclass(frozen=True)
class Timing:
    """Milliseconds, all from spec.failureDetection.sessionTimeout."""

    session_ms: int

    @property
    def heartbeat_ms(self) -> int:
        """At least six chances to be heard before the session ends; Kafka's own default is the most."""
        return min(2000, self.session_ms // 6)

    @property
    def registration_ms(self) -> int:
        """A restarted broker is turned away until its old session has ended: it must not give up before."""
        return max(60_000, 3 * self.session_ms)


def controllers(plan: NodePlan) -> list[Node]:
    """All controllers of the cluster."""
    cluster = plan.cluster
    return [
        Node(cluster.metadata.name, cluster.metadata.namespace, node_id, "controller")
        for node_id in range(cluster.spec.controllers.replicas)
    ]


def values(plan: NodePlan) -> dict[str, Any]:
    """What kafka/server.properties.j2 and the templates that extend it are filled in with."""
    spec = plan.cluster.spec
    return {
        "node": plan.node,
        "controllers": [f"{node.host}:{names.CONTROLLER_PORT}" for node in controllers(plan)],
        "ports": {
            "controller": names.CONTROLLER_PORT,
            "replication": names.REPLICATION_PORT,
            "clients": names.CLIENTS_PORT,
        },
        "paths": {"log": names.LOG_DIR, "tls": names.TLS},
        "principal_rules": names.principal_rules(plan.node.cluster),
        "super_users": [f"User:{name}" for name in (names.NODE_PRINCIPAL, names.PLATFORM_PRINCIPAL)],
        "mechanisms": MECHANISMS,
        "timing": Timing(spec.failure_detection.session_timeout.milliseconds),
        "replication": spec.replication,
    }


def server_properties(plan: NodePlan) -> str:
    """server.properties of one node. Raises ValueError when a value could break out of its line."""
    return render_properties("kafka/server.properties.j2", values(plan))


def files(plan: NodePlan) -> dict[str, str]:
    """What is mounted at names.CONFIG."""
    return {"server.properties": server_properties(plan), **{name: text(f"kafka/{name}") for name in FILES}}
