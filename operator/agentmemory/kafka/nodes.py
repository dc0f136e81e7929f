"""AutoMQ's own words about its nodes: requests from our values, our values from answers. No I/O.

By `NodeControlManager` of AutoMQ 1.7.3: GetNodes (514) answers for every node that ever registered its write-ahead log
and was not unregistered; UnregisterBroker is refused while the node has open streams, which has no error code of its
own and so comes as -1 without words, and while the node is locked (515).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentmemory.core.errors import Transient
from agentmemory.kafka.errors import raise_for
from agentmemory.kafka.messages import AutomqGetNodesRequest, GetNextNodeIdRequest, UnregisterBrokerRequest

ACTIVE, FENCED, CONTROLLED_SHUTDOWN = "ACTIVE", "FENCED", "CONTROLLED_SHUTDOWN"
"""Of a node's states (AutoMQ's NodeState) those that say something; there is UNKNOWN too."""
_BREAKER = "CIRCUIT_BREAKER"  # the tag by which a node is locked, "CLOSED" when it is not
_NOT_REGISTERED = 102  # BROKER_ID_NOT_REGISTERED
_LOCKED = 515  # NODE_LOCKED
_UNKNOWN_SERVER_ERROR = -1


@dataclass(frozen=True)
class NodeView:
    """A node as AutoMQ's controller has it."""

    id: int
    state: str
    """ACTIVE, FENCED, CONTROLLED_SHUTDOWN or UNKNOWN."""
    epoch: int
    """When it was started last (Unix milliseconds, by its own clock)."""
    open_streams: bool
    """Whether records of its write-ahead log may not be in objects yet."""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def locked(self) -> bool:
        """Whether its circuit breaker is open: it cannot be unregistered then."""
        return self.tags.get(_BREAKER, "CLOSED") != "CLOSED"


def nodes_request(ids: Iterable[int]) -> Any:
    """All nodes when `ids` is empty."""
    return AutomqGetNodesRequest(node_ids=list(ids))


def node_views(answer: Any) -> dict[int, NodeView]:
    """By id; nodes that are not known are left out."""
    raise_for(answer.error_code, None, GETTING_NODES)
    return {
        node.node_id: NodeView(
            node.node_id,
            node.state,
            node.node_epoch,
            node.has_opening_streams,
            {tag.key: tag.value for tag in node.tags},
        )
        for node in answer.nodes
    }


GETTING_NODES = "asking how the nodes stand (AutomqGetNodes, API key 514)"


def next_id_request(cluster_id: str) -> Any:
    return GetNextNodeIdRequest(cluster_id=cluster_id)


def next_id(answer: Any) -> int:
    raise_for(answer.error_code, None, GETTING_ID)
    return int(answer.node_id)


GETTING_ID = "asking for a free node id (GetNextNodeId, API key 600)"


def unregister_request(node_id: int) -> Any:
    return UnregisterBrokerRequest(broker_id=node_id)


def raise_unless_unregistered(answer: Any, node_id: int) -> None:
    """A broker that is not registered any more is fine. Raises Transient for what AutoMQ refuses for the moment."""
    if answer.error_code == _NOT_REGISTERED:
        return
    if answer.error_code == _LOCKED:
        raise Transient("NodeLocked", f"unregistering broker {node_id}: it is locked by its circuit breaker.")
    if answer.error_code == _UNKNOWN_SERVER_ERROR and not answer.error_message:
        raise Transient(
            "UnregisterNodeWithOpenStreams",
            f"unregistering broker {node_id}: refused without words, as AutoMQ does while the broker lives or has open "
            "streams; it is tried again.",
        )
    raise_for(answer.error_code, answer.error_message, f"unregistering broker {node_id}")
