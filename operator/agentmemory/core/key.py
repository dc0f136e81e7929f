"""The identity of an object: the key of the store, the queue and every reconcile."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Key(NamedTuple):
    """(kind, namespace, name); the namespace of a cluster-scoped object is the empty string."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """The form that logs and messages use, for instance `TopicFamily/support-agents/tool-calls`."""
        return f"{self.kind}/{self.namespace}/{self.name}"


def key_of(obj: Mapping[str, Any]) -> Key:
    """The key of a complete Kubernetes object. Raises KeyError for one without kind or name."""
    metadata = obj["metadata"]
    return Key(obj["kind"], metadata.get("namespace", ""), metadata["name"])
