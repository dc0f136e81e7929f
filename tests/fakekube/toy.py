"""A small kind's story, for tests of what drives reconcilers: it makes one ConfigMap and reports that."""

from collections.abc import Iterable
from typing import Any

from agentmemory.context import Context
from agentmemory.core.key import Key, key_of
from agentmemory.core.outcome import Done, Outcome
from agentmemory.kube.owned import ensure
from agentmemory.kube.status import write_status

Object = dict[str, Any]


class Toy:
    """Reconciles BrokerPools. `seen` lists the keys in the order of their reconciles."""

    kind = "BrokerPool"

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.seen: list[Key] = []

    def owners(self, obj: Object) -> Iterable[Key]:
        """A ConfigMap belongs to the pool of its name."""
        if obj["kind"] == "ConfigMap":
            yield Key("BrokerPool", obj["metadata"]["namespace"], obj["metadata"]["name"])

    async def reconcile(self, key: Key) -> Outcome:
        """Write the ConfigMap, then the status."""
        self.seen.append(key)
        obj = self.ctx.store.get(key)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return Done()
        await ensure(self.ctx.kube, self.ctx.store, child(obj), obj["metadata"]["uid"])
        status = {"observedGeneration": obj["metadata"]["generation"], "replicas": obj["spec"]["replicas"]}
        await write_status(self.ctx.kube, self.ctx.store, obj, status)
        return Done()


def child(owner: Object) -> Object:
    """The ConfigMap that a pool should have."""
    key, metadata = key_of(owner), owner["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {"app.kubernetes.io/managed-by": "agent-memory-operator"},
            "ownerReferences": [
                {"apiVersion": owner["apiVersion"], "kind": key.kind, "name": key.name, "uid": metadata["uid"]}
            ],
        },
        "data": {"replicas": str(owner["spec"]["replicas"])},
    }
