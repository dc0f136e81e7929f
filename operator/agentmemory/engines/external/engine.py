"""Brokers that somebody else runs: tenants, families and clients are kept on them, nodes are not."""

from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.conditions import Phase, refused
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.core.errors import Bug
from agentmemory.engines.base import Capabilities, EngineDefaults, NodePlan, Object


class ExternalEngine(EngineDefaults):
    """Implements engines.base.Engine."""

    name = "external"
    capabilities = Capabilities(runs_nodes=False, quorum="foreign", stateless_brokers=False)

    def check_cluster(self, cluster: MemoryCluster) -> Phase | None:
        """Nothing to check before a connection is tried."""
        del cluster
        return None

    def check_pool(self, pool: BrokerPool) -> Phase | None:
        """No pool belongs here."""
        return refused(
            "ExternalCluster",
            f"MemoryCluster {pool.spec.cluster_ref.name} has engine external: its brokers are run by somebody else; "
            "delete this pool, or name a cluster that the operator makes",
        )

    def config_map(self, plan: NodePlan) -> Object:
        """Never asked for."""
        raise Bug("NoNodes", f"engine external has no node {plan.node.name}")

    def pod(self, plan: NodePlan) -> Object:
        """Never asked for."""
        raise Bug("NoNodes", f"engine external has no node {plan.node.name}")
