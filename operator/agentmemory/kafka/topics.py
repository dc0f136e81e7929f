"""Topics: requests from our values, our values from answers. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from kafka.protocol.admin import (
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteTopicsRequest,
)
from kafka.protocol.metadata import MetadataRequest

from agentmemory.core.errors import OperatorError
from agentmemory.kafka.errors import from_code
from agentmemory.kafka.model import CreatedTopic, NewTopicSpec, PartitionView, TopicView, id_text, id_uuid

UNKNOWN_TOPIC = 3
UNKNOWN_TOPIC_ID = 100


def metadata_request(names: Iterable[str] | None) -> Any:
    """Asks for these topics, or all with None; never makes a topic by asking for it. Topic ids need version 12."""
    topic = MetadataRequest.MetadataRequestTopic
    topics = None if names is None else [topic(topic_id=UUID(int=0), name=name) for name in names]
    return MetadataRequest(topics=topics, allow_auto_topic_creation=False, min_version=10)


def topic_views(answer: Any) -> dict[str, TopicView | OperatorError]:
    """By name; topics that do not exist are left out."""
    return {
        topic.name: from_code(topic.error_code, None, f"topic {topic.name}") or _topic_view(topic)
        for topic in answer.topics
        if topic.error_code != UNKNOWN_TOPIC
    }


def _topic_view(topic: Any) -> TopicView:
    partitions = (
        PartitionView(part.partition_index, part.leader_id, tuple(part.replica_nodes), tuple(part.isr_nodes))
        for part in topic.partitions
    )
    ordered = tuple(sorted(partitions, key=lambda part: part.id))
    return TopicView(topic.name, id_text(topic.topic_id), ordered, topic.is_internal)


def create_request(specs: Iterable[NewTopicSpec], timeout_ms: int) -> Any:
    kind = CreateTopicsRequest.CreatableTopic
    config = kind.CreatableTopicConfig
    topics = [
        kind(
            name=spec.name,
            num_partitions=spec.partitions,
            replication_factor=spec.factor,
            assignments=[],
            configs=[config(name=key, value=value) for key, value in spec.configs.items()],
        )
        for spec in specs
    ]
    return CreateTopicsRequest(topics=topics, timeout_ms=timeout_ms, validate_only=False, min_version=7)


def created(answer: Any) -> dict[str, CreatedTopic | OperatorError]:
    return {
        topic.name: from_code(topic.error_code, topic.error_message, f"topic {topic.name}")
        or CreatedTopic(topic.name, id_text(topic.topic_id))
        for topic in answer.topics
    }


def partitions_request(totals: Mapping[str, int], timeout_ms: int) -> Any:
    kind = CreatePartitionsRequest.CreatePartitionsTopic
    topics = [kind(name=name, count=total, assignments=None) for name, total in totals.items()]
    return CreatePartitionsRequest(topics=topics, timeout_ms=timeout_ms, validate_only=False)


def partitions_added(answer: Any) -> dict[str, OperatorError | None]:
    return {item.name: from_code(item.error_code, item.error_message, f"topic {item.name}") for item in answer.results}


def delete_request(ids: Sequence[str], names: Sequence[str], timeout_ms: int) -> Any:
    kind = DeleteTopicsRequest.DeleteTopicState
    topics = [kind(topic_id=id_uuid(text), name=None) for text in ids]
    topics += [kind(topic_id=UUID(int=0), name=name) for name in names]
    return DeleteTopicsRequest(topics=topics, timeout_ms=timeout_ms, min_version=6)


def deleted(ids: Sequence[str], answer: Any) -> dict[str, OperatorError | None]:
    """By the id or name that was given (`ids` as in the request); a topic that is gone counts as deleted."""
    asked = set(ids)
    results: dict[str, OperatorError | None] = {}
    for item in answer.responses:
        topic_id = id_text(item.topic_id)
        key = topic_id if topic_id in asked else item.name
        gone = item.error_code in (UNKNOWN_TOPIC, UNKNOWN_TOPIC_ID)
        results[key] = None if gone else from_code(item.error_code, item.error_message, f"topic {item.name or key}")
    return results
