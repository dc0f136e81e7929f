"""Objects of one platform team and one AI team, for the tests of tenants, families and clients."""

import copy
from typing import Any

from agentmemory.core.key import Key
from agentmemory.engines.handover import SECRET, key_in_secret, pack
from agentmemory.kafka.credentials import Credentials

Object = dict[str, Any]

PLATFORM, TEAM = "memory-system", "support-agents"
CLUSTER_KEY = Key("MemoryCluster", PLATFORM, "agents")
TENANT_KEY = Key("MemoryTenant", PLATFORM, "support")
FAMILY_KEY = Key("TopicFamily", TEAM, "trail")
CLIENT_KEY = Key("MemoryClient", TEAM, "bot")
PREFIX = "support.agents.trail."


def _object(key: Key, spec: Object, **metadata: Any) -> Object:
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": key.kind,
        "metadata": {"name": key.name, "namespace": key.namespace, **metadata},
        "spec": copy.deepcopy(spec),
    }


def conditions(**status: str) -> list[Object]:
    """Conditions in these states, with some words."""
    stamp = "2026-01-01T00:00:00Z"
    return [
        {"type": name, "status": value, "reason": "Test", "message": "words", "lastTransitionTime": stamp}
        for name, value in status.items()
    ]


def cluster(name: str = "agents", **spec: Any) -> Object:
    """A MemoryCluster as a user writes it."""
    full = {"engine": "kafka", "replication": {"factor": 3, "minInSync": 2}, "region": {"name": "eu-central-1"}, **spec}
    return _object(CLUSTER_KEY._replace(name=name), full)


def running(brokers: int = 3, ready: str = "True") -> Object:
    """The status of a cluster that runs."""
    return {
        "observedGeneration": 1,
        "bootstrapped": True,
        "clusterId": "fake",
        "bootstrapServers": "agents-bootstrap.memory-system.svc:9092",
        "brokers": {"registered": brokers},
        "conditions": conditions(Accepted="True", Ready=ready),
    }


def tenant(name: str = "support", **spec: Any) -> Object:
    """A MemoryTenant that lists the team's namespace as segment `agents`."""
    full = {
        "clusterRef": {"name": "agents"},
        "namespaces": [{"name": TEAM, "segment": "agents"}],
        "priorities": ["standard", "critical"],
        **spec,
    }
    return _object(TENANT_KEY._replace(name=name), full)


ACCEPTED = {"observedGeneration": 1, "conditions": conditions(Accepted="True", Ready="True")}


def family(name: str = "trail", **spec: Any) -> Object:
    """A TopicFamily with one topic `events` of four partitions, kept for ten days."""
    full = {
        "tenantRef": {"namespace": PLATFORM, "name": "support"},
        "owner": {"team": "support-ai", "contact": "support-ai@example.com"},
        "topics": [{"name": "events", "eventTypes": ["prompt"], "partitions": 4}],
        "retention": {"time": "240h"},
        **spec,
    }
    return _object(FAMILY_KEY._replace(name=name), full)


def topic(name: str = "events", **fields: Any) -> Object:
    """One entry of `spec.topics`."""
    return {"name": name, "partitions": 4, **fields}


def client(name: str = "bot", **spec: Any) -> Object:
    """A MemoryClient that writes and reads the family `trail`."""
    full = {
        "tenantRef": {"namespace": PLATFORM, "name": "support"},
        "access": [{"family": "trail", "operations": ["Produce", "Consume"]}],
        **spec,
    }
    return _object(CLIENT_KEY._replace(name=name), full)


CREDENTIALS = Credentials(bootstrap="agents-1000.memory-system.svc:9091", ca_pem="CA", cert_pem="CERT", key_pem="KEY")


def handover(namespace: str = "agent-memory-system") -> Object:
    """The Secret in which the platform role hands the tenant role's credentials over."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": namespace},
        "stringData": {key_in_secret(CLUSTER_KEY): pack(CREDENTIALS)},
    }
