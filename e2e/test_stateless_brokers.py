"""Brokers that hold nothing, on a real bucket: their pods are killed, and no acknowledged record goes with them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from e2e import recovery
from e2e.objectstore import ObjectStoreServer
from e2e.tansu import TansuBrokers
from e2e.traffic import Writer, make_topic, read_back

RECORDS = 100_000
RATE = 9_000.0


@pytest.fixture(scope="module")
def brokers(objectstore: ObjectStoreServer) -> Iterator[TansuBrokers]:
    started = TansuBrokers(objectstore.cluster, objectstore.kubectl, objectstore)
    keys = started.start()
    yield started
    started.stop()
    objectstore.wipe(started.bucket)
    objectstore.remove_user(keys.access)


def test_every_pod_is_killed_and_then_all_at_once_and_nothing_is_lost(brokers: TansuBrokers) -> None:
    topic = "pod-killed"
    make_topic(brokers.address, topic, 6)
    writer = Writer(brokers.address, topic, "kills", RECORDS, RATE)
    with writer.writing():
        began = time.monotonic()
        for place, pod in enumerate(sorted(brokers.pods()), start=1):
            writer.reached(place * RECORDS // 6)
            brokers.kill(pod)
        brokers.ready()
        one_by_one = writer.silences(began)
        assert writer.sent < RECORDS, "all was sent before all pods were killed: nothing was tried"
        brokers.kill_processes(*brokers.pods())
        first = writer.first_after(time.monotonic())
    assert not writer.failed
    assert len(writer.acknowledged) == RECORDS
    found = read_back(brokers.address, topic, writer.run, RECORDS)
    lost = sorted(writer.acknowledged.keys() - found)
    recovery.note(
        "broker pods killed one by one", "tansu", longestSilence=one_by_one, acknowledged=RECORDS, lost=len(lost)
    )
    recovery.note("all broker pods killed", "tansu", secondsToFirstAck=first, acknowledged=RECORDS, lost=len(lost))
    assert not lost, f"{len(lost)} of {RECORDS} acknowledged records are lost: {lost[:20]}"
    assert one_by_one < 10
    assert first < 30
