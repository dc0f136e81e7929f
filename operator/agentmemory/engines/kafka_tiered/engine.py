"""Apache Kafka whose old segments go to a bucket (KIP-405), by a RemoteStorageManager that the image brings."""

from dataclasses import replace

from agentmemory.api.conditions import Phase
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.engines.base import NodePlan, Object
from agentmemory.engines.kafka import objects
from agentmemory.engines.kafka.engine import KafkaEngine
from agentmemory.engines.kafka_tiered import policy
from agentmemory.engines.kafka_tiered.pod import SHAPE, pod


class TieredKafkaEngine(KafkaEngine):
    """Implements engines.base.Engine: all of engine kafka, and what tiering adds to its brokers."""

    name = "kafka-tiered"
    capabilities = replace(KafkaEngine.capabilities, compaction=False)

    def check_cluster(self, cluster: MemoryCluster) -> Phase | None:
        """As engine kafka, and what the plugin is told."""
        tiering = cluster.spec.tiering
        return super().check_cluster(cluster) or (None if tiering is None else policy.trouble(tiering))

    def config_map(self, plan: NodePlan) -> Object:
        """The node's configuration and scripts."""
        return objects.node_config(plan, SHAPE.files(plan))

    def pod(self, plan: NodePlan) -> Object:
        """The node's pod."""
        return pod(plan)
