"""A broker pod is deleted, a broker process is killed, while an agent writes with acks=all: seconds, and losses."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from benchmarks.result import Result
from e2e.clusters import Cluster
from e2e.demo.story import PLATFORM, Story
from e2e.kubectl import Kubectl, until

EVENTS = 10_000
RATE = 125
UNFENCED = "has been unfenced"
DELETED_BAR = 45.0
KILLED_BAR = 30.0


def unfenced_since(kubectl: Kubectl, pod: str, since: datetime) -> bool:
    """Whether the broker itself has said since then that the controllers let it serve."""
    stamp = since.strftime("%Y-%m-%dT%H:%M:%SZ")
    found = kubectl.get("pod", pod, PLATFORM)
    if not found or not any(s.get("ready") for s in found["status"].get("containerStatuses", [])):
        return False
    return UNFENCED in kubectl("-n", PLATFORM, "logs", pod, f"--since-time={stamp}")


def seconds_until_unfenced(kubectl: Kubectl, pod: str, began: float, since: datetime) -> float:
    until(lambda: unfenced_since(kubectl, pod, since), 180, lambda: f"{pod} is not unfenced")
    return time.monotonic() - began


def run(cluster: Cluster, story: Story, result: Result) -> None:
    kubectl = story.kubectl
    run_args = ("--topic", story.topic, "--run", f"faults-{int(time.time())}")
    writer = story.agent(
        "bench-writer", "produce", *run_args, "--events", str(EVENTS), "--rate", str(RATE), "--seconds", "300"
    )
    writer.running()
    first, second = "agents-1000", "agents-1001"
    since, began = datetime.now(UTC), time.monotonic()
    kubectl("-n", PLATFORM, "delete", "pod", first, "--now", "--wait=false")
    result.add(
        "broker pod deleted to registered again", seconds_until_unfenced(kubectl, first, began, since), "s", DELETED_BAR
    )
    kubectl.wait_ready("brokerpool", "brokers", PLATFORM, 120)
    since, began = datetime.now(UTC), time.monotonic()
    cluster.kill_pod_process(PLATFORM, second)
    result.add(
        "broker process killed to registered again",
        seconds_until_unfenced(kubectl, second, began, since),
        "s",
        KILLED_BAR,
    )
    written = writer.result(600)
    read = story.agent("bench-reader", "consume", *run_args, "--expect", str(EVENTS), "--group", "bench").result(300)
    result.details["underFaults"] = {"written": written, "read": read}
    note = f"{written['acknowledged']} of {EVENTS} acknowledged, longest silence {written['longestSilenceMs']} ms"
    result.add("acknowledged records lost", max(0, written["acknowledged"] - read["read"]), "records", 0, note)
    result.add("records not acknowledged", EVENTS - written["acknowledged"], "records", 0)
