"""A node's configuration, rendered: what engine kafka has, and AutoMQ's own. Pure."""

from agentmemory.engines.automq import names
from agentmemory.engines.automq.buckets import uris
from agentmemory.engines.automq.memory import share_out
from agentmemory.engines.automq.validator import verify
from agentmemory.engines.base import NodePlan
from agentmemory.engines.kafka import properties as kafka
from agentmemory.engines.kafka.names import CONTROLLER_PORT
from agentmemory.engines.templating import render_properties, text


def server_properties(plan: NodePlan) -> str:
    """server.properties of one node. Raises ValueError when a value could break out of its line."""
    base = kafka.values(plan)
    return render_properties(
        "automq/server.properties.j2",
        {
            **base,
            "cluster_id": plan.cluster_id,
            "voters": [f"{node.id}@{node.host}:{CONTROLLER_PORT}" for node in kafka.controllers(plan)],
            "ports": {**base["ports"], "metrics": names.METRICS_PORT},
            "paths": {**base["paths"], "balancer": names.BALANCER},
            "mechanisms": (*kafka.MECHANISMS, "PLAIN"),
            "buckets": uris(plan),
            "memory": share_out(plan.resources.memory),
            "balancer": names.BALANCER_USER,
        },
    )


def files(plan: NodePlan) -> dict[str, str]:
    """What is mounted at names.CONFIG. Raises Bug when it would not boot: the last look before anything is written."""
    return {
        "server.properties": verify(server_properties(plan)),
        "log4j.properties": text("automq/log4j.properties"),
        "prepare.sh": text("automq/prepare.sh"),
        "start.sh": text("kafka/start.sh"),
    }
