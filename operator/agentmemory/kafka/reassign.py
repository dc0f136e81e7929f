"""Moving partitions to other brokers (KIP-455): requests from our values, our values from answers. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka.protocol.admin import AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest

from agentmemory.core.errors import OperatorError
from agentmemory.kafka.errors import from_code, raise_for
from agentmemory.kafka.model import PartitionRef, TopicView

LISTING = "listing reassignments"


@dataclass(frozen=True)
class Reassignment:
    """A move that is under way."""

    replicas: tuple[int, ...]
    adding: tuple[int, ...]
    removing: tuple[int, ...]


def alter_request(targets: Mapping[PartitionRef, Sequence[int]], timeout_ms: int) -> Any:
    """Gives each partition these replicas, the first one to lead."""
    topic = AlterPartitionReassignmentsRequest.ReassignableTopic
    by_topic: dict[str, list[Any]] = {}
    for ref, replicas in sorted(targets.items()):
        partition = topic.ReassignablePartition(partition_index=ref.partition, replicas=list(replicas))
        by_topic.setdefault(ref.topic, []).append(partition)
    topics = [topic(name=name, partitions=partitions) for name, partitions in by_topic.items()]
    return AlterPartitionReassignmentsRequest(timeout_ms=timeout_ms, topics=topics)


def altered(answer: Any) -> dict[PartitionRef, OperatorError | None]:
    """Per partition."""
    raise_for(answer.error_code, answer.error_message, "moving partitions")
    return {
        PartitionRef(topic.name, part.partition_index): from_code(
            part.error_code, part.error_message, f"moving {topic.name}-{part.partition_index}"
        )
        for topic in answer.responses
        for part in topic.partitions
    }


def list_request(timeout_ms: int) -> Any:
    return ListPartitionReassignmentsRequest(timeout_ms=timeout_ms, topics=None)


def under_way(answer: Any) -> dict[PartitionRef, Reassignment]:
    """The moves that are under way."""
    raise_for(answer.error_code, answer.error_message, LISTING)
    return {
        PartitionRef(topic.name, part.partition_index): Reassignment(
            tuple(part.replicas), tuple(part.adding_replicas), tuple(part.removing_replicas)
        )
        for topic in answer.topics
        for part in topic.partitions
    }


def placements(topics: Iterable[TopicView]) -> dict[PartitionRef, tuple[int, ...]]:
    """Each partition's replicas."""
    return {PartitionRef(topic.name, part.id): part.replicas for topic in topics for part in topic.partitions}
