"""When a cluster that has just been started can be believed."""

import datetime
from collections.abc import Sequence

from e2e.stand.kubeapi import Api, Object
from e2e.stand.node import Node
from e2e.stand.shell import until

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


def now() -> str:
    """This second, as Kubernetes writes it (UTC); such texts compare as times do."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def wait(api: Api, nodes: Sequence[Node], since: str) -> None:
    """Waits until nodes and pods tell of this life; what is in the API from an earlier one says nothing."""

    def ready() -> bool:
        for node in nodes:
            for name in node.processes.names():
                node.processes.check(name)
        return all(node_ready(api, node.name, since) for node in nodes)

    until("the nodes to be ready", 90, ready, pause=0.2)
    until("pods of an earlier life to be started again", 60, lambda: not stale_pods(api, since), pause=0.2)
    until("the default service account", 30, lambda: api.find(ACCOUNT) is not None)


def node_ready(api: Api, name: str, since: str) -> bool:
    """Whether a node is Ready and has renewed its lease since then."""
    node, lease = api.find(f"/api/v1/nodes/{name}"), api.find(f"{LEASES}/{name}")
    if not node or not lease or lease["spec"]["renewTime"] < since:
        return False
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))


def stale_pods(api: Api, since: str) -> list[str]:
    """Pods whose containers are said to run since before that: their kubelet has not told yet that they are gone."""
    return [pod["metadata"]["name"] for pod in api.get("/api/v1/pods")["items"] if _stale(pod, since)]


def _stale(pod: Object, since: str) -> bool:
    if not pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
        return False
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return any(status["state"].get("running", {}).get("startedAt", since) < since for status in statuses)
