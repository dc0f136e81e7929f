"""What goes away on object storage, a row of the recovery table each: what is said, and what makes it right again.

On engine kafka-tiered, whose old segments are in the bucket that is taken away, and on Tansu, whose brokers have
nothing but their bucket.
"""

from __future__ import annotations

import time

from e2e import recovery
from e2e.backup import Backup
from e2e.clusters import Cluster
from e2e.demo.story import PLATFORM, TEAM, Story
from e2e.kubectl import Kubectl, condition_of, until
from e2e.plugin import places
from e2e.stand.node import REGION
from e2e.tansu import REPLICAS, TansuBrokers
from e2e.test_bad_input import example, named
from e2e.test_faults import AWAY_SECONDS, everything_is_ready, frozen, stand
from e2e.tiered_cluster import BROKERS, NAMESPACE, RECORDS, Tiered
from e2e.traffic import Writer, make_topic, read_back, takes_nothing

ENGINE = "kafka-tiered"
TANSU = "tansu"
# Read to show that old records cannot be had: as long as it takes to see that nothing comes.
SHORT = 6.0


def whole(tiered: Tiered, *runs: str) -> None:
    """Every record of these runs is read back, byte for byte."""
    for run, reader in [(run, tiered.history("read", run)) for run in runs]:
        found = reader.result()
        assert (found["read"], found["different"]) == (RECORDS, []), f"run {run}: {found}"


def test_old_segments_leave_the_volumes_and_outlive_a_broker(cluster: Cluster, tiered: Tiered) -> None:
    """Local copies gone, then a broker with its volume: all is read from the bucket, before it is back and after."""
    assert tiered.write("first") == RECORDS
    moved = tiered.moved()
    objects = tiered.store.client().list_objects_v2(Bucket=tiered.bucket.name)["Contents"]
    segments = [item["Key"] for item in objects if item["Key"].endswith(".log")]
    identity = (tiered.kubectl.get("memorycluster", "agents", NAMESPACE) or {})["status"]["clusterId"]
    assert len(segments) >= 4
    assert all(key.startswith(f"{identity}/") for key in segments)
    whole(tiered, "first")
    assert places(tiered.kubectl, NAMESPACE, "agents")[f"Bucket/{tiered.bucket.name}"] == (REGION, "Verified")

    before, lost = tiered.uids(), BROKERS[0]
    claim = tiered.claim(lost)
    tiered.kubectl("-n", NAMESPACE, "delete", "persistentvolumeclaim", lost, "--wait=false")
    stand(cluster).kill_pod_process(NAMESPACE, lost)
    tiered.kubectl("-n", NAMESPACE, "delete", "pod", lost, "--now", "--wait=false")
    killed = time.monotonic()
    whole(tiered, "first")
    read = time.monotonic() - killed
    until(lambda: tiered.claim(lost) not in ("", claim), 90, lambda: "no volume is made anew")
    until(lambda: tiered.uids().get(lost) not in (None, before[lost]), 60, lambda: "no pod is made again")
    until(lambda: tiered.serves(lost), 120, lambda: f"{lost} is not in service again")
    tiered.ready()
    ready = time.monotonic() - killed
    assert {name for name, uid in tiered.uids().items() if uid != before[name]} == {lost}
    whole(tiered, "first")
    recovery.note(
        "broker killed, its volume lost", ENGINE, secondsUntilMoved=moved, segments=len(segments),
        secondsToRead=read, secondsToReady=ready, records=RECORDS, lost=0,
    )  # fmt: skip


def test_credentials_expire(tiered: Tiered) -> None:
    """Brokers stay and take records; old ones wait. New keys in the Secret are taken up by rolling the brokers."""
    before = tiered.uids()
    tiered.bucket.change_secret_at_the_server()
    tiered.bucket.ask_now()
    said = tiered.bucket.not_ready("CredentialsInvalid")
    cluster = tiered.said("BucketNotReady")
    assert tiered.bucket.keys.access not in said + cluster
    assert tiered.write("refused") == RECORDS
    old = tiered.read("first", SHORT)
    assert old["read"] == 0, f"old records are read with refused keys: {old}"
    assert tiered.uids() == before

    tiered.bucket.hand_over_keys()
    tiered.bucket.ask_now()
    began = time.monotonic()
    tiered.bucket.ready()
    bucket = time.monotonic() - began

    def rolled() -> bool:
        return {name for name, uid in tiered.uids().items() if uid != before.get(name)} == set(BROKERS)

    until(rolled, 150, lambda: "the brokers are not rolled to the new keys")
    tiered.ready()
    ready = time.monotonic() - began
    tiered.moved()
    whole(tiered, "first", "refused")
    recovery.note(
        "credentials expired", ENGINE, said=said, cluster=cluster, bucketReady=bucket, secondsToReady=ready,
        records=2 * RECORDS, lost=0,
    )  # fmt: skip


def test_credentials_of_stateless_brokers_expire(tansu: TansuBrokers) -> None:
    """Nothing is acknowledged that the bucket has not taken; brokers that start with other keys go on."""
    topic = "expired"
    make_topic(tansu.address, topic, 6)
    writer = Writer(tansu.address, topic, "expired", 100_000, 100.0, patience=20.0)
    with writer.writing():
        writer.reached(300)
        keys = tansu.store.change_secret(tansu.keys.access)
        refused = time.monotonic()
        until(lambda: writer.silent(refused, 3.0), 30, lambda: "records are acknowledged with refused keys")
        given = time.monotonic()
        tansu.restart_with(keys)
        first = writer.first_after(given)
        writer.stop()
    nothing_is_lost("credentials expired", tansu, writer, secondsToFirstAck=first)


