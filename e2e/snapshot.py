"""The state that the operator leaves, without what differs from run to run: to compare one run's end with another's."""

from __future__ import annotations

import json
import re
from typing import Any

from e2e.kubectl import Kubectl

KINDS = (
    "memoryclusters,brokerpools,memorytenants,topicfamilies,memoryclients,"
    "pods,services,configmaps,persistentvolumeclaims,poddisruptionbudgets,rolebindings,secrets"
)
# Made by Kubernetes itself in every namespace, or by the test.
FOREIGN = {"kube-root-ca.crt", "agent-client"}
METADATA = ("name", "labels", "annotations", "finalizers")
# Hashes over content that holds the namespace, ids that are drawn from uids, and what Kubernetes notes for itself.
UNSTEADY = (
    "agentmemory.dev/spec-hash",
    "agentmemory.dev/config-hash",
    "agentmemory.dev/tls-hash",
    "agentmemory.dev/cluster-id",
    "agentmemory.dev/directory-id",
    "kubectl.kubernetes.io/last-applied-configuration",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "volume.beta.kubernetes.io/",
)
DRAWN_ID = re.compile(r"(?<![\w.-])[\w-]{22}(?![\w.-])")
PEM = re.compile(r"-----BEGIN.*-----END [A-Z ]+-----", re.DOTALL)


def snapshot(kubectl: Kubectl, namespaces: dict[str, str]) -> dict[str, Any]:
    """Objects by kind, namespace and name; `namespaces` maps a real namespace to the name that stands for it."""
    found = {}
    for namespace, stands_for in namespaces.items():
        for item in json.loads(kubectl("get", KINDS, "-n", namespace, "-o", "json"))["items"]:
            name = item["metadata"]["name"]
            if name in FOREIGN or item["metadata"].get("labels", {}).get("app") == "support-agent":
                continue
            text = json.dumps(essence(item))
            for real, placeholder in namespaces.items():
                text = text.replace(real, placeholder)
            found[f"{item['kind']} {stands_for}/{name}"] = json.loads(text)
    return found


def essence(item: dict[str, Any]) -> dict[str, Any]:
    metadata = {field: item["metadata"][field] for field in METADATA if field in item["metadata"]}
    metadata["annotations"] = {
        name: value for name, value in metadata.get("annotations", {}).items() if not name.startswith(UNSTEADY)
    }
    owners = [(owner["kind"], owner["name"]) for owner in item["metadata"].get("ownerReferences", [])]
    kept: dict[str, Any] = {"metadata": metadata, "owners": owners}
    if item["kind"] == "Secret":
        return kept | {"keys": sorted(item.get("data", {}))}
    if item["apiVersion"].startswith("agentmemory.dev/"):
        return kept | {"spec": item["spec"], "status": steady_status(item)}
    if item["kind"] == "Pod":
        return kept | {"containers": containers(item["spec"])}
    if item["kind"] == "ConfigMap":
        return kept | {"data": {name: steady_text(text) for name, text in item.get("data", {}).items()}}
    return kept


def steady_text(text: str) -> str:
    """Configuration without Kafka's drawn ids (22 characters of URL-safe base64) and without certificates."""
    return DRAWN_ID.sub("<id>", PEM.sub("<pem>", text))


def steady_status(item: dict[str, Any]) -> dict[str, Any]:
    status = item.get("status") or {}
    dropped = ("conditions", "clusterId", "topics", "observedGeneration", "places")
    kept = {name: value for name, value in status.items() if name not in dropped}
    kept["isObserved"] = status.get("observedGeneration") == item["metadata"]["generation"]
    kept["conditions"] = sorted((c["type"], c["status"], c["reason"]) for c in status.get("conditions", []))
    kept["places"] = sorted({steady_place(place) for place in status.get("places", [])})
    kept["topics"] = [
        {name: value for name, value in topic.items() if name != "topicId"} for topic in status.get("topics", [])
    ]
    return kept


def steady_place(place: dict[str, Any]) -> tuple[str, str, str]:
    """Without the machine, which the scheduler chose."""
    name = "Node" if place["name"].startswith("Node/") else str(place["name"])
    return name, str(place["region"]), str(place["state"])


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    fields = ("name", "image", "command", "args", "resources", "ports")
    return [
        {field: container.get(field) for field in fields}
        for container in (*spec.get("initContainers", []), *spec["containers"])
    ]


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """One line for each object that differs."""
    return [
        f"{name}: {json.dumps(one.get(name), sort_keys=True)} != {json.dumps(other.get(name), sort_keys=True)}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]
