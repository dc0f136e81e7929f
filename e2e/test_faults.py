"""What goes away comes back: processes, a controller's volume, Kafka. Nothing else is disturbed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e import recovery
from e2e.clusters import Cluster, StandCluster
from e2e.demo.story import PLATFORM, TEAM, Story
from e2e.kubectl import Kubectl, condition_of, until
from e2e.test_bad_input import example, named

FAULTS = "memory-faults"
AWAY_SECONDS = 60.0


def uids(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    pods = kubectl.list("pod", namespace, "app.kubernetes.io/managed-by=agent-memory-operator")
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}


def restarts(kubectl: Kubectl, namespace: str, pod: str) -> int:
    found = kubectl.get("pod", pod, namespace) or {}
    return sum(status["restartCount"] for status in found["status"].get("containerStatuses", []))


def everything_is_ready(kubectl: Kubectl, seconds: float = 120) -> None:
    for kind, name, namespace in (
        ("memorycluster", "agents", PLATFORM),
        ("brokerpool", "brokers", PLATFORM),
        ("memorytenant", "support", PLATFORM),
        ("topicfamily", "trail", TEAM),
        ("memoryclient", "support-bot", TEAM),
    ):
        kubectl.wait_ready(kind, name, namespace, seconds)


def stand(cluster: Cluster) -> StandCluster:
    if not isinstance(cluster, StandCluster):
        pytest.skip(f"needs the stand's hold on processes; the cluster is {cluster.name}")
    return cluster


def test_a_killed_broker_process_registers_again(cluster: Cluster, kubectl: Kubectl, story: Story) -> None:
    before = restarts(kubectl, PLATFORM, "agents-1001")
    stand(cluster).kill_pod_process(PLATFORM, "agents-1001")
    until(lambda: restarts(kubectl, PLATFORM, "agents-1001") > before, 60, lambda: "the container was not restarted")
    everything_is_ready(kubectl)


def test_a_controller_that_lost_its_volume_joins_as_a_new_voter(kubectl: Kubectl, story: Story) -> None:
    before, began = uids(kubectl, PLATFORM), time.monotonic()
    claim = kubectl.get("persistentvolumeclaim", "agents-2", PLATFORM)
    assert claim
    kubectl("-n", PLATFORM, "delete", "persistentvolumeclaim", "agents-2", "--wait=false")
    kubectl("-n", PLATFORM, "delete", "pod", "agents-2", "--now")

    def replaced(found: dict[str, Any] | None) -> bool:
        return bool(
            found and found["metadata"]["uid"] != claim["metadata"]["uid"] and found["status"]["phase"] == "Bound"
        )

    kubectl.wait_object("persistentvolumeclaim", "agents-2", PLATFORM, 120, replaced, "successor that is bound")
    kubectl.wait_object(
        "memorycluster",
        "agents",
        PLATFORM,
        120,
        lambda found: bool(found and sorted(found["status"]["controllers"]["voters"]) == [0, 1, 2]),
        "three voters again",
    )
    everything_is_ready(kubectl)
    recovery.note("one controller lost, with its volume", "kafka", secondsToReady=time.monotonic() - began)
    after = uids(kubectl, PLATFORM)
    assert {name for name in before if before[name] != after[name]} == {"agents-2"}


def test_all_brokers_are_lost_at_once(cluster: Cluster, kubectl: Kubectl, story: Story) -> None:
    """Every pod is killed and deleted: each comes back to its volume, with what was acknowledged before."""
    brokers = ["agents-1000", "agents-1001", "agents-1002"]
    before, run = uids(kubectl, PLATFORM), f"all-lost-{int(time.time())}"
    story.install_agent()
    written = story.agent("before-loss", "produce", "--topic", story.topic, "--run", run, "--events", "2000").result()
    for broker in brokers:
        stand(cluster).kill_pod_process(PLATFORM, broker)
    killed = time.monotonic()
    kubectl("-n", PLATFORM, "delete", "pod", *brokers, "--now", "--wait=false")
    until(
        lambda: not {name for name, uid in uids(kubectl, PLATFORM).items() if uid == before.get(name)} & set(brokers),
        60,
        lambda: "the killed pods are still there",
    )
    everything_is_ready(kubectl, 180)
    seconds = time.monotonic() - killed
    args = ("--topic", story.topic, "--run", run, "--expect", "2000", "--group", "after-loss")
    read = story.agent("after-loss", "consume", *args).result()
    lost = written["acknowledged"] - read["read"]
    recovery.note("all broker pods killed", "kafka", secondsToReady=seconds, acknowledged=2000, lost=lost)
    assert written["acknowledged"] == 2000
    assert lost == 0


@contextmanager
def frozen(cluster: StandCluster, namespace: str, pods: list[str]) -> Iterator[None]:
    """The pods' processes stand still."""
    for pod in pods:
        cluster.signal_pod_process(namespace, pod, "SIGSTOP")
    try:
        yield
    finally:
        for pod in pods:
            cluster.signal_pod_process(namespace, pod, "SIGCONT")


