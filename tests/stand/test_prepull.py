"""An image is pulled by every node that takes pods; what cannot be pulled is told at once, in the kubelet's words."""

import json
from typing import Any

import pytest

from e2e import prepull
from e2e.clusters import UnavailableError

IMAGE = "automqinc/automq:1.7.3"


class Kubectl:
    """A cluster of a control plane and two workers; a pod's status changes each time it is read."""

    def __init__(self, *statuses: dict[str, Any]) -> None:
        self.statuses = list(statuses)
        self.pods: dict[str, dict[str, Any]] = {}
        self.removed: list[str] = []

    def list(self, kind: str) -> list[dict[str, Any]]:
        taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
        control = {"metadata": {"name": "control"}, "spec": {"taints": [taint]}}
        cordoned = {"metadata": {"name": "cordoned"}, "spec": {"unschedulable": True}}
        return [control, cordoned, *({"metadata": {"name": f"worker{n}"}, "spec": {}} for n in (1, 2))]

    def apply(self, *pods: dict[str, Any]) -> None:
        self.pods |= {pod["metadata"]["name"]: pod for pod in pods}

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        if name not in self.pods:
            return None
        return {**self.pods[name], "status": self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]}

    def __call__(self, *args: str, timeout: float) -> str:
        assert args[:4] == ("-n", prepull.NAMESPACE, "delete", "pod")
        for name in [arg for arg in args[4:] if self.pods.pop(arg, None)]:
            self.removed.append(name)
        return ""


def waiting(reason: str) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": "no such host"}}
    return {"phase": "Pending", "containerStatuses": [{"state": state}]}


def test_all_nodes_that_take_pods_have_it_and_no_pod_is_left() -> None:
    kubectl = Kubectl(waiting("ContainerCreating"), {"phase": "Succeeded"})
    prepull.pull(kubectl, "automq", IMAGE, 5)  # type: ignore[arg-type]
    assert kubectl.removed == ["pull-automq-0", "pull-automq-1"]
    assert not kubectl.pods


def test_each_pod_is_put_on_its_node_and_pulls_only_what_is_missing() -> None:
    made = prepull.pod("pull-automq-0", IMAGE, "worker1")["spec"]
    assert made["nodeName"] == "worker1"
    assert made["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert json.dumps(made["containers"][0]["command"]) == '["true"]'


@pytest.mark.parametrize(
    ("status", "said"),
    [(waiting("ImagePullBackOff"), "ImagePullBackOff: no such host"), ({"phase": "Failed"}, "does not run")],
)
def test_what_cannot_be_pulled_is_told_at_once(status: dict[str, Any], said: str) -> None:
    kubectl = Kubectl(status)
    with pytest.raises(UnavailableError, match=said):
        prepull.pull(kubectl, "automq", IMAGE, 5)  # type: ignore[arg-type]
    assert not kubectl.pods
