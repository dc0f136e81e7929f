"""The five example files fit together: each parses, and no check of theirs finds anything."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from agentmemory.api.base import parse
from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.memoryclient import MemoryClient
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.api.memorytenant import MemoryTenant
from agentmemory.api.topicfamily import TopicFamily
from agentmemory.clients import policy as client_policy
from agentmemory.clients.world import gather as gather_client
from agentmemory.core.store import Store
from agentmemory.families import policy as family_policy
from agentmemory.families.world import gather as gather_family
from agentmemory.tenants import policy as tenant_policy
from agentmemory.tenants.world import gather as gather_tenant
from tests import teams

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
STATUS = {"MemoryCluster": teams.running(), "MemoryTenant": teams.ACCEPTED}


def example(name: str) -> dict[str, Any]:
    obj: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    obj["metadata"] |= {"uid": name, "resourceVersion": "1"}
    return obj | {"status": STATUS.get(obj["kind"], {})}


@pytest.fixture
def store() -> Store:
    """The five objects as the apiserver has them once the platform's part is ready."""
    made = Store()
    for name in ("cluster", "brokers", "tenant", "family", "client"):
        made.put(example(name))
    return made


def test_they_fit_together(store: Store) -> None:
    cluster, pool = parse(MemoryCluster, example("cluster")), parse(BrokerPool, example("brokers"))
    assert pool.spec.cluster_ref.name == cluster.metadata.name
    assert pool.spec.replicas >= cluster.spec.replication.factor
    tenant = gather_tenant(store, parse(MemoryTenant, example("tenant")), "agent-memory-system")
    assert tenant_policy.judge(tenant) is None
    family = gather_family(store, parse(TopicFamily, example("family")))
    assert family_policy.judge(family) is None
    assert family_policy.enough_brokers(family, ()) is None
    client = gather_client(store, parse(MemoryClient, example("client")))
    assert client_policy.judge(client) is None
    assert client.absent == ()


def test_all_event_types_that_agents_leave() -> None:
    listed = {kind for topic in example("family")["spec"]["topics"] for kind in topic["eventTypes"]}
    assert listed >= {
        "prompt",
        "tool.call",
        "tool.result",
        "policy.decision",
        "correction",
        "retrieval.result",
        "model.response",
        "evaluation",
    }
