"""Names, paths and limits of engine automq; what it shares with engine kafka is in engines.kafka.names."""

HOME = "/opt/automq/kafka"
"""Where the vendor's image has Kafka: `bin/kafka-server-start.sh` is below it."""
METRICS_PORT = 9090
BALANCER = "/opt/agentmemory/balancer"
"""Mount of the Secret with the balancer's password."""
BUCKET_CA = "/opt/agentmemory/bucket-ca"
"""Mounts of the buckets' own certificate authorities: `data/ca.crt`, `ops/ca.crt`."""

BALANCER_USER = "autobalancer"
"""No MemoryClient's name: those have dots."""
BALANCER_TOPIC = "__auto_balancer_metrics"
LAST_CONTROLLER_ID = 999
"""NodeRuntimeMetadata.MAX_CONTROLLER_ID: from 1000 on a node is a broker, whose log is replayed when it is lost."""


def balancer_secret(cluster: str) -> str:
    """Secret with the balancer's password."""
    return f"{cluster}-balancer"
