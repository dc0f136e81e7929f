"""All kinds of this API group."""

from typing import Any

from agentmemory.api.base import Resource
from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.memorybucket import MemoryBucket
from agentmemory.api.memoryclient import MemoryClient
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.api.memorytenant import MemoryTenant
from agentmemory.api.topicfamily import TopicFamily

KINDS: tuple[type[Resource[Any, Any]], ...] = (
    MemoryCluster,
    BrokerPool,
    MemoryBucket,
    MemoryTenant,
    TopicFamily,
    MemoryClient,
)
