"""Which nodes a cluster has, read from the objects that stand for them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from agentmemory.api.labels import CLUSTER, GROUP, NODE_ID, ROLE
from agentmemory.core.key import Key
from agentmemory.core.store import Store
from agentmemory.engines.apply import Tools
from agentmemory.engines.base import Role
from agentmemory.engines.pods import PodState, PodView, view
from agentmemory.engines.roller import Member

Object = dict[str, Any]

RETIRING = f"{GROUP}/retiring"
"""Annotation of a broker's Service: since when it leaves for good (RFC 3339)."""


def belonging(store: Store, kind: str, cluster: Key) -> list[tuple[int, Object]]:
    """The objects of this kind that belong to one node of the cluster, with the node's id."""
    found: list[tuple[int, Object]] = []
    for obj in store.list(kind, cluster.namespace):
        marks = obj["metadata"].get("labels") or {}
        if marks.get(CLUSTER) == cluster.name and marks.get(NODE_ID, "").isdigit():
            found.append((int(marks[NODE_ID]), obj))
    return sorted(found, key=lambda item: item[0])


def pods(tools: Tools, cluster: Key) -> dict[int, PodView]:
    """The pods of all nodes; one that was just told to go counts as ending before the watch says so."""
    found = {node_id: view(obj, tools.clock.now()) for node_id, obj in belonging(tools.store, "Pod", cluster)}
    ending = tools.shared.ending
    return {
        node_id: replace(pod, state=PodState.ENDING) if pod.uid in ending else pod for node_id, pod in found.items()
    }


def retiring(store: Store, cluster: Key) -> dict[int, datetime]:
    """The brokers that were told to leave for good, and when. A mark that cannot be read counts as the oldest."""
    found: dict[int, datetime] = {}
    for node_id, obj in belonging(store, "Service", cluster):
        since = (obj["metadata"].get("annotations") or {}).get(RETIRING)
        if since is not None:
            found[node_id] = _time(since)
    return found


def _time(text: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


def members(tools: Tools, cluster: Key) -> list[Member]:
    """Every node that the cluster has or should have: a node's Service is there before its pod and stays after it.

    One that leaves counts while it serves: afterwards nobody waits for it.
    """
    running = pods(tools, cluster)
    leaving = {
        node_id
        for node_id in retiring(tools.store, cluster)
        if node_id not in running or running[node_id].state is not PodState.READY
    }
    roles = {
        node_id: obj["metadata"]["labels"].get(ROLE, "broker")
        for kind in ("Pod", "Service")
        for node_id, obj in belonging(tools.store, kind, cluster)
        if node_id not in leaving
    }
    return [Member(node_id, cast(Role, role), running.get(node_id)) for node_id, role in sorted(roles.items())]


def with_hashes(everyone: Iterable[Member], hashes: Mapping[int, str]) -> list[Member]:
    """Those that `hashes` names, each compared with the hash of what is asked for."""
    return [
        replace(member, current=member.pod is None or member.pod.hash == hashes[member.node_id])
        for member in everyone
        if member.node_id in hashes
    ]