def test_the_bucket_of_stateless_brokers_is_deleted_by_hand(tansu: TansuBrokers) -> None:
    """Nothing is acknowledged without a bucket, and all that was comes back with a copy of it.

    No broker may write while it is put back: Tansu never gets over a partition that was there by halves.
    """
    topic = "deleted"
    make_topic(tansu.address, topic, 6)
    before = Writer(tansu.address, topic, "before", 300)
    with before.writing():
        before.reached(300)
    copy = Backup.of(tansu.store, tansu.bucket)
    tansu.store.wipe(tansu.bucket)
    assert takes_nothing(tansu.address, topic), "a record is acknowledged that is in no bucket"
    tansu.scale(0)
    copy.restore(tansu.store, tansu.keys)
    restored = time.monotonic()
    tansu.scale(REPLICAS)
    after = Writer(tansu.address, topic, "after", 300)
    with after.writing():
        first = after.first_after(restored)
    found = read_back(tansu.address, topic, before.run, len(before.acknowledged))
    assert len(before.acknowledged) == 300
    assert before.acknowledged.keys() == found
    nothing_is_lost("bucket deleted by hand, restored from a copy", tansu, after, secondsToFirstAck=first)


def nothing_is_lost(event: str, tansu: TansuBrokers, writer: Writer, **facts: float) -> None:
    """Every acknowledged record can be read; the row of the event."""
    found = read_back(tansu.address, writer.topic, writer.run, len(writer.acknowledged))
    lost = writer.acknowledged.keys() - found
    recovery.note(event, TANSU, **facts, acknowledged=len(writer.acknowledged), lost=len(lost))
    assert not lost


def test_the_bucket_is_away_for_a_minute_and_so_is_kafka(
    cluster: Cluster, kubectl: Kubectl, story: Story, tansu: TansuBrokers, tiered: Tiered
) -> None:
    """Two outages that know nothing of each other. Each is told, nothing is lost, and all goes on by itself."""
    topic, name = "unreachable", "while-away"
    before = tiered.uids()
    make_topic(tansu.address, topic, 6)
    writer = Writer(tansu.address, topic, "outage", 100_000, 200.0, patience=20.0)
    with writer.writing():
        writer.reached(500)
        with tiered.store.frozen(), frozen(stand(cluster), PLATFORM, ["agents-1000", "agents-1001", "agents-1002"]):
            began = time.monotonic()
            tiered.bucket.ask_now()
            kubectl.apply(named(example("family.yaml", deletionPolicy="Delete"), name))
            told = kubectl.wait_condition("topicfamily", name, TEAM, 90, "Ready", "False")
            said = tiered.bucket.not_ready("Timeout", "NoAnswer", seconds=AWAY_SECONDS)
            cluster_said = tiered.said("BucketNotReady")
            assert tiered.write("away") == RECORDS
            reader = tiered.history("read", "first", "--seconds", "150")
            acknowledged = len(writer.acknowledged)
            until(lambda: time.monotonic() - began > AWAY_SECONDS, AWAY_SECONDS + 60, str, every=0.5)
            assert len(writer.acknowledged) == acknowledged, "records are acknowledged that are in no bucket"
        back = time.monotonic()
        first = writer.first_after(back)
        # Not for as long as the others take: each of its records is an object that has to be read back.
        writer.stop()
        old = reader.result()
        read = time.monotonic() - back
        tiered.ready()
        ready = time.monotonic() - back
    try:
        kubectl.wait_ready("topicfamily", name, TEAM, 120)
        kafka = time.monotonic() - back
    finally:
        kubectl.delete("topicfamily", name, TEAM)
    everything_is_ready(kubectl)
    message = (condition_of(told, "Ready") or {})["message"]
    assert "Traceback" not in message
    assert (old["read"], old["different"]) == (RECORDS, [])
    assert tiered.uids() == before, "an outage of the bucket restarted a node"
    tiered.moved()
    whole(tiered, "away")
    assert not writer.failed
    event = "bucket unreachable for a minute"
    nothing_is_lost(event, tansu, writer, secondsToFirstAck=first)
    recovery.note(event, ENGINE, said=said, cluster=cluster_said, secondsToOldRecords=read, secondsToReady=ready)
    recovery.note("all brokers silent for a minute", "kafka", said=message, secondsToReady=kafka)


def test_the_bucket_is_deleted_by_hand(tiered: Tiered) -> None:
    """It is not made anew as if nothing had happened. Restored from a copy it has everything again, by itself."""
    before, copy = tiered.uids(), Backup.of(tiered.store, tiered.bucket.name)
    tiered.store.wipe(tiered.bucket.name)
    tiered.bucket.ask_now()
    said = tiered.bucket.not_ready("BucketLost")
    cluster = tiered.said("BucketNotReady")
    assert tiered.write("bucketless") == RECORDS
    old = tiered.read("first", SHORT)
    assert old["read"] == 0, f"old records are read from no bucket: {old}"
    assert tiered.bucket.name not in tiered.store.buckets(), "the bucket was made anew"

    copy.restore(tiered.store, tiered.bucket.keys)
    tiered.bucket.ask_now()
    began = time.monotonic()
    tiered.ready()
    ready = time.monotonic() - began
    tiered.moved()
    whole(tiered, *tiered.runs)
    assert tiered.uids() == before
    recovery.note(
        "bucket deleted by hand, restored from a copy", ENGINE, said=said, cluster=cluster, secondsToReady=ready,
        records=len(tiered.runs) * RECORDS, lost=0,
    )  # fmt: skip
