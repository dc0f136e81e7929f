"""What a family's reconcile looks at before it asks Kafka: the family, its tenant and the tenant's cluster.

TopicFamily ──tenantRef──► MemoryTenant ──clusterRef──► MemoryCluster
     ▲                          │
     └──── spec.namespaces ─────┘   both sides agree
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from agentmemory.api.topicfamily import TopicFamily
from agentmemory.core.store import Store
from agentmemory.domain import names
from agentmemory.engines.frame import Frame, look


@dataclass(frozen=True)
class World:
    """All of it comes from the store: gathering costs no call."""

    family: TopicFamily
    frame: Frame

    def prefix(self) -> str:
        """What the names of the family's topics begin with. Raises ValueError when the frame does not hold."""
        return self._prefix

    @cached_property
    def _prefix(self) -> str:
        segment = self.frame.segment
        if segment is None:
            raise ValueError(f"namespace {self.frame.namespace} has no segment")
        return names.family_prefix(self.frame.ref.name, segment, self.family.metadata.name)

    def topic_names(self) -> Mapping[str, str]:
        """The topics of the spec: short name to name in Kafka."""
        return self._topic_names

    @cached_property
    def _topic_names(self) -> Mapping[str, str]:
        prefix = self.prefix()
        return {topic.name: prefix + topic.name for topic in self.family.spec.topics}

    def left_over(self) -> Mapping[str, str]:
        """Topics in the status that the spec no longer names. Only names that are this family's own count."""
        prefix, wanted = self.prefix(), {topic.name for topic in self.family.spec.topics}
        return {
            topic.name: topic.topic_name
            for topic in self.family.status.topics
            if topic.name not in wanted and topic.topic_name == prefix + topic.name
        }


def gather(store: Store, family: TopicFamily) -> World:
    """The world around a family."""
    return World(family, look(store, family.spec.tenant_ref, family.metadata.namespace))
