"""What a cluster that tiers asks of its topics, and what it refuses. All pure."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.core.key import Key
from agentmemory.core.store import Store
from agentmemory.domain.units import parse_duration
from agentmemory.families import desired, policy, tiers
from agentmemory.families.enforcement import entries
from agentmemory.families.model import MANAGED_KEYS, TIERED_KEYS, Seen
from tests import teams
from tests.families.worlds import make_world
from tests.teams import PREFIX, family, topic

HOUR = timedelta(hours=1)
HOUR_MS = 3_600_000
EVENTS = PREFIX + "events"
KEYS = {"local.retention.ms", "remote.storage.enable"}


def tiered(hot_window: str = "24h") -> dict[str, Any]:
    """A cluster that tiers and runs."""
    tiering = {"bucketRef": {"name": "segments"}, "hotWindow": hot_window}
    return {**teams.cluster(engine="kafka-tiered", tiering=tiering), "status": teams.running()}


def settings(hot_window: str = "24h", **declared: Any) -> dict[str, str]:
    world = make_world(family=family(**declared), cluster=tiered(hot_window))
    return desired.configs(world, world.family.spec.topics[0], 4)


# name: the cluster's window, what the family declares, its local.retention.ms and segment.ms in milliseconds
WINDOWS: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "the cluster's": ("24h", {}, 24 * HOUR_MS, 6 * HOUR_MS),
    "the family's": ("24h", {"retention": {"time": "240h", "hot": "48h"}}, 48 * HOUR_MS, 12 * HOUR_MS),
    "no limit by age": ("24h", {"retention": {"bytes": "1Ti"}}, 24 * HOUR_MS, 6 * HOUR_MS),
    "the retention is shorter": ("24h", {"retention": {"time": "8h"}}, -2, 2 * HOUR_MS),
    "the retention is as long": ("24h", {"retention": {"time": "24h"}}, -2, 6 * HOUR_MS),
    "all of it is hot": ("24h", {"retention": {"time": "48h", "hot": "48h"}}, -2, 12 * HOUR_MS),
    "not too many segments": ("1m", {}, 60_000, 600_000),
    "segments of a week": ("8760h", {"retention": {"time": "9000h"}}, 8760 * HOUR_MS, 168 * HOUR_MS),
    "whole seconds": ("2h5m3s", {}, 7_503_000, 1_875_000),
}


@pytest.mark.parametrize("case", WINDOWS)
def test_hot_windows(case: str) -> None:
    hot_window, declared, local, segment = WINDOWS[case]
    found = settings(hot_window, **declared)
    assert found["remote.storage.enable"] == "true"
    assert found["local.retention.ms"] == str(local)
    assert found["segment.ms"] == str(segment)
    assert set(found) <= set(TIERED_KEYS)


durations = st.integers(60, 8760 * 3600).map(lambda seconds: f"{seconds // 3600}h{seconds % 3600}s")


@given(hot=st.none() | durations, kept=st.none() | durations, hot_window=durations)
def test_kafka_takes_every_window_with_its_retention(hot: str | None, kept: str | None, hot_window: str) -> None:
    retention: dict[str, Any] = {"bytes": "1Gi"} | ({"time": kept} if kept else {})
    if hot is not None and (kept is None or parse_duration(hot) <= parse_duration(kept)):
        retention["hot"] = hot
    found = settings(hot_window, retention=retention)
    local, whole = int(found["local.retention.ms"]), int(found["retention.ms"])
    assert local == -2 or whole == -1 or 0 < local < whole
    assert int(found["segment.ms"]) >= 600_000


def test_nothing_of_it_elsewhere() -> None:
    """An external cluster may tier by its operator's own rules; taking these keys away would take records away."""
    external = teams.cluster(
        engine="external", external={"bootstrapServers": "k:9092", "credentialsSecretRef": {"name": "c"}}
    )
    foreign = {"remote.storage.enable": "true", "local.retention.ms": "1"}
    for cluster in (teams.cluster(), external):
        world = make_world(cluster={**cluster, "status": teams.running()})
        found = desired.configs(world, world.family.spec.topics[0], 4)
        assert not set(found) & (set(TIERED_KEYS) - set(MANAGED_KEYS))
        assert not desired.needs(world, {EVENTS: Seen("id", 4, {**found, **foreign})})
        assert tiers.keys(world) == MANAGED_KEYS


def test_what_somebody_else_did_to_a_tiered_topic_is_undone() -> None:
    world = make_world(cluster=tiered())
    right = desired.configs(world, world.family.spec.topics[0], 4)
    assert not desired.needs(world, {EVENTS: Seen("id", 4, right)})
    meddled = {**right, "remote.log.copy.disable": "true", "local.retention.bytes": "1", "local.retention.ms": "1"}
    assert desired.needs(world, {EVENTS: Seen("id", 4, meddled)}).alter == {
        EVENTS: {
            "remote.log.copy.disable": None,
            "local.retention.bytes": None,
            "local.retention.ms": str(24 * HOUR_MS),
        }
    }


def test_a_shorter_retention_takes_its_window_along() -> None:
    """In one call, or Kafka would refuse whichever comes first."""
    before = settings(retention={"time": "240h"})
    world = make_world(family=family(retention={"time": "8h"}), cluster=tiered())
    needs = desired.needs(world, {EVENTS: Seen("id", 4, before)})
    assert needs.alter[EVENTS] == {
        "retention.ms": str(8 * HOUR_MS),
        "local.retention.ms": "-2",
        "segment.ms": str(2 * HOUR_MS),
    }
    assert EVENTS in desired.cuts(needs, {EVENTS: Seen("id", 4, before)})


