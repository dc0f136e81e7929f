"""A node's configuration, rendered: what engine kafka has, and tiering. Pure."""

from agentmemory.engines.automq.buckets import authorities
from agentmemory.engines.base import NodePlan
from agentmemory.engines.kafka import properties as kafka
from agentmemory.engines.kafka_tiered import names
from agentmemory.engines.kafka_tiered.plugin import plugin
from agentmemory.engines.templating import render_properties, text


def server_properties(plan: NodePlan) -> str:
    """server.properties of one node. Raises ValueError when a value could break out of its line."""
    base = kafka.values(plan)
    return render_properties(
        "kafka_tiered/server.properties.j2",
        {
            **base,
            "paths": {**base["paths"], "secrets": names.SECRETS},
            "tiering": plugin(plan) if plan.node.role == "broker" else None,
        },
    )


def files(plan: NodePlan) -> dict[str, str]:
    """What is mounted at names.CONFIG."""
    made = {**kafka.files(plan), "server.properties": server_properties(plan)}
    return made if plan.node.role == "controller" else made | {"prepare.sh": prepare(plan)}


def prepare(plan: NodePlan) -> str:
    """What start.sh does before it starts the broker."""
    check = text("kafka_tiered/prepare.sh")
    # Java's own trust store is all that an S3 client in a plugin knows, as with AutoMQ.
    return check + text("automq/prepare.sh") if authorities(plan.storage) else check
