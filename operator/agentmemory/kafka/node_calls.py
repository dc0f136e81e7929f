"""What the operator asks about nodes that come and go: AutoMQ's own calls, moves of partitions, settings of all nodes.

Part of KafkaAdmin, whose rules hold here too. An engine that does not have a call says Invalid `UnsupportedVersion`:
ApiVersions is looked at before anything is sent.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentmemory.core.errors import Invalid, OperatorError
from agentmemory.kafka import broker_configs, nodes, reassign
from agentmemory.kafka import topics as topic_calls
from agentmemory.kafka.model import PartitionRef, TopicView
from agentmemory.kafka.nodes import NodeView
from agentmemory.kafka.reassign import Reassignment
from agentmemory.kafka.session import Session


class NodeCalls:
    """Over the session of one KafkaAdmin."""

    _session: Session
    _timeout_ms: int

    async def get_nodes(self, ids: Iterable[int] = ()) -> dict[int, NodeView]:
        """AutoMQ's nodes, all of them by default. Looking for open streams costs its controller a walk over streams."""
        answer = await self._session.send(nodes.nodes_request(ids), nodes.GETTING_NODES, again=True)
        return nodes.node_views(answer)

    async def next_node_id(self, cluster_id: str) -> int:
        """A node id that AutoMQ does not use; it may be one that was unregistered."""
        answer = await self._session.send(nodes.next_id_request(cluster_id), nodes.GETTING_ID, again=True)
        return nodes.next_id(answer)

    async def unregister_broker(self, node_id: int) -> None:
        """Forgets a broker, which must have stopped and, on AutoMQ, have no open streams: Transient while it has.

        Apache Kafka forgets a live one too, which then hangs when it is stopped: look before.
        """
        what = f"unregistering broker {node_id}"
        answer = await self._session.send(nodes.unregister_request(node_id), what, again=True)
        nodes.raise_unless_unregistered(answer, node_id)

    async def placements(self) -> dict[PartitionRef, tuple[int, ...]]:
        """The replicas of every partition, internal topics' included. Costs a listing of all topics."""
        answer = await self._session.send(topic_calls.metadata_request(None), "listing topics", again=True)
        views = topic_calls.topic_views(answer).values()
        return reassign.placements(view for view in views if isinstance(view, TopicView))

    async def reassign(self, targets: Mapping[PartitionRef, Sequence[int]]) -> dict[PartitionRef, OperatorError | None]:
        """Begins to move partitions to these brokers. An engine of shared storage takes one replica only."""
        try:
            request = reassign.alter_request(targets, self._timeout_ms)
            return reassign.altered(await self._session.send(request, "moving partitions", again=True))
        except OperatorError as error:
            return dict.fromkeys(targets, error)

    async def list_reassignments(self) -> dict[PartitionRef, Reassignment]:
        """The moves that are under way."""
        answer = await self._session.send(reassign.list_request(self._timeout_ms), reassign.LISTING, again=True)
        return reassign.under_way(answer)

    async def excluded_brokers(self) -> frozenset[int] | None:
        """The brokers to which AutoMQ's AutoBalancer gives nothing, as it was set while the nodes run.

        None when something is set and Kafka hides what, as it does with settings that it does not know by itself.
        """
        found = await self._excluded()
        hidden = broker_configs.EXCLUDED in found and found[broker_configs.EXCLUDED] is None
        return None if hidden else broker_configs.members(found.get(broker_configs.EXCLUDED))

    async def exclude_broker(self, node_id: int) -> None:
        """Keeps AutoMQ's AutoBalancer from giving partitions to this broker; others in the list stay."""
        await self._change_excluded([str(node_id)], [])

    async def readmit_broker(self, node_id: int) -> None:
        """The inverse of `exclude_broker`."""
        await self._change_excluded([], [str(node_id)])

    async def _excluded(self) -> dict[str, str | None]:
        request = broker_configs.describe_request([broker_configs.EXCLUDED])
        answer = await self._session.send(request, "reading settings of all nodes", again=True)
        return broker_configs.described(answer)

    async def _change_excluded(self, add: Sequence[str], remove: Sequence[str]) -> None:
        """By append and subtract; where the brokers do not know the setting as a list, the list is written anew.

        One that they hide is written over, and taken away by whoever is readmitted: better too short than to keep an
        id out for ever. Who leaves at the time says so again with its next move.
        """
        key = broker_configs.EXCLUDED
        try:
            await self._alter(broker_configs.change_list_request(key, add, remove))
        except OperatorError as error:
            if not _may_be_no_list(error):
                raise
            known = broker_configs.entries((await self._excluded()).get(key))
            others = [entry for entry in known if entry not in (*add, *remove)]
            await self._alter(broker_configs.set_request(key, ",".join([*others, *add])))

    async def _alter(self, request: Any) -> None:
        key = broker_configs.EXCLUDED
        broker_configs.raise_unless_changed(await self._session.send(request, f"setting {key}", again=True), key)


def _may_be_no_list(error: OperatorError) -> bool:
    """Kafka 4 calls an operation on lists invalid then; 3.9, on which AutoMQ is built, meets it with an exception.

    That may be a fault of the server as well, and then setting the list fails too, or mends it.
    """
    return isinstance(error, Invalid) or error.reason == "UnknownServerError"
