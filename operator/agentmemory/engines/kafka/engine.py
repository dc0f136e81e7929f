"""Apache Kafka 4 with KRaft: controllers and brokers apart, a dynamic quorum, local volumes."""

from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.conditions import Phase, refused
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.engines.base import Capabilities, EngineDefaults, NodePlan, Object, unknown_version
from agentmemory.engines.kafka import jvm, objects
from agentmemory.engines.kafka.pod import KAFKA, pod

VERSIONS = ("4.3.1",)
"""What the configuration, the format and the joining of controllers were verified on."""


class KafkaEngine(EngineDefaults):
    """Implements engines.base.Engine."""

    name = "kafka"
    capabilities = Capabilities(runs_nodes=True, quorum="dynamic", stateless_brokers=False)

    def check_cluster(self, cluster: MemoryCluster) -> Phase | None:
        """Version and memory; everything else is checked by the API itself."""
        if (unknown := unknown_version(cluster.spec.version, VERSIONS)) is not None:
            return unknown
        too_small = jvm.too_small(cluster.spec.controllers.resources, "spec.controllers.resources.memory")
        return refused("MemoryTooSmall", too_small) if too_small else None

    def check_pool(self, pool: BrokerPool) -> Phase | None:
        """Memory."""
        too_small = jvm.too_small(pool.spec.resources, "spec.resources.memory")
        return refused("MemoryTooSmall", too_small) if too_small else None

    def config_map(self, plan: NodePlan) -> Object:
        """The node's configuration and scripts."""
        return objects.node_config(plan, KAFKA.files(plan))

    def pod(self, plan: NodePlan) -> Object:
        """The node's pod."""
        return pod(plan)
