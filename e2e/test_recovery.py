"""What goes away on object storage, a row of the recovery table each: what is said, and what makes it right again."""

from __future__ import annotations

import time

from e2e import recovery
from e2e.buckets import Bucket
from e2e.clusters import Cluster
from e2e.demo.story import PLATFORM, TEAM, Story
from e2e.kubectl import Kubectl, condition_of, until
from e2e.tansu import TansuBrokers
from e2e.test_bad_input import example, named
from e2e.test_faults import AWAY_SECONDS, everything_is_ready, frozen, stand
from e2e.traffic import Writer, make_topic, read_back

ENGINE = "MemoryBucket"


def test_credentials_expire(bucket: Bucket) -> None:
    bucket.change_secret_at_the_server()
    bucket.ask_now()
    said = bucket.not_ready("CredentialsInvalid")
    assert bucket.keys.access not in said
    bucket.hand_over_keys()
    bucket.ask_now()
    began = time.monotonic()
    bucket.ready()
    seconds = time.monotonic() - began
    recovery.note("credentials expired", ENGINE, said=said, secondsToReady=seconds)


def test_the_bucket_is_deleted_by_hand(bucket: Bucket) -> None:
    """It is not made anew as if nothing had happened: what was in it is lost, and a person has to know."""
    bucket.store.wipe(bucket.name)
    bucket.ask_now()
    said = bucket.not_ready("BucketLost")
    assert bucket.name not in bucket.store.buckets()
    recovery.note("bucket deleted by hand", ENGINE, said=said)


def test_kafka_and_the_bucket_are_away_for_the_same_minute(
    cluster: Cluster, kubectl: Kubectl, story: Story, tansu: TansuBrokers, bucket: Bucket
) -> None:
    """Two outages that know nothing of each other. Each is told, nothing is lost, and all goes on by itself."""
    topic, name = "unreachable", "while-away"
    make_topic(tansu.address, topic, 6)
    writer = Writer(tansu.address, topic, "outage", 100_000, 200.0, patience=20.0)
    with writer.writing():
        writer.reached(500)
        with bucket.store.frozen(), frozen(stand(cluster), PLATFORM, ["agents-1000", "agents-1001", "agents-1002"]):
            began = time.monotonic()
            bucket.ask_now()
            kubectl.apply(named(example("family.yaml", deletionPolicy="Delete"), name))
            told = kubectl.wait_condition("topicfamily", name, TEAM, 90, "Ready", "False")
            said = bucket.not_ready("Timeout", "NoAnswer", seconds=AWAY_SECONDS)
            before = len(writer.acknowledged)
            until(lambda: time.monotonic() - began > AWAY_SECONDS, AWAY_SECONDS + 60, str, every=0.5)
            assert len(writer.acknowledged) == before, "records are acknowledged that are in no bucket"
        back = time.monotonic()
        first = writer.first_after(back)
        bucket.ready(120)
        ready = time.monotonic() - back
        writer.stop()
    try:
        kubectl.wait_ready("topicfamily", name, TEAM, 120)
        kafka = time.monotonic() - back
    finally:
        kubectl.delete("topicfamily", name, TEAM)
    everything_is_ready(kubectl)
    message = (condition_of(told, "Ready") or {})["message"]
    assert "Traceback" not in message
    assert not writer.failed
    found = read_back(tansu.address, topic, writer.run, len(writer.acknowledged))
    lost = writer.acknowledged.keys() - found
    facts = {"acknowledged": len(writer.acknowledged), "lost": len(lost)}
    recovery.note("bucket unreachable for a minute", "tansu", secondsToFirstAck=first, **facts)
    recovery.note("bucket unreachable for a minute", ENGINE, said=said, secondsToReady=ready)
    recovery.note("all brokers silent for a minute", "kafka", said=message, secondsToReady=kafka)
    assert not lost
