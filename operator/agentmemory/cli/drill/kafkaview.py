"""What Kafka says at one moment, as far as whoever asks may see. Pure."""

from dataclasses import dataclass

from agentmemory.kafka.cluster import sync_view
from agentmemory.kafka.model import ClusterView, PartitionRef, PartitionView, SyncView, TopicView


@dataclass(frozen=True)
class KafkaView:
    """Brokers and partitions."""

    registered: frozenset[int]
    """Brokers that are registered and not fenced."""
    topics: tuple[TopicView, ...]
    whole: bool
    """Whether these are all topics of the cluster; False: those that one client may see."""

    def led_by(self, broker: int) -> frozenset[PartitionRef]:
        """The partitions that the broker leads."""
        return frozenset(ref for ref, part in self.partitions().items() if part.leader == broker)

    def hosted_by(self, broker: int) -> frozenset[PartitionRef]:
        """The partitions of which the broker has a replica."""
        return frozenset(ref for ref, part in self.partitions().items() if broker in part.replicas)

    def partitions(self) -> dict[PartitionRef, PartitionView]:
        """All partitions."""
        return {PartitionRef(topic.name, part.id): part for topic in self.topics for part in topic.partitions}

    def sync(self) -> SyncView:
        """What lacks a leader or a replica in sync."""
        return sync_view(self.topics)


def kafka_view(cluster: ClusterView, topics: dict[str, TopicView], *, whole: bool) -> KafkaView:
    """From the two answers that it takes."""
    return KafkaView(frozenset(cluster.in_service()), tuple(topics[name] for name in sorted(topics)), whole)
