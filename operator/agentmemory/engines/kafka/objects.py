"""The Kubernetes objects around a node's pod, and those that a cluster has once. Pure dict builders."""

import base64
from collections.abc import Mapping
from typing import Any

from agentmemory.api import labels
from agentmemory.api.base import API_VERSION
from agentmemory.engines.base import Disk, Node, NodePlan, Object, Owner
from agentmemory.engines.kafka import names

BEGUN = f"{labels.GROUP}/quorum-begun"
"""Annotation of controllers' volume claims: from then on an empty volume joins."""


def common_labels(cluster: str) -> dict[str, str]:
    """On everything that belongs to a cluster; the first one is what the operator watches by."""
    return {
        labels.MANAGED_BY: labels.MANAGER,
        "app.kubernetes.io/name": "kafka",
        "app.kubernetes.io/instance": cluster,
        labels.CLUSTER: cluster,
    }


def node_labels(node: Node) -> dict[str, str]:
    """On everything that belongs to one node."""
    made = common_labels(node.cluster) | {
        "app.kubernetes.io/component": node.role,
        labels.ROLE: node.role,
        labels.NODE_ID: str(node.id),
    }
    return made if node.pool is None else made | {labels.POOL: node.pool}


def metadata(name: str, namespace: str, marks: Mapping[str, str], owner: Owner | None) -> dict[str, Any]:
    """Name, place, labels, and the owner with which it goes."""
    made: dict[str, Any] = {"name": name, "namespace": namespace, "labels": dict(marks)}
    if owner is not None:
        made["ownerReferences"] = [
            {
                "apiVersion": API_VERSION,
                "kind": owner.kind,
                "name": owner.name,
                "uid": owner.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ]
    return made


def node_ports(node: Node) -> list[tuple[str, int]]:
    """Listeners of a node: port name and number."""
    if node.role == "controller":
        return [("controller", names.CONTROLLER_PORT)]
    return [("replication", names.REPLICATION_PORT), ("clients", names.CLIENTS_PORT)]


def node_service(plan: NodePlan) -> Object:
    """The node's stable name. Peers must find it before it is ready, or none would ever become so."""
    node = plan.node
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(node.name, node.namespace, node_labels(node), plan.owner),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {labels.CLUSTER: node.cluster, labels.NODE_ID: str(node.id)},
            "ports": _ports(node_ports(node)),
        },
    }


def bootstrap_service(cluster: str, namespace: str, owner: Owner) -> Object:
    """Where clients (9092) and the operator (9091) find any broker."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(names.bootstrap_service(cluster), namespace, common_labels(cluster), owner),
        "spec": {
            "selector": {labels.CLUSTER: cluster, labels.ROLE: "broker"},
            "ports": _ports([("clients", names.CLIENTS_PORT), ("replication", names.REPLICATION_PORT)]),
        },
    }


def node_config(plan: NodePlan, files: Mapping[str, str]) -> Object:
    """The node's configuration and scripts: what is mounted at names.CONFIG."""
    node = plan.node
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(node.name, node.namespace, node_labels(node), plan.owner),
        "data": dict(files),
    }


def authority_config(cluster: str, namespace: str, owner: Owner, ca_cert: str) -> Object:
    """The authority's certificate, for clients in the namespace."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(names.authority_map(cluster), namespace, common_labels(cluster), owner),
        "data": {"ca.crt": ca_cert},
    }


def quorum_config(cluster: str, namespace: str, owner: Owner, mode: str, voters: str) -> Object:
    """How an empty controller's volume may be formatted; mounted, so that it changes under a running pod."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(names.quorum_map(cluster), namespace, common_labels(cluster), owner),
        "data": {"mode": mode, "initial-controllers": voters},
    }


def initial_controllers(nodes: list[Node], directories: Mapping[int, str]) -> str:
    """The argument of `kafka-storage.sh format --initial-controllers` (KIP-853): id@host:port:directory,..."""
    return ",".join(f"{node.id}@{node.host}:{names.CONTROLLER_PORT}:{directories[node.id]}" for node in nodes)


def claim(node: Node, disk: Disk, cluster_id: str, directory_id: str | None = None, *, begun: bool = False) -> Object:
    """A node's volume claim: no owner, so that it outlives everything; annotated with whose data it holds."""
    annotations = {labels.CLUSTER_ID: cluster_id}
    if directory_id is not None:
        annotations[labels.DIRECTORY_ID] = directory_id
    if begun:
        annotations[BEGUN] = "true"
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": disk.size.text}},
    }
    if disk.storage_class is not None:
        spec["storageClassName"] = disk.storage_class
    made = metadata(node.name, node.namespace, node_labels(node), None)
    made["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": made, "spec": spec}


def disruption_budget(cluster: str, namespace: str, owner: Owner, role: str, least: int) -> Object:
    """How many nodes of a role must stay through voluntary evictions. An integer: percentages round the wrong way."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(f"{cluster}-{role}s", namespace, common_labels(cluster), owner),
        "spec": {
            "minAvailable": least,
            "selector": {"matchLabels": {labels.CLUSTER: cluster, labels.ROLE: role}},
        },
    }


def secret(name: str, namespace: str, marks: Mapping[str, str], owner: Owner, values: Mapping[str, str]) -> Object:
    """An Opaque Secret with text values."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(name, namespace, marks, owner),
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }


def _ports(ports: list[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"name": name, "port": number, "targetPort": name, "protocol": "TCP"} for name, number in ports]
