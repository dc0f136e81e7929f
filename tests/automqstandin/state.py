"""What AutoMQ would say of its nodes, read from the real brokers behind the stand-in.

A node has open streams while a partition is on it, or while a test holds them open: `held` is the write-ahead log that
another node has not uploaded yet. Kafka 3.9 names no fenced brokers, so that is one that was there and was not
unregistered. CONTROLLED_SHUTDOWN is not told apart from ACTIVE: Kafka does not tell.
"""

from collections.abc import Iterable

from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.nodes import ACTIVE, FENCED, NodeView

FIRST_BROKER_ID = 1000


class State:
    """Of one cluster."""

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin
        self._seen: set[int] = set()
        self.held: set[int] = set()
        """Nodes whose streams stay open whatever becomes of them."""
        self.locked: set[int] = set()
        """Nodes whose circuit breaker is open."""
        self.epochs: dict[int, int] = {}
        """When nodes were started (Unix milliseconds); 0 where no test says."""
        self.excluded: tuple[str, ...] = ()
        """The AutoBalancer's list of excluded brokers: there is no AutoBalancer."""
        self.lists = True
        """Whether brokers know that list as one, which hangs on AutoMQ's release (its issue 3321); else they do with it
        what Kafka does with any setting that it does not know."""

    async def nodes(self, ids: Iterable[int] = ()) -> dict[int, NodeView]:
        """Those asked for that are known, or all."""
        alive = await self._alive()
        hosts = {broker for replicas in (await self._admin.placements()).values() for broker in replicas}
        return {
            node: NodeView(
                node,
                ACTIVE if node in alive else FENCED,
                self.epochs.get(node, 0),
                node in hosts | self.held,
                {"CIRCUIT_BREAKER": "OPEN"} if node in self.locked else {},
            )
            for node in sorted(self._seen)
            if node in set(ids) or not set(ids)
        }

    async def next_id(self) -> int:
        """The lowest that is not registered."""
        await self._alive()
        return next(node for node in range(FIRST_BROKER_ID, 10_000) if node not in self._seen)

    def forget(self, node_id: int) -> None:
        """It is being unregistered."""
        self._seen.discard(node_id)

    async def _alive(self) -> set[int]:
        found = {node for node, broker in (await self._admin.describe_cluster()).brokers.items() if not broker.fenced}
        self._seen |= found
        return found