def small_cluster(**spec: Any) -> dict[str, Any]:
    """One controller: the cheapest cluster to break."""
    controllers = {"replicas": 1, "resources": {"cpu": "100m", "memory": "448Mi"}, "storage": {"size": "1Gi"}}
    small = {"controllers": controllers, "replication": {"factor": 1, "minInSync": 1}}
    return named(example("cluster.yaml", **{**small, **spec}), "small", FAULTS)


def small_pool() -> dict[str, Any]:
    return named(example("brokers.yaml", clusterRef={"name": "small"}, replicas=1), "small", FAULTS)


def test_too_little_memory_is_refused_with_the_least_that_will_do(kubectl: Kubectl, story: Story) -> None:
    controllers = {"replicas": 1, "resources": {"cpu": "100m", "memory": "64Mi"}, "storage": {"size": "1Gi"}}
    kubectl.apply(small_cluster(controllers=controllers))
    try:
        seen = kubectl.wait_condition("memorycluster", "small", FAULTS, 60, "Stalled", "True")
        told = condition_of(seen, "Ready")
        assert told is not None
        assert "memory" in told["message"]
        assert not kubectl.list("pod", FAULTS)
    finally:
        kubectl.delete("memorycluster", "small", FAULTS)
        kubectl("-n", FAULTS, "delete", "persistentvolumeclaims", "--all")


def test_a_small_cluster_is_mended_grown_rolled_and_never_formatted_anew(
    cluster: Cluster, kubectl: Kubectl, story: Story
) -> None:
    """Bad image, taken back; one broker more; a change that is rolled; then the lone controller's volume is lost."""
    kubectl.apply(small_cluster(image="local/no-such-image:1"), small_pool())
    try:
        bad_image_is_told(kubectl)
        kubectl.apply(small_cluster())
        kubectl.wait_ready("memorycluster", "small", FAULTS, 180)
        kubectl.wait_ready("brokerpool", "small", FAULTS, 180)
        grows(kubectl)
        rolls(kubectl)
        kubectl("-n", FAULTS, "delete", "persistentvolumeclaim", "small-0", "--wait=false")
        kubectl("-n", FAULTS, "delete", "pod", "small-0", "--now")
        seen = kubectl.wait_condition("memorycluster", "small", FAULTS, 120, "Stalled", "True", "VolumeLost")
        assert "formatted anew" in (condition_of(seen, "Stalled") or {})["message"]
        assert kubectl.get("pod", "small-0", FAULTS) is None
    finally:
        kubectl.delete("brokerpool", "small", FAULTS)
        kubectl.delete("memorycluster", "small", FAULTS)
        cluster.end_pods(FAULTS)  # without a controller a broker waits out its whole grace
        kubectl("-n", FAULTS, "delete", "persistentvolumeclaims", "--all", timeout=120)


def bad_image_is_told(kubectl: Kubectl) -> None:
    seen = kubectl.wait_object(
        "memorycluster",
        "small",
        FAULTS,
        90,
        lambda found: "local/no-such-image:1" in str((condition_of(found, "Ready") or {}).get("message")),
        "word of the image that cannot be had",
    )
    assert (condition_of(seen, "Ready") or {})["status"] == "False"


def grows(kubectl: Kubectl) -> None:
    before = uids(kubectl, FAULTS)
    kubectl("-n", FAULTS, "scale", "brokerpool/small", "--replicas=2")
    seen = kubectl.wait_ready("brokerpool", "small", FAULTS, 120)
    assert [(broker["id"], broker["state"]) for broker in seen["status"]["brokers"]] == [
        (1000, "Registered"),
        (1001, "Registered"),
    ]
    after = uids(kubectl, FAULTS)
    assert {name: after[name] for name in before} == before


def rolls(kubectl: Kubectl) -> None:
    before = uids(kubectl, FAULTS)
    kubectl(
        "-n", FAULTS, "patch", "brokerpool", "small", "--type=merge", "-p", '{"spec":{"resources":{"memory":"672Mi"}}}'
    )
    kubectl.wait_ready("brokerpool", "small", FAULTS, 180)
    after = uids(kubectl, FAULTS)
    assert {name for name in after if after[name] != before[name]} == {"small-1000", "small-1001"}
    for name in ("small-1000", "small-1001"):
        pod = kubectl.get("pod", name, FAULTS)
        assert pod
        assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "672Mi"
