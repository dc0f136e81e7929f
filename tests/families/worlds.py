"""Worlds for the pure tests: no cluster, no Kafka."""

from typing import Any

from agentmemory.api.base import parse
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.api.memorytenant import MemoryTenant
from agentmemory.api.topicfamily import TopicFamily
from agentmemory.engines.frame import Frame
from agentmemory.families.world import World
from tests import teams


def make_world(family: dict[str, Any] | None = None, **frame: Any) -> World:
    """A family in its frame; `tenant`, `cluster` (dicts or None) and `unreadable` replace parts of the frame."""
    parsed = parse(TopicFamily, family or teams.family())
    tenant = frame.get("tenant", {**teams.tenant(), "status": teams.ACCEPTED})
    cluster = frame.get("cluster", {**teams.cluster(), "status": teams.running()})
    return World(
        parsed,
        Frame(
            parsed.spec.tenant_ref,
            parsed.metadata.namespace,
            parse(MemoryTenant, tenant) if tenant else None,
            parse(MemoryCluster, cluster) if cluster else None,
            frame.get("unreadable"),
        ),
    )
