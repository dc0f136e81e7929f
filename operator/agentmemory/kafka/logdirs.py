"""What lies on a broker's disks: the request, and sizes from its answer. No I/O."""

from typing import Any

from kafka.protocol.admin import DescribeLogDirsRequest

from agentmemory.kafka.errors import raise_for
from agentmemory.kafka.model import PartitionRef


def describe_request() -> Any:
    """Asks for all replicas; each broker answers for itself alone."""
    return DescribeLogDirsRequest(topics=None)


def sizes(answer: Any, what: str) -> dict[PartitionRef, int]:
    """Bytes by replica; one that is being moved to another directory counts once. Raises what the broker says."""
    raise_for(answer.error_code or 0, None, what)
    found: dict[PartitionRef, int] = {}
    for directory in answer.results:
        raise_for(directory.error_code, None, what)
        for topic in directory.topics:
            for part in topic.partitions:
                if not part.is_future_key:
                    found[PartitionRef(topic.name, part.partition_index)] = part.partition_size
    return found
