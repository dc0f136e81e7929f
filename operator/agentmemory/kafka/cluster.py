"""Brokers, quorum and replication: requests from our values, our values from answers. No I/O."""

from collections.abc import Iterable, Mapping
from typing import Any

from kafka.protocol.admin import DescribeClusterRequest, DescribeQuorumRequest

from agentmemory.kafka.errors import raise_for
from agentmemory.kafka.messages import RemoveRaftVoterRequest
from agentmemory.kafka.model import (
    BrokerView,
    ClusterView,
    PartitionRef,
    PartitionView,
    QuorumReplica,
    QuorumView,
    StopCheck,
    SyncView,
    TopicView,
    id_text,
    id_uuid,
)

METADATA_TOPIC = "__cluster_metadata"
MIN_IN_SYNC = "min.insync.replicas"
_SHOWS_FENCED = 2  # the version of DescribeCluster since which brokers are marked as fenced (KIP-1073)
_NO_SUCH_VOTER = 127  # VOTER_NOT_FOUND


def describe_request() -> Any:
    return DescribeClusterRequest(include_cluster_authorized_operations=False, include_fenced_brokers=True)


def cluster_view(answer: Any) -> ClusterView:
    raise_for(answer.error_code, answer.error_message, "describing the cluster")
    tells = answer.API_VERSION is None or answer.API_VERSION >= _SHOWS_FENCED
    brokers = {
        broker.broker_id: BrokerView(broker.host, broker.port, broker.rack, broker.is_fenced if tells else None)
        for broker in answer.brokers
    }
    return ClusterView(answer.cluster_id, answer.controller_id, brokers)


def quorum_request() -> Any:
    topic = DescribeQuorumRequest.TopicData
    partition = topic.PartitionData(partition_index=0)
    return DescribeQuorumRequest(topics=[topic(topic_name=METADATA_TOPIC, partitions=[partition])], min_version=2)


def quorum_view(answer: Any) -> QuorumView:
    what = "describing the controllers' quorum"
    raise_for(answer.error_code, answer.error_message, what)
    state = answer.topics[0].partitions[0]
    raise_for(state.error_code, state.error_message, what)
    end = max((voter.log_end_offset for voter in state.current_voters), default=-1)
    return QuorumView(
        leader=state.leader_id,
        leader_epoch=state.leader_epoch,
        high_watermark=state.high_watermark,
        voters=tuple(_replica(voter, end) for voter in state.current_voters),
        observers=tuple(_replica(observer, end) for observer in state.observers),
    )


def _replica(state: Any, end: int) -> QuorumReplica:
    known = state.log_end_offset >= 0
    return QuorumReplica(
        id=state.replica_id,
        directory_id=id_text(state.replica_directory_id),
        lag=max(0, end - state.log_end_offset) if known else None,
        last_fetch_ms=state.last_fetch_timestamp if state.last_fetch_timestamp >= 0 else None,
        last_caught_up_ms=state.last_caught_up_timestamp if state.last_caught_up_timestamp >= 0 else None,
    )


def remove_voter_request(cluster_id: str, node_id: int, directory_id: str) -> Any:
    return RemoveRaftVoterRequest(cluster_id=cluster_id, voter_id=node_id, voter_directory_id=id_uuid(directory_id))


def removed(answer: Any, node_id: int) -> bool:
    """False when Kafka does not know such a voter, or when it is the last one, for which it says the same."""
    if answer.error_code == _NO_SUCH_VOTER:
        return False
    raise_for(answer.error_code, answer.error_message, f"taking controller {node_id} out of the quorum")
    return True


def sync_view(topics: Iterable[TopicView]) -> SyncView:
    behind: list[PartitionRef] = []
    offline: list[PartitionRef] = []
    for topic in topics:
        behind += [PartitionRef(topic.name, part.id) for part in topic.partitions if part.under_replicated]
        offline += [PartitionRef(topic.name, part.id) for part in topic.partitions if part.leader < 0]
    return SyncView(tuple(sorted(behind)), tuple(sorted(offline)))


def hosted_by(topics: Iterable[TopicView], node_id: int) -> list[TopicView]:
    """The topics that have a replica on the broker."""
    return [topic for topic in topics if any(node_id in part.replicas for part in topic.partitions)]


def stop_check(topics: Iterable[TopicView], node_id: int, min_in_sync: Mapping[str, int]) -> StopCheck:
    """What stopping the broker does to the partitions that it hosts; `min_in_sync` per topic, 1 where missing."""
    blocked: list[PartitionRef] = []
    unavoidable: list[PartitionRef] = []
    for topic in topics:
        needed = min_in_sync.get(topic.name, 1)
        for part in topic.partitions:
            if _remaining(part, node_id) < needed and node_id in part.replicas:
                enough = len(part.replicas) - 1 >= needed
                (blocked if enough else unavoidable).append(PartitionRef(topic.name, part.id))
    return StopCheck(tuple(sorted(blocked)), tuple(sorted(unavoidable)))


def _remaining(part: PartitionView, node_id: int) -> int:
    return len(set(part.isr) - {node_id})
