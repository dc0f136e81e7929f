"""AutoMQ on Kafka 3.9: a static quorum of controllers with volumes, brokers that hold nothing, records in a bucket."""

from collections.abc import Mapping

from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.conditions import Phase, refused
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.engines.automq import balancer, memory, names
from agentmemory.engines.automq.pod import pod
from agentmemory.engines.automq.properties import files
from agentmemory.engines.base import Capabilities, EngineDefaults, NodePlan, Object, unknown_version
from agentmemory.engines.kafka import objects
from agentmemory.kafka.model import Acl

VERSIONS = ("1.7.3",)
"""What the settings follow, by its sources; docs/engines.md says what of them ran on a real one."""


class AutoMQEngine(EngineDefaults):
    """Implements engines.base.Engine."""

    name = "automq"
    capabilities = Capabilities(runs_nodes=True, quorum="static", stateless_brokers=True)
    principals: Mapping[str, frozenset[Acl]] = balancer.PRINCIPALS

    def check_cluster(self, cluster: MemoryCluster) -> Phase | None:
        """Version and memory; the buckets are looked at elsewhere, everything else is checked by the API itself."""
        if (unknown := unknown_version(cluster.spec.version, VERSIONS)) is not None:
            return unknown
        too_small = memory.too_small(cluster.spec.controllers.resources, "spec.controllers.resources.memory")
        return refused("MemoryTooSmall", too_small) if too_small else None

    def check_pool(self, pool: BrokerPool) -> Phase | None:
        """Memory, and nothing that outlives a broker."""
        if pool.spec.storage.type == "Persistent":
            return refused(
                "PersistentBroker",
                "spec.storage.type is Persistent, and a broker of engine automq keeps nothing: what it acknowledged is "
                "in the bucket; leave spec.storage.type out, or write Ephemeral",
            )
        too_small = memory.too_small(pool.spec.resources, "spec.resources.memory")
        return refused("MemoryTooSmall", too_small) if too_small else None

    def config_map(self, plan: NodePlan) -> Object:
        """The node's configuration and scripts."""
        return objects.node_config(plan, files(plan))

    def pod(self, plan: NodePlan) -> Object:
        """The node's pod."""
        return pod(plan)

    def shared_secrets(self, cluster: MemoryCluster, authority_key: str) -> Mapping[str, Mapping[str, str]]:
        """The balancer's password."""
        name = cluster.metadata.name
        return {names.balancer_secret(name): {"password": balancer.password(name, authority_key)}}
