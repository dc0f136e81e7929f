"""Worlds for the pure tests: no cluster, no Kafka."""

from typing import Any

from agentmemory.api.base import parse
from agentmemory.api.memoryclient import MemoryClient
from agentmemory.clients.world import World, gather
from agentmemory.core.store import Store
from tests import teams

Object = dict[str, Any]


def stored(obj: Object, **metadata: Any) -> Object:
    """As the store has it."""
    fields = {"uid": f"{obj['kind']}-{obj['metadata']['name']}", "resourceVersion": "1"}
    return {**obj, "metadata": {**fields, **obj["metadata"], **metadata}}


def make_store(*others: Object, tenant: Object | None = None, cluster: Object | None = None) -> Store:
    """The frame and what else there is; a frame object that is {} is missing."""
    store = Store()
    frame = (
        {**teams.tenant(), "status": teams.ACCEPTED} if tenant is None else tenant,
        {**teams.cluster(), "status": teams.running()} if cluster is None else cluster,
    )
    for obj in (*frame, *others):
        if obj:
            store.put(stored(obj))
    return store


def make_world(client: Object | None = None, *others: Object, **frame: Object) -> World:
    """A client in its frame among these families; without any, the family `trail` is there."""
    store = make_store(*(others or (teams.family(),)), **frame)
    return gather(store, parse(MemoryClient, stored(client or teams.client())))
