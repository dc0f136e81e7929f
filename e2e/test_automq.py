"""Engine automq on a real AutoMQ image: up, at work, a broker killed, scaled both ways, and nothing on the pods.

Needs AGENTMEMORY_AUTOMQ_IMAGE: the path of an image archive, or on kind a registry name too. Skipped, with the reason,
without it or where it cannot be had.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from e2e import recovery
from e2e.automq_cluster import CREDENTIALS, NAMESPACE, AutoMQ
from e2e.clusters import Cluster, StandCluster
from e2e.kubectl import Kubectl, until
from e2e.leaks import needles
from e2e.objectstore import ObjectStoreServer
from e2e.release import Release

# The image is on the nodes by then. A container runs Java for each authority that it trusts before it runs AutoMQ.
UP_LIMIT = 240.0
EVENTS = 2_000
UNDER_FAULT = 8_000
RATE = 200
# Two minutes of writing: a broker is not taken away within the first minute of any broker's life, and then drained.
WHILE_SCALED = 120 * RATE
# A broker's log is replayed elsewhere at the earliest 60 s after the broker's own start, plus what that takes.
FAILOVER_LIMIT = 180.0
# A new broker is not taken away within 60 s of a start; then its partitions move, and its pod ends.
DRAIN_LIMIT = 300.0
# Once it has stopped: unregistered, its id admitted again, its objects deleted, a look each.
FORGOTTEN_LIMIT = 120.0
# By the shell alone: `find` is not in the image's contract. The metadata's log lies where records would be.
SEGMENTS = """cd /var/lib/kafka/data/log && [ -d __cluster_metadata-0 ] || exit 1
for file in */*.log; do
  case $file in __cluster_metadata*) continue ;; esac
  [ ! -s "$file" ] || echo "$file"
done"""


@pytest.fixture(scope="module")
def automq(
    automq_image: str, release: Release, cluster: Cluster, kubectl: Kubectl, objectstore: ObjectStoreServer
) -> Iterator[AutoMQ]:
    made = AutoMQ(kubectl, objectstore, automq_image, cluster.operator_image, objectstore.new_user("automq"))
    try:
        made.buckets()
        began = time.monotonic()
        made.rise(UP_LIMIT)
        recovery.note("started: 1 controller, 2 brokers", "automq", secondsToReady=time.monotonic() - began)
        made.team()
        yield made
    finally:
        made.remove()


@pytest.mark.timeout(1800)  # before it the image is pulled or loaded, and all comes up
def test_it_comes_up_with_nothing_but_the_controllers_volume(automq: AutoMQ) -> None:
    cluster = automq.kubectl.get("memorycluster", "agents", NAMESPACE) or {}
    assert cluster["status"]["controllers"] == {"desired": 1, "ready": 1, "voters": [0]}
    assert cluster["status"]["brokers"]["registered"] == 2
    assert sorted(automq.brokers()) == ["agents-1000", "agents-1001"]
    claims = automq.kubectl.list("persistentvolumeclaim", NAMESPACE, "agentmemory.dev/cluster=agents")
    assert [claim["metadata"]["name"] for claim in claims] == ["agents-0"]


def test_a_team_writes_and_reads(automq: AutoMQ) -> None:
    run = ("--run", "work")
    written = automq.agent("writer", "produce", *run, "--events", str(EVENTS)).result()
    read = automq.agent("reader", "consume", *run, "--expect", str(EVENTS), "--group", "work").result()
    recovery.note("events written and read", "automq", medianAckMs=written["medianAckMs"], read=read["read"])
    assert written["acknowledged"] == EVENTS
    assert (read["read"], read["outOfOrder"]) == (EVENTS, 0)


def nothing_is_lost(automq: AutoMQ, run: str, events: int, acknowledged: int) -> int:
    """Reads the run back; how many of those acknowledged are not there."""
    args = ("--run", run, "--expect", str(events), "--group", run, "--seconds", "150")
    read = automq.agent(f"{run}-reader", "consume", *args).result(200)
    return max(0, acknowledged - int(read["read"]))


def test_a_broker_is_killed_and_nothing_acknowledged_is_lost(automq: AutoMQ, cluster: Cluster) -> None:
    writer = automq.agent(
        "killed-writer", "produce", "--run", "killed", "--events", str(UNDER_FAULT), "--rate", str(RATE), "--seconds",
        str(FAILOVER_LIMIT),
    )  # fmt: skip
    writer.running()
    victim = "agents-1001"
    before = automq.brokers()[victim]
    if isinstance(cluster, StandCluster):
        cluster.kill_pod_process(NAMESPACE, victim)  # SIGKILL: no hand-over, no last upload
    automq.kubectl("-n", NAMESPACE, "delete", "pod", victim, "--grace-period=0", "--force", "--wait=false")
    killed = time.monotonic()

    def replaced() -> bool:
        return before not in automq.brokers().values() and automq.serving() == 2

    until(replaced, FAILOVER_LIMIT, lambda: f"two brokers are not registered again: {automq.pool().get('status')}")
    back = time.monotonic() - killed
    written = writer.result(FAILOVER_LIMIT + 60)
    lost = nothing_is_lost(automq, "killed", UNDER_FAULT, written["acknowledged"])
    recovery.note(
        "broker killed with SIGKILL", "automq", secondsToReady=back, longestSilenceMs=written["longestSilenceMs"],
        acknowledged=written["acknowledged"], lost=lost,
    )  # fmt: skip
    assert lost == 0
    assert written["acknowledged"] == UNDER_FAULT
    automq.kubectl.wait_ready("brokerpool", "brokers", NAMESPACE, FAILOVER_LIMIT)


def scale(automq: AutoMQ, replicas: int, seconds: float) -> float:
    """Scales the pool, waits until it is as declared, and says how long that took."""
    began = time.monotonic()
    automq.kubectl("-n", NAMESPACE, "scale", "brokerpool/brokers", f"--replicas={replicas}")

    def settled() -> bool:
        status = automq.pool()["status"]
        return (status.get("replicas"), status.get("readyReplicas")) == (replicas, replicas)

    until(settled, seconds, lambda: f"the pool has not come to {replicas}: {automq.pool().get('status')}")
    automq.kubectl.wait_ready("brokerpool", "brokers", NAMESPACE, 60)
    return time.monotonic() - began


@pytest.mark.timeout(1800)  # the sum of its own limits
def test_it_scales_out_and_in_while_a_team_writes(automq: AutoMQ) -> None:
    before = automq.brokers()
    out = scale(automq, 3, UP_LIMIT)
    grown = automq.brokers()
    assert len(grown) == 3
    assert before.items() <= grown.items(), "a growing pool restarted a broker"
    automq.grow_onto(max(grown))
    writer = automq.agent(
        "scaled-writer", "produce", "--run", "scaled", "--events", str(WHILE_SCALED), "--rate", str(RATE), "--seconds",
        str(DRAIN_LIMIT),
    )  # fmt: skip
    writer.running()
    led = automq.leaders()
    inward = scale(automq, 2, DRAIN_LIMIT)
    kept = automq.brokers()
    moved = sum(led.get(broker, 0) for broker in grown.keys() - kept.keys())
    written = writer.result(DRAIN_LIMIT)
    lost = nothing_is_lost(automq, "scaled", WHILE_SCALED, written["acknowledged"])
    recovery.note(
        "scaled 2, 3, 2", "automq", secondsOut=out, secondsIn=inward, longestSilenceMs=written["longestSilenceMs"],
        acknowledged=written["acknowledged"], lost=lost, partitionsMoved=moved,
    )  # fmt: skip
    assert written["acknowledged"] == WHILE_SCALED
    assert lost == 0
    assert len(kept) == 2
    assert moved > 0, f"the broker that left led no partition, so none was moved: {led}"
    after = automq.leaders()
    assert after.keys() <= kept.keys(), f"partitions without a leader, or led by one that has left: {after}"
    assert sum(after.values()) == sum(led.values())
    until(
        lambda: automq.services() == kept.keys(),
        FORGOTTEN_LIMIT,
        lambda: f"the one that left is still named: {automq.services()}, and there are {sorted(kept)}",
    )
    cluster = automq.kubectl.wait_ready("memorycluster", "agents", NAMESPACE, 60)
    assert cluster["status"]["brokers"]["registered"] == 2


def test_pods_hold_no_records(automq: AutoMQ) -> None:
    for pod in automq.brokers():
        assert automq.run(pod, SEGMENTS).strip() == ""
        volumes = (automq.kubectl.get("pod", pod, NAMESPACE) or {})["spec"]["volumes"]
        assert not [volume for volume in volumes if "persistentVolumeClaim" in volume]


def test_no_credential_is_in_what_is_rendered_written_or_said(automq: AutoMQ) -> None:
    wanted = needles(automq.kubectl.list("secret", NAMESPACE))
    names = {needle.name for needle in wanted}
    assert {f"{NAMESPACE}/{CREDENTIALS} AWS_SECRET_ACCESS_KEY", f"{NAMESPACE}/agents-balancer password"} <= names
    said: dict[str, str] = {}
    for kind in ("configmap", "pod", "memorycluster", "memorybucket", "brokerpool", "event"):
        said[kind] = automq.kubectl("-n", NAMESPACE, "get", kind, "-o", "json")
    for pod in ("agents-0", *automq.brokers()):
        # AutoMQ writes its whole configuration here at each start.
        said[f"{pod}'s automq.properties"] = automq.run(pod, "cat /var/lib/kafka/data/log/automq.properties")
        said[f"{pod}'s log"] = automq.kubectl("-n", NAMESPACE, "logs", pod, "-c", "kafka")
    found = [
        f"{needle.name} in {where}"
        for where, text in said.items()
        for needle in wanted
        if any(form in text.encode() for form in needle.forms)
    ]
    assert not found