def test_a_shorter_window_loses_nothing() -> None:
    before = settings("48h")
    needs = desired.needs(make_world(cluster=tiered("24h")), {EVENTS: Seen("id", 4, before)})
    assert set(needs.alter[EVENTS]) == {"local.retention.ms", "segment.ms"}
    assert desired.cuts(needs, {EVENTS: Seen("id", 4, before)}) == {}


def test_which_settings_are_read() -> None:
    store = Store()
    store.put(tiered())
    store.put(teams.cluster("plain"))
    names = {"agents": TIERED_KEYS, "plain": MANAGED_KEYS, "gone": MANAGED_KEYS}
    assert {name: tiers.keys_on(store, Key("MemoryCluster", teams.PLATFORM, name)) for name in names} == names


# Erasure


def test_erasure_counts_the_bucket() -> None:
    world = make_world(family=family(erasure={"method": "Expiry", "maxDelay": "900h"}), cluster=tiered())
    bound = policy.erasure_bound(world)
    assert bound is not None
    assert bound.arithmetic() == (
        "retention.time 240h + segment.ms 6h + producers' clocks ahead 1h + retention check 5m "
        "+ file.delete.delay.ms 1m + copy to the bucket 30s + remote.log.manager.task.interval.ms 30s "
        "+ deletion in the bucket 10m = 247h17m"
    )


@pytest.mark.parametrize(
    ("max_delay", "segment"), [("246h17m", 5 * HOUR_MS), ("242h17m", HOUR_MS), ("250h", 6 * HOUR_MS)]
)
def test_the_shorter_segment_wins(max_delay: str, segment: int) -> None:
    assert settings(erasure={"method": "Expiry", "maxDelay": max_delay})["segment.ms"] == str(segment)


def test_what_holds_on_volumes_alone_may_not_hold_with_a_bucket() -> None:
    declared = family(erasure={"method": "Expiry", "maxDelay": "242h6m"})
    assert policy.judge(make_world(family=declared)) is None
    found = policy.judge(make_world(family=declared, cluster=tiered()))
    assert found is not None
    assert found.reason == "ErasureBoundExceeded"
    assert "raise maxDelay to 242h17m" in found.message


# Refusals


@pytest.mark.parametrize("compaction", ["KeepLatest", "KeepLatestAndExpire"])
def test_compaction_is_refused(compaction: str) -> None:
    declared = family(topics=[topic("facts"), topic(compaction=compaction)])
    found = policy.judge(make_world(family=declared, cluster=tiered()))
    assert found is not None
    assert (found.kind, found.reason) == ("Refused", "CompactionUnsupported")
    words = (
        "topic events",
        compaction,
        "memory-system/agents",
        "kafka-tiered",
        "take compaction None",
        "kafka or automq",
    )
    assert all(word in found.message for word in words), found.message
    assert policy.judge(make_world(family=declared)) is None


def test_a_hot_window_without_tiering_is_refused() -> None:
    declared = family(retention={"time": "240h", "hot": "24h"})
    found = policy.judge(make_world(family=declared))
    assert found is not None
    assert (found.kind, found.reason) == ("Refused", "HotWindowUnsupported")
    assert all(word in found.message for word in ("24h", "engine kafka", "remove retention.hot", "kafka-tiered"))
    assert policy.judge(make_world(family=declared, cluster=tiered())) is None


# What is said


def told(path: str, cluster: dict[str, Any], **declared: Any) -> tuple[str, str, str]:
    world = make_world(family=family(**declared), cluster=cluster)
    (found,) = [one for one in entries(world, in_place=True) if one.path == path]
    return found.state, found.mechanism, found.reason


def test_the_hot_window_is_told_with_its_arithmetic() -> None:
    state, mechanism, reason = told("spec.retention.hot", tiered(), retention={"time": "240h", "hot": "48h"})
    assert (state, mechanism) == ("Enforced", "local.retention.ms and segment.ms")
    assert (
        "hot 48h + segment.ms 12h + copy to the bucket 30s + retention check 5m + file.delete.delay.ms 1m = 60h6m30s"
        in reason
    )
    assert "hotWindow" not in reason
    assert "the cluster's tiering.hotWindow" in told("spec.retention.hot", tiered())[2]


def test_the_segments_that_erasure_shortens_are_told_as_they_are() -> None:
    reason = told("spec.retention.hot", tiered(), erasure={"method": "Expiry", "maxDelay": "242h17m"})[2]
    assert "segment.ms 1h" in reason


def test_a_hot_window_that_nothing_keeps_is_told() -> None:
    plain = {**teams.cluster(), "status": teams.running()}
    state, _, reason = told("spec.retention.hot", plain, retention={"time": "240h", "hot": "48h"})
    assert (state, "does not tier" in reason) == ("Unsupported", True)
    world = make_world()
    assert "spec.retention.hot" not in {one.path for one in entries(world, in_place=True)}


def test_what_a_bucket_out_of_reach_means_is_told() -> None:
    erasure = {"method": "Expiry", "maxDelay": "900h"}
    for path in ("spec.retention.time", "spec.erasure"):
        assert "deleted nowhere" in told(path, tiered(), erasure=erasure)[2]
        plain = {**teams.cluster(), "status": teams.running()}
        assert "deleted nowhere" not in told(path, plain, erasure=erasure)[2]
