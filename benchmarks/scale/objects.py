"""The objects of a run: one cluster, tenants with a namespace each, families as teams write them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from agentmemory.kafka.credentials import Credentials
from benchmarks.scale.options import Options

Object = dict[str, Any]

API = "agentmemory.dev/v1alpha1"
PLATFORM = "memory-system"
OPERATOR = "agent-memory-system"
CLUSTER = "agents"
WAY_IN = "kafka-way-in"
SEGMENT = "agents"
LEAST_BYTES = 4096
"""What a family has at least once its status is written."""
RETENTION, OTHER_RETENTION = "720h", "744h"
REGION = "eu-central-1"
POISON = "poison"
"""Part of the name of families that Kafka refuses."""

EVENT_TYPES = (
    "prompt",
    "tool.call",
    "tool.result",
    "policy.decision",
    "correction",
    "retrieval.result",
    "model.response",
    "evaluation",
)
RUNBOOK = (
    "What these records are for: every prompt, tool call, retrieval and answer of the support assistants, in the order "
    "in which they happened, so that a session can be replayed, an answer explained to the customer who asks for it, "
    "and the next release evaluated against last month's sessions. Producers: the assistants' gateway (one writer a "
    "session). Consumers: the replay service, the evaluation jobs (nightly) and the audit export. If producing stops: "
    "the gateway buffers for ten minutes on disk, then sheds evaluation events first; page the on-call of support-ai."
)


def namespace_of(tenant: int) -> str:
    return f"team-{tenant:03d}"


def tenant_name(tenant: int) -> str:
    return f"tenant-{tenant:03d}"


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def way_in(credentials: Credentials) -> Object:
    """The Secret of an external cluster: mutual TLS."""
    values = {
        "ca.crt": credentials.ca_pem or "",
        "tls.crt": credentials.cert_pem or "",
        "tls.key": credentials.key_pem or "",
    }
    data = {name: base64.b64encode(text.encode()).decode() for name, text in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": _named(WAY_IN, PLATFORM), "type": "Opaque", "data": data}


def cluster(credentials: Credentials) -> Object:
    """Brokers that somebody else runs, one copy of everything."""
    spec = {
        "engine": "external",
        "external": {"bootstrapServers": credentials.bootstrap, "credentialsSecretRef": {"name": WAY_IN}},
        "replication": {"factor": 1, "minInSync": 1},
        "region": {"name": REGION},
    }
    return {"apiVersion": API, "kind": "MemoryCluster", "metadata": _named(CLUSTER, PLATFORM), "spec": spec}


def tenant(number: int) -> Object:
    spec = {
        "clusterRef": {"name": CLUSTER},
        "namespaces": [{"name": namespace_of(number), "segment": SEGMENT}],
        "priorities": ["standard", "critical"],
        "regions": [REGION],
    }
    return {"apiVersion": API, "kind": "MemoryTenant", "metadata": _named(tenant_name(number), PLATFORM), "spec": spec}


def family(options: Options, number: int, prefix: str = "trail") -> Object:
    """Family `number`, in its tenant's namespace."""
    of = number % options.tenants
    name = f"{prefix}-{number:05d}"
    made: Object = {
        "apiVersion": API,
        "kind": "TopicFamily",
        "metadata": {**_named(name, namespace_of(of)), "labels": _labels(of, name)},
        "spec": _spec(options, of),
    }
    # The notes that teams and their tools keep there.
    made["metadata"]["annotations"] = {
        "example.com/runbook": RUNBOOK,
        "argocd.argoproj.io/tracking-id": f"memory:agentmemory.dev/TopicFamily:{namespace_of(of)}/{name}",
    }
    return made


def families(options: Options, prefix: str = "trail", count: int | None = None) -> list[Object]:
    return [family(options, number, prefix) for number in range(options.n if count is None else count)]


def topic_names(obj: Object) -> list[str]:
    """What the family's topics are called in Kafka."""
    ref, metadata = obj["spec"]["tenantRef"], obj["metadata"]
    return [f"{ref['name']}.{SEGMENT}.{metadata['name']}.{topic['name']}" for topic in obj["spec"]["topics"]]


def path(obj: Object, subresource: str = "") -> str:
    """The URL path of an object of ours."""
    metadata = obj["metadata"]
    return f"{collection(obj)}/{metadata['name']}" + (f"/{subresource}" if subresource else "")


def collection(obj: Object) -> str:
    """The URL path of the collection that an object belongs to."""
    kind = obj["kind"].lower()
    plural = "topicfamilies" if kind == "topicfamily" else f"{kind}s"
    group = f"/api/{obj['apiVersion']}" if "/" not in obj["apiVersion"] else f"/apis/{obj['apiVersion']}"
    namespace = obj["metadata"].get("namespace")
    return f"{group}/namespaces/{namespace}/{plural}" if namespace else f"{group}/{plural}"


def key(obj: Object) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def every(items: Sequence[Object], step: int, offset: int = 0) -> list[Object]:
    """Each `step`-th of them."""
    return list(items[offset::step])


def _named(name: str, namespace: str) -> Object:
    return {"name": name, "namespace": namespace}


def _labels(of: int, name: str) -> Object:
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": "support-assistants",
        "app.kubernetes.io/managed-by": "argocd",
        "example.com/team": f"support-ai-{of:03d}",
        "example.com/cost-centre": f"cc-{4000 + of}",
        "example.com/environment": "production",
    }


def _spec(options: Options, of: int) -> Object:
    topics = [
        {
            "name": "events" if number == 0 else f"events-{number}",
            "eventTypes": list(EVENT_TYPES),
            "key": "session",
            "partitions": 1,
        }
        for number in range(options.topics)
    ]
    return {
        "tenantRef": {"namespace": PLATFORM, "name": tenant_name(of)},
        "owner": {"team": f"support-ai-{of:03d}", "contact": f"support-ai-{of:03d}@example.com"},
        "topics": topics,
        "retention": {"time": RETENTION, "bytes": "1Gi"},
        "erasure": {"method": "Expiry", "maxDelay": "1000h"},
        "residency": {"regions": [REGION]},
        "priority": "standard",
        "classification": {"level": "confidential", "regulations": ["GDPR", "EU AI Act"]},
        "objectives": {"freshness": "5s"},
        "throughput": {"expected": "64Ki", "peak": "512Ki"},
        "maxEventBytes": "1Mi",
        "deletionPolicy": "Delete" if options.deletes else "Retain",
    }
