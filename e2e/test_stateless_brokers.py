"""Brokers that hold nothing, on a real bucket: their pods are killed, and no acknowledged record goes with them."""

from __future__ import annotations

import time

from e2e import objectstore as objectstore_pods
from e2e import recovery
from e2e.clusters import Cluster
from e2e.demo.story import PLATFORM, Story
from e2e.kubectl import Kubectl, condition_of
from e2e.release import NAMESPACE
from e2e.tansu import TansuBrokers
from e2e.test_faults import everything_is_ready, stand
from e2e.traffic import Writer, make_topic, read_back

RECORDS = 100_000
RATE = 9_000.0


def test_every_pod_is_killed_and_then_all_at_once_and_nothing_is_lost(tansu: TansuBrokers) -> None:
    topic = "pod-killed"
    make_topic(tansu.address, topic, 6)
    writer = Writer(tansu.address, topic, "kills", RECORDS, RATE)
    with writer.writing():
        began = time.monotonic()
        for place, pod in enumerate(sorted(tansu.pods()), start=1):
            writer.reached(place * RECORDS // 6)
            tansu.kill(pod)
        tansu.ready()
        one_by_one = writer.silences(began)
        assert writer.sent < RECORDS, "all was sent before all pods were killed: nothing was tried"
        tansu.kill_processes(*tansu.pods())
        first = writer.first_after(time.monotonic())
    assert not writer.failed
    assert len(writer.acknowledged) == RECORDS
    found = read_back(tansu.address, topic, writer.run, RECORDS)
    lost = sorted(writer.acknowledged.keys() - found)
    recovery.note(
        "broker pods killed one by one", "tansu", longestSilence=one_by_one, acknowledged=RECORDS, lost=len(lost)
    )
    recovery.note("all broker pods killed", "tansu", secondsToFirstAck=first, acknowledged=RECORDS, lost=len(lost))
    assert not lost, f"{len(lost)} of {RECORDS} acknowledged records are lost: {lost[:20]}"
    assert one_by_one < 10
    assert first < 30, tansu.told()


def test_a_node_is_lost(cluster: Cluster, kubectl: Kubectl, story: Story, tansu: TansuBrokers) -> None:
    """What has volumes waits for its machine and says so; what holds nothing goes on without it."""
    here = stand(cluster).stand
    lost = here.node(a_node_to_lose(kubectl, tansu))
    victim = broker_on(kubectl, lost.name)
    topic = "node-lost"
    make_topic(tansu.address, topic, 6)
    writer = Writer(tansu.address, topic, "node", 100_000, 200.0)
    with writer.writing():
        writer.reached(500)
        lost.crash()
        crashed = time.monotonic()
        try:
            seen = kubectl.wait_condition("brokerpool", "brokers", PLATFORM, 60, "Ready", "False", "NodeLost")
            told = time.monotonic() - crashed
        finally:
            here.start_node(lost.name)
        back = time.monotonic()
        everything_is_ready(kubectl, 180)
        ready = time.monotonic() - back
        writer.stop()
    said = (condition_of(seen, "Ready") or {})["message"]
    assert lost.name in said
    assert (kubectl.get("pod", victim, PLATFORM) or {})["spec"]["nodeName"] == lost.name
    silent = writer.silences(crashed)
    found = read_back(tansu.address, topic, writer.run, len(writer.acknowledged))
    missing = writer.acknowledged.keys() - found
    facts = {"acknowledged": len(writer.acknowledged), "lost": len(missing)}
    recovery.note("node lost", "tansu", longestSilence=silent, **facts)
    recovery.note("node lost", "kafka", said=said, secondsUntilSaid=told, secondsFromReturnToReady=ready)
    assert not writer.failed
    assert not missing


def a_node_to_lose(kubectl: Kubectl, tansu: TansuBrokers) -> str:
    """Where Tansu and Kafka have brokers, and neither the S3 server nor the operator's platform role runs."""
    kept = {pod["spec"]["nodeName"] for pod in kubectl.list("pod", objectstore_pods.NAMESPACE)}
    wanted = set(tansu.pods().values()) - kept
    platform = {
        pod["spec"]["nodeName"] for pod in kubectl.list("pod", NAMESPACE, "app.kubernetes.io/component=platform")
    }
    return sorted(wanted - platform or wanted)[0]


def broker_on(kubectl: Kubectl, node: str) -> str:
    pool = kubectl.get("brokerpool", "brokers", PLATFORM) or {}
    names: list[str] = [broker["pod"] for broker in pool["status"]["brokers"]]
    return next(n for n in names if (kubectl.get("pod", n, PLATFORM) or {})["spec"]["nodeName"] == node)
