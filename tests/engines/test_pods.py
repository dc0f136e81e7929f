"""What is read from a pod's status."""

from typing import Any

import pytest

from agentmemory.engines.pods import PodState, view
from tests.engines.builders import NOW

Object = dict[str, Any]


def pod(status: Object | None = None, **metadata: Any) -> Object:
    made: Object = {
        "metadata": {
            "name": "mem-1000",
            "uid": "u",
            "resourceVersion": "7",
            "labels": {"agentmemory.dev/node-id": "1000"},
            **metadata,
        },
        "spec": {"nodeName": "n1"},
    }
    return made if status is None else {**made, "status": status}


def condition(type_: str, status: str, at: str = "2026-01-01T11:00:00Z", **more: str) -> Object:
    return {"type": type_, "status": status, "lastTransitionTime": at, **more}


def kafka(state: Object | None = None, **more: Any) -> Object:
    return {"name": "kafka", "state": state or {"running": {"startedAt": "2026-01-01T11:30:00Z"}}, **more}


def waiting(why: str, message: str = "", **last: Any) -> Object:
    return kafka({"waiting": {"reason": why, "message": message}}, lastState={"terminated": last} if last else {})


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (pod(), PodState.PENDING),
        (pod({"phase": "Pending"}), PodState.PENDING),
        (pod({"phase": "Running", "containerStatuses": [kafka()]}), PodState.STARTING),
        (pod({"phase": "Running", "conditions": [condition("Ready", "True")]}), PodState.READY),
        (pod({"phase": "Failed"}), PodState.DEAD),
        (pod({"phase": "Succeeded"}), PodState.DEAD),
        (pod({"phase": "Failed"}, deletionTimestamp="2026-01-01T11:00:00Z"), PodState.ENDING),
        (pod({"conditions": [condition("Ready", "True")]}, deletionTimestamp="2026-01-01T11:00:00Z"), PodState.ENDING),
    ],
)
def test_state(found: Object, state: PodState) -> None:
    assert view(found, NOW).state is state


def test_what_it_is() -> None:
    found = view(pod({"containerStatuses": [kafka()]}, annotations={"agentmemory.dev/spec-hash": "h"}), NOW)
    assert (found.node_id, found.name, found.uid, found.version) == (1000, "mem-1000", "u", "7")
    assert (found.hash, found.node_name) == ("h", "n1")
    assert found.running_since is not None
    assert found.running_since.isoformat() == "2026-01-01T11:30:00+00:00"
    assert view(pod({"containerStatuses": [waiting("ContainerCreating")]}), NOW).running_since is None


@pytest.mark.parametrize(
    ("status", "proven"),
    [
        ({}, False),
        ({"conditions": [condition("Ready", "False"), condition("Initialized", "True")]}, False),
        ({"conditions": [condition("Ready", "True"), condition("Initialized", "True")]}, True),
        ({"conditions": [condition("Ready", "False", "2026-01-01T11:05:00Z"), condition("Initialized", "True")]}, True),
        ({"conditions": [condition("Ready", "False", "2026-01-01T11:05:00Z")]}, False),
        ({"containerStatuses": [kafka(started=True)]}, True),
        ({"containerStatuses": [kafka(started=False, restartCount=9)]}, False),
    ],
)
def test_whether_it_was_ready_before(status: Object, proven: bool) -> None:
    assert view(pod(status), NOW).proven is proven


@pytest.mark.parametrize(
    ("state", "formatted"),
    [
        (None, False),
        ({"running": {}}, False),
        ({"terminated": {"exitCode": 1}}, False),
        ({"terminated": {"exitCode": 0}}, True),
    ],
)
def test_whether_its_volume_has_its_identity(state: Object | None, formatted: bool) -> None:
    statuses = [] if state is None else [{"name": "format", "state": state}]
    assert view(pod({"initContainerStatuses": statuses}), NOW).formatted is formatted


STUCK = {
    "bad image": ({"containerStatuses": [waiting("ImagePullBackOff", "Back-off")]}, "ImagePullBackOff", "spec.image"),
    "no such image name": ({"containerStatuses": [waiting("InvalidImageName")]}, "InvalidImageName", "correct"),
    "in the init container": (
        {"initContainerStatuses": [{**waiting("ErrImagePull", "not\n found"), "name": "format"}]},
        "ErrImagePull",
        "container format of pod mem-1000: not found",
    ),
    "crash": (
        {"containerStatuses": [waiting("CrashLoopBackOff", "back-off 40s", reason="Error", exitCode=1)]},
        "CrashLoopBackOff",
        "kubectl logs mem-1000 -c kafka --previous",
    ),
    "crash without a trace": ({"containerStatuses": [waiting("CrashLoopBackOff")]}, "CrashLoopBackOff", "again"),
    "memory": (
        {"containerStatuses": [waiting("CrashLoopBackOff", reason="OOMKilled", exitCode=137)]},
        "OOMKilled",
        "raise resources.memory",
    ),
    "mount": ({"containerStatuses": [waiting("CreateContainerConfigError")]}, "CreateContainerConfigError", "events"),
    "no node": (
        {"conditions": [condition("PodScheduled", "False", reason="Unschedulable", message="0/3 nodes")]},
        "Unschedulable",
        "0/3 nodes",
    ),
    "no node, without words": (
        {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
        "Unschedulable",
        "no node takes it",
    ),
}


@pytest.mark.parametrize("case", STUCK)
def test_a_stuck_pod_says_what_where_and_the_way_out(case: str) -> None:
    status, reason, words = STUCK[case]
    found = view(pod(status), NOW).trouble
    assert found is not None
    assert found.reason == reason
    assert "mem-1000" in found.message
    assert words in found.message


def test_a_back_offs_seconds_make_no_new_message() -> None:
    messages = {
        view(pod({"containerStatuses": [waiting("CrashLoopBackOff", f"back-off {n}s", exitCode=1)]}), NOW).trouble
        for n in (10, 20)
    }
    assert len(messages) == 1


def test_one_that_goes_or_has_gone_is_no_standstill() -> None:
    crashing = {"containerStatuses": [waiting("CrashLoopBackOff")]}
    assert view(pod(crashing, deletionTimestamp="2026-01-01T11:00:00Z"), NOW).trouble is None
    assert view(pod({"phase": "Failed", "reason": "Evicted", **crashing}), NOW).trouble is None


@pytest.mark.parametrize(
    "status",
    [
        {"containerStatuses": [waiting("ContainerCreating")]},
        {"containerStatuses": [kafka()]},
        {"conditions": [condition("PodScheduled", "False", "2026-01-01T11:59:50Z", reason="Unschedulable")]},
        {"conditions": [condition("PodScheduled", "False", reason="SchedulingGated")]},
        {"conditions": [condition("PodScheduled", "True")]},
    ],
)
def test_what_passes_by_itself_is_no_trouble(status: Object) -> None:
    assert view(pod(status), NOW).trouble is None
