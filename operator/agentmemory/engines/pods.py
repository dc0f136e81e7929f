"""What a pod's status says about the node in it: one state, and for a stuck one what, where and the way out.

Pure. Whether a running broker is registered and in sync is not known here but from Kafka (see `cluster_view`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from agentmemory.api.labels import NODE_ID, SPEC_HASH

Object = dict[str, Any]


class PodState(Enum):
    """How far a pod has come."""

    PENDING = "Pending"
    """Not scheduled, or its container does not run yet."""
    STARTING = "Starting"
    """Its container runs and is not ready."""
    READY = "Ready"
    ENDING = "Ending"
    """It is being deleted."""
    DEAD = "Dead"
    """It has ended and will not start again: replace it."""


@dataclass(frozen=True)
class Trouble:
    """Why a pod does not get on by itself."""

    reason: str
    message: str


@dataclass(frozen=True)
class PodView:
    """One node's pod as it was last seen."""

    node_id: int
    name: str
    uid: str
    version: str
    hash: str | None
    state: PodState
    proven: bool
    """Whether it has been ready before: one that never was has nothing to lose."""
    formatted: bool
    """Whether its init container has given the volume its identity."""
    node_name: str | None
    running_since: datetime | None
    """When its container was last started."""
    trouble: Trouble | None


# Kubelet's and containerd's words (k8s.io/kubernetes/pkg/kubelet/images and kuberuntime), and what helps.
_IMAGE = "make the image available to the nodes or change spec.image of the MemoryCluster"
_WAYS_OUT = {
    "ImagePullBackOff": _IMAGE,
    "ErrImagePull": _IMAGE,
    "ErrImageNeverPull": _IMAGE,
    "InvalidImageName": "correct spec.image of the MemoryCluster",
    "CreateContainerConfigError": "see the pod's events: something it mounts or reads is missing",
    "CreateContainerError": "see the pod's events; the image may not follow docs/image-contract.md",
    "RunContainerError": "see the pod's events; the image may not follow docs/image-contract.md",
    "CrashLoopBackOff": "read its log with `kubectl logs {pod} -c {container} --previous`",
}
_MORE_MEMORY = "it was killed for want of memory; raise resources.memory"
_MOST_WORDS = 300
# A volume that is being made, or a node that is being added, leaves a pod without a place for a moment.
UNSCHEDULABLE_AFTER = timedelta(seconds=15)


def view(pod: Object, now: datetime) -> PodView:
    """Reads one pod of ours as of `now`. Raises KeyError or ValueError for a pod without our labels."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    state = _state(pod)
    # One that goes, or has gone, is replaced: that is no standstill, whatever its last words are.
    goes = state in (PodState.ENDING, PodState.DEAD)
    return PodView(
        node_id=int(metadata["labels"][NODE_ID]),
        name=metadata["name"],
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        hash=(metadata.get("annotations") or {}).get(SPEC_HASH),
        state=state,
        proven=_proven(status),
        formatted=_formatted(status),
        node_name=(pod.get("spec") or {}).get("nodeName"),
        running_since=_running_since(status),
        trouble=None if goes else _trouble(metadata["name"], status, now),
    )


def is_ready(pod: Object) -> bool:
    """Whether the kubelet calls the pod ready."""
    return (_condition(pod.get("status") or {}, "Ready") or {}).get("status") == "True"


def _state(pod: Object) -> PodState:
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return PodState.ENDING
    if status.get("phase") in ("Failed", "Succeeded"):
        return PodState.DEAD
    if is_ready(pod):
        return PodState.READY
    running = any("running" in (container.get("state") or {}) for container in status.get("containerStatuses") or ())
    return PodState.STARTING if running else PodState.PENDING


def _proven(status: Object) -> bool:
    """A container is `started` once its startup probe has succeeded; a restarted one had a life before.

    `restartCount` alone proves nothing: a container that cannot start restarts too. But one whose Ready condition
    turned after the pod began had been ready.
    """
    ready = _condition(status, "Ready") or {}
    started = any(container.get("started") for container in status.get("containerStatuses") or ())
    began = (_condition(status, "Initialized") or {}).get("lastTransitionTime", "")
    turned = ready.get("lastTransitionTime", "")
    return started or ready.get("status") == "True" or bool(began and turned > began)


def _formatted(status: Object) -> bool:
    ended = [
        (container.get("state") or {}).get("terminated", {}).get("exitCode")
        for container in status.get("initContainerStatuses") or ()
    ]
    return bool(ended) and all(code == 0 for code in ended)


def _running_since(status: Object) -> datetime | None:
    starts = [
        started
        for container in status.get("containerStatuses") or ()
        if (started := ((container.get("state") or {}).get("running") or {}).get("startedAt"))
    ]
    return _time(max(starts)) if starts else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _trouble(name: str, status: Object, now: datetime) -> Trouble | None:
    scheduled = _condition(status, "PodScheduled") or {}
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        since = scheduled.get("lastTransitionTime")
        if since and now - _time(since) < UNSCHEDULABLE_AFTER:
            return None
        said = _words(scheduled.get("message"), "no node takes it")
        way = "add nodes, or lower resources, or look at its volume's StorageClass"
        return Trouble("Unschedulable", f"pod {name} finds no node: {said}; {way}")
    return next((found for container in _containers(status) if (found := _stuck(name, container))), None)


def _stuck(name: str, container: Object) -> Trouble | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason = waiting.get("reason")
    if reason not in _WAYS_OUT:
        return None
    ended = (container.get("lastState") or {}).get("terminated") or {}
    where = f"container {container['name']} of pod {name}"
    if ended.get("reason") == "OOMKilled":
        return Trouble("OOMKilled", f"{where}: {_MORE_MEMORY}")
    code = f" (exit code {ended['exitCode']})" if "exitCode" in ended else ""
    # A back-off's message counts seconds, which would make a new status of every look.
    said = "it ends again and again" + code if reason == "CrashLoopBackOff" else _words(waiting.get("message"), reason)
    return Trouble(reason, f"{where}: {said}; {_WAYS_OUT[reason].format(pod=name, container=container['name'])}")


def _words(text: str | None, otherwise: str) -> str:
    return " ".join((text or otherwise).split())[:_MOST_WORDS]


def _containers(status: Object) -> Iterator[Object]:
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _condition(status: Object, type_: str) -> Object | None:
    return next((found for found in status.get("conditions") or () if found["type"] == type_), None)
