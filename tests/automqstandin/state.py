"""What AutoMQ would say of its nodes, read from the real brokers behind the stand-in.

Registered and fenced are Kafka's own words. A node has open streams while a partition is on it, or while a test holds
them open: `held` is the write-ahead log that another node has not uploaded yet. CONTROLLED_SHUTDOWN is not told apart
from ACTIVE: Kafka does not tell.
"""

from collections.abc import Iterable

from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.nodes import ACTIVE, FENCED, NodeView

FIRST_BROKER_ID = 1000


class State:
    """Of one cluster."""

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin
        self.held: set[int] = set()
        """Nodes whose streams stay open whatever becomes of them."""
        self.locked: set[int] = set()
        """Nodes whose circuit breaker is open."""
        self.epochs: dict[int, int] = {}
        """When nodes were started (Unix milliseconds); 0 where no test says."""
        self.excluded: tuple[str, ...] = ()
        """The AutoBalancer's list of excluded brokers: there is no AutoBalancer."""

    async def nodes(self, ids: Iterable[int] = ()) -> dict[int, NodeView]:
        """Those asked for that are known, or all."""
        cluster = await self._admin.describe_cluster()
        hosts = {broker for replicas in (await self._admin.placements()).values() for broker in replicas}
        return {
            node: NodeView(
                node,
                FENCED if broker.fenced else ACTIVE,
                self.epochs.get(node, 0),
                node in hosts | self.held,
                {"CIRCUIT_BREAKER": "OPEN"} if node in self.locked else {},
            )
            for node, broker in sorted(cluster.brokers.items())
            if node in set(ids) or not set(ids)
        }

    async def next_id(self) -> int:
        """The lowest that is not registered."""
        known = (await self._admin.describe_cluster()).brokers
        return next(node for node in range(FIRST_BROKER_ID, 10_000) if node not in known)
