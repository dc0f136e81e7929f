"""At rest the operator writes nothing but its Leases, counted in the API server's audit log; just after an outage too.

The outage goes first: for most of a minute after it Kubernetes' own parts wait before they watch again, and no pod is
made. A test that needs one would wait with them.
"""

from __future__ import annotations

import time

from e2e.clusters import Cluster
from e2e.demo.story import PLATFORM, TEAM, Story
from e2e.kubectl import Kubectl, until
from e2e.quiet import settle, watch_for
from e2e.test_bad_input import example, named
from e2e.test_faults import AWAY_SECONDS, everything_is_ready, stand, uids


def test_the_api_server_goes_away_for_a_minute(cluster: Cluster, kubectl: Kubectl, story: Story) -> None:
    control = stand(cluster).stand.control
    before = uids(kubectl, PLATFORM)
    control.kill_apiserver()
    began = time.monotonic()
    try:
        until(lambda: time.monotonic() - began > AWAY_SECONDS, AWAY_SECONDS + 5, str, every=1.0)
    finally:
        control.start_apiserver()
    everything_is_ready(kubectl)
    assert uids(kubectl, PLATFORM) == before
    obj = named(example("family.yaml", deletionPolicy="Delete"), "after-outage")
    kubectl.apply(obj)
    try:
        kubectl.wait_ready("topicfamily", "after-outage", TEAM, 60)
    finally:
        kubectl.delete("topicfamily", "after-outage", TEAM)


def test_nothing_is_written_for_a_minute(cluster: Cluster, kubectl: Kubectl, story: Story) -> None:
    """A pod that stops or begins to be ready is news, to be told: then the minute was none of rest, and is repeated."""
    for _ in range(3):
        # Kubernetes calls pods unready of whose nodes it heard nothing while the API server was away.
        until(lambda: not unready_pods(kubectl, PLATFORM), 120, lambda: f"unready: {unready_pods(kubectl, PLATFORM)}")
        settle(cluster)
        before = versions(kubectl, PLATFORM)
        written = watch_for(cluster, 60.0)
        if versions(kubectl, PLATFORM) == before:
            break
    assert written == []


def unready_pods(kubectl: Kubectl, namespace: str) -> list[str]:
    """Pods that are not ready."""
    return [
        pod["metadata"]["name"]
        for pod in kubectl.list("pod", namespace)
        if not any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in pod["status"].get("conditions") or ()
        )
    ]


def versions(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    """Every pod's resourceVersion: what a kubelet corrects keeps the time of its last transition."""
    return {pod["metadata"]["name"]: pod["metadata"]["resourceVersion"] for pod in kubectl.list("pod", namespace)}
