"""Objects for the tests of kube/."""

from typing import Any

Object = dict[str, Any]


def config_map(namespace: str, name: str = "c", labels: Object | None = None, **data: str) -> Object:
    """A ConfigMap."""
    metadata: Object = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def pool(namespace: str, name: str = "p", **metadata: Any) -> Object:
    """A BrokerPool: custom, with status and scale."""
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "BrokerPool",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"clusterRef": {"name": "agents"}, "replicas": 3},
    }
