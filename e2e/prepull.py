"""Has every node that takes pods pull an image before anything is timed: a pod on each, which does nothing."""

from __future__ import annotations

from typing import Any

from e2e.clusters import UnavailableError
from e2e.kubectl import Kubectl, until

NAMESPACE = "default"
SECONDS = 600.0  # a gigabyte on a slow line
REFUSED = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")

Object = dict[str, Any]


def pull(kubectl: Kubectl, name: str, image: str, seconds: float = SECONDS) -> None:
    """Until all have it; UnavailableError with the kubelet's words when one cannot get it. Pods are named by `name`."""
    nodes = [node["metadata"]["name"] for node in kubectl.list("node") if takes_pods(node)]
    pods = [f"pull-{name}-{number}" for number in range(len(nodes))]
    remove(kubectl, pods)  # an earlier run's, which would not be made anew
    try:
        kubectl.apply(*(pod(own, image, node) for own, node in zip(pods, nodes, strict=True)))

        def done() -> bool:
            return all(pulled(kubectl.get("pod", own, NAMESPACE), image) for own in pods)

        until(done, seconds, lambda: f"image {image} is not on all nodes {', '.join(nodes)}", every=1.0)
    finally:
        remove(kubectl, pods)


def takes_pods(node: Object) -> bool:
    """Whether pods without tolerations are put on it: a control plane's node seldom is such a one."""
    effects = {taint["effect"] for taint in node["spec"].get("taints", [])}
    return not node["spec"].get("unschedulable") and not effects & {"NoSchedule", "NoExecute"}


def pulled(found: Object | None, image: str) -> bool:
    """Whether its container has run; UnavailableError when it never will."""
    status = (found or {}).get("status", {})
    if status.get("phase") == "Failed":
        raise UnavailableError(f"image {image} is there, and `true` does not run in it: {status}")
    for container in status.get("containerStatuses", []):
        waiting = container["state"].get("waiting") or {}
        if waiting.get("reason") in REFUSED:
            said = waiting.get("message", "")
            raise UnavailableError(f"image {image} cannot be pulled: {waiting['reason']}: {said}")
    return bool(status.get("phase") == "Succeeded")


def remove(kubectl: Kubectl, pods: list[str]) -> None:
    kubectl("-n", NAMESPACE, "delete", "pod", *pods, "--ignore-not-found", "--now", timeout=120)


def pod(name: str, image: str, node: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "pull",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["true"],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }
