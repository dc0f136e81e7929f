"""Topic settings, what is to be done, and the status: all pure."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.api.conditions import ready, refused
from agentmemory.core.errors import Invalid
from agentmemory.families import desired
from agentmemory.families.model import MANAGED_KEYS, Needs, Results, Seen
from agentmemory.families.world import World
from tests import teams
from tests.fakekafka import VALID
from tests.families.worlds import make_world
from tests.teams import PREFIX, family, topic

NOW = datetime(2026, 1, 2, tzinfo=UTC)
EVENTS, AUDIT = PREFIX + "events", PREFIX + "audit"
GI = 1024**3

PLAIN = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "max.message.bytes": "1048576",
    "message.timestamp.type": "CreateTime",
    "min.insync.replicas": "2",
    "retention.ms": str(240 * 3_600_000),
    "retention.bytes": "-1",
}

# name: what the family declares, and how its topic's settings differ from PLAIN (None: not set)
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, str | None]]] = {
    "plain": ({}, {}),
    "size only": (
        {"retention": {"bytes": "200Gi"}},
        {"retention.ms": "-1", "retention.bytes": str(50 * GI), "segment.bytes": str(GI)},
    ),
    "size is rounded up": (
        {"retention": {"time": "240h", "bytes": "1001"}},
        {"retention.bytes": "251", "segment.bytes": str(16 * 1024**2)},
    ),
    "an eighth of the share": (
        {"retention": {"time": "240h", "bytes": "4Gi"}},
        {"retention.bytes": str(GI), "segment.bytes": str(GI // 8)},
    ),
    "large events need large segments": (
        {"retention": {"time": "240h", "bytes": "4Mi"}, "maxEventBytes": "64Mi"},
        {"retention.bytes": "1048576", "segment.bytes": str(128 * 1024**2), "max.message.bytes": str(64 * 1024**2)},
    ),
    "compacted": (
        {"topics": [topic(compaction="KeepLatest")]},
        {"cleanup.policy": "compact", "retention.ms": None, "retention.bytes": None},
    ),
    "compacted and expired": (
        {"topics": [topic(compaction="KeepLatestAndExpire")]},
        {"cleanup.policy": "compact,delete"},
    ),
    "other words": (
        {"timestamps": "LogAppendTime", "compression": "zstd"},
        {"message.timestamp.type": "LogAppendTime", "compression.type": "zstd"},
    ),
    "expiry": (
        {"erasure": {"method": "Expiry", "maxDelay": "900h"}},
        {
            "segment.ms": str(168 * 3_600_000),
            "file.delete.delay.ms": "60000",
            "message.timestamp.after.max.ms": "3600000",
        },
    ),
    "tombstones": (
        {
            "topics": [topic(compaction="KeepLatest")],
            "erasure": {"method": "Tombstone", "maxDelay": "72h"},
            "timestamps": "LogAppendTime",
        },
        {
            "cleanup.policy": "compact",
            "retention.ms": None,
            "retention.bytes": None,
            "message.timestamp.type": "LogAppendTime",
            "max.compaction.lag.ms": str((71 * 3600 - 60) * 1000),
            "delete.retention.ms": "86400000",
            "file.delete.delay.ms": "60000",
        },
    ),
}


def settings(world: World, partitions: int = 4) -> dict[str, str]:
    return desired.configs(world, world.family.spec.topics[0], partitions)


@pytest.mark.parametrize("case", SETTINGS)
def test_settings(case: str) -> None:
    declared, differing = SETTINGS[case]
    expected = {key: value for key, value in {**PLAIN, **differing}.items() if value is not None}
    assert settings(make_world(family=family(**declared))) == expected


def test_settings_need_a_cluster() -> None:
    world = make_world(cluster=None)
    with pytest.raises(ValueError, match="cluster"):
        settings(world)
    with pytest.raises(ValueError, match="cluster"):
        desired.needs(world, {})


sizes = st.one_of(st.none(), st.integers(1, 2**50).map(str))
methods = st.sampled_from([None, "Expiry", "Tombstone"])


@st.composite
def families(draw: st.DrawFn) -> dict[str, Any]:
    """Families that the API lets through."""
    method = draw(methods)
    compactions = {None: ["None", "KeepLatest", "KeepLatestAndExpire"], "Expiry": ["None"]}.get(
        method, ["KeepLatest", "KeepLatestAndExpire"]
    )
    spec: dict[str, Any] = {
        "topics": [topic(partitions=draw(st.integers(1, 1000)), compaction=draw(st.sampled_from(compactions)))],
        "retention": {"time": f"{draw(st.integers(1, 50_000))}h"},
        "timestamps": draw(st.sampled_from(["CreateTime", "LogAppendTime"])),
        "compression": draw(st.sampled_from(["producer", "zstd", "uncompressed"])),
        "maxEventBytes": str(draw(st.integers(1024, 64 * 1024**2))),
    }
    size = draw(sizes)
    if size:
        spec["retention"]["bytes"] = size
    if method:
        spec["erasure"] = {"method": method, "maxDelay": f"{draw(st.integers(50_000, 99_999))}h"}
    return family(**spec)


@given(families(), st.integers(1, 5000))
def test_settings_are_ours_and_such_as_kafka_takes(declared: dict[str, Any], partitions: int) -> None:
    made = settings(make_world(family=declared), partitions)
    assert set(made) <= set(MANAGED_KEYS)
    assert [key for key, value in made.items() if not VALID[key](value)] == []
    if "segment.bytes" in made:
        assert int(made["segment.bytes"]) >= int(made["max.message.bytes"])


@given(families(), st.integers(1, 5000))
def test_the_declared_size_is_reached_and_hardly_exceeded(declared: dict[str, Any], partitions: int) -> None:
    world = make_world(family=declared)
    size, per = (
        world.family.spec.retention.bytes,
        desired.retention_bytes(world, world.family.spec.topics[0], partitions),
    )
    if size is None or world.family.spec.topics[0].compaction == "KeepLatest":
        assert per is None
    else:
        assert per is not None
        assert size <= per * partitions < size + partitions


values = st.dictionaries(st.sampled_from([*MANAGED_KEYS, "unclean.leader.election.enable"]), st.text(max_size=3))
managed = st.dictionaries(st.sampled_from(MANAGED_KEYS), st.text(max_size=3))


@given(wanted=managed, found=values)
def test_changes_make_the_wanted_of_what_is_found(wanted: dict[str, str], found: dict[str, str]) -> None:
    changes = desired.changes(wanted, found)
    after = {key: value for key, value in {**found, **changes}.items() if value is not None}
    assert {key: value for key, value in after.items() if key in MANAGED_KEYS} == wanted
    assert {key: value for key, value in after.items() if key not in MANAGED_KEYS} == {
        key: value for key, value in found.items() if key not in MANAGED_KEYS
    }
    assert desired.changes(wanted, after) == {}


def test_needs_of_a_new_family() -> None:
    world = make_world(family=family(topics=[topic(), topic("audit", partitions=1)]))
    needed = desired.needs(world, {})
    assert [(spec.name, spec.partitions, spec.factor) for spec in needed.create] == [(EVENTS, 4, 3), (AUDIT, 1, 3)]
    assert needed.create[0].configs == PLAIN
    assert (needed.grow, needed.alter) == ({}, {})
    assert needed
    assert desired.without_new(needed) == Needs((), {}, {})
    one_made = Results(created={EVENTS: "x"})
    assert desired.after({}, needed, one_made) == {EVENTS: Seen("x", 4, PLAIN)}


def test_needs_of_what_is_there() -> None:
    world = make_world(family=family(topics=[topic(partitions=6), topic("audit"), topic("lost")]))
    seen = {EVENTS: Seen("a", 4, PLAIN | {"segment.ms": "5"}), AUDIT: Seen("b", 4, PLAIN)}
    needed = desired.needs(world, seen, unknown=[PREFIX + "lost"])
    assert needed == Needs((), {EVENTS: 6}, {EVENTS: {"segment.ms": None}})
    rest = desired.needs(world, seen, unknown=[EVENTS])
    assert [spec.name for spec in rest.create] == [PREFIX + "lost"], "what is unknown stops nothing else"
    assert (rest.grow, rest.alter) == ({}, {})


@given(families(), st.integers(1, 2000))
def test_what_is_done_needs_no_more(declared: dict[str, Any], there: int) -> None:
    world = make_world(family=declared)
    seen = {EVENTS: Seen("a", there, {"retention.ms": "7", "segment.ms": "8"})}
    needed = desired.needs(world, seen)
    after = desired.after(seen, needed, Results())
    left = {key: value for key, value in (seen[EVENTS].configs | needed.alter[EVENTS]).items() if value is not None}
    assert not desired.needs(world, {EVENTS: Seen("a", after[EVENTS].partitions, left)})
    made = desired.needs(world, {})
    assert not desired.needs(world, desired.after({}, made, Results(created={EVENTS: "x"})))


def test_after_what_failed() -> None:
    needed = desired.needs(
        make_world(family=family(topics=[topic(partitions=6), topic("audit")])), {EVENTS: Seen("a", 4, {})}
    )
    error = Invalid("X", "x")
    after = desired.after({EVENTS: Seen("a", 4, {})}, needed, Results(failed={EVENTS: error, AUDIT: error}))
    assert after == {EVENTS: Seen("a", 4, {})}


def with_status(world_family: dict[str, Any], *topics: dict[str, Any]) -> dict[str, Any]:
    return {**world_family, "status": {"topics": list(topics)}}


def entry(name: str, topic_id: str = "a", topic_name: str | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "topicName": topic_name or PREFIX + name, "topicId": topic_id, "partitions": 4, **more}


def test_topics_made_anew() -> None:
    declared = with_status(
        family(), entry("events", "old"), entry("gone"), {"name": "new", "topicName": PREFIX + "new"}
    )
    world = make_world(family=declared)
    assert desired.made_anew(world, {EVENTS: Seen("new", 4, {}), PREFIX + "new": Seen("x", 1, {})}) == [EVENTS]
    assert desired.made_anew(world, {EVENTS: Seen("old", 4, {})}) == []


def test_what_left_the_spec() -> None:
    left = (
        entry("events"),
        entry("audit", "b"),
        entry("loot", "c", "support.agents.secrets.events"),
        entry("gone", "d"),
    )
    seen = {EVENTS: Seen("a", 4, {}), AUDIT: Seen("b2", 4, {}), "support.agents.secrets.events": Seen("c", 1, {})}
    keeps = make_world(family=with_status(family(), *left))
    assert desired.to_delete(keeps, seen) == {}
    assert [one["name"] for one in desired.topic_statuses(keeps, seen)] == ["events", "audit"]
    assert desired.ready_message(keeps, seen) == f"1 topic is as declared; kept though no longer declared: {AUDIT}"
    deletes = make_world(family=with_status(family(deletionPolicy="Delete"), *left))
    assert desired.to_delete(deletes, seen) == {AUDIT: "b2"}


def test_topic_statuses() -> None:
    declared = family(
        topics=[topic(), topic("audit"), topic("facts", compaction="KeepLatest")], retention={"bytes": "1000"}
    )
    seen = {EVENTS: Seen("a", 8, {}), PREFIX + "facts": Seen("f", 4, {})}
    assert desired.topic_statuses(make_world(family=declared), seen) == [
        entry("events", partitions=8, retentionBytesPerPartition=125),
        {"name": "audit", "topicName": AUDIT, "partitions": 0},
        entry("facts", "f"),
    ]
    assert desired.ready_message(make_world(family=declared), seen) == "3 topics are as declared"


def test_status_of_a_ready_family() -> None:
    obj = family()
    obj["metadata"]["generation"] = 3
    seen = {EVENTS: Seen("a", 4, {})}
    status = desired.status(obj, make_world(family=obj), ready("fine"), seen, NOW)
    assert status["observedGeneration"] == 3
    assert {one["observedGeneration"] for one in status["conditions"]} == {3}
    assert desired.status(family(), make_world(), ready("fine"), seen, NOW)["observedGeneration"] == 0
    assert {one["type"]: one["status"] for one in status["conditions"]}["Ready"] == "True"
    assert status["topics"] == [entry("events")]
    assert [one["state"] for one in status["enforcement"] if one["path"] == "spec.retention.time"] == ["Enforced"]
    again = desired.status({**obj, "status": status}, make_world(family=obj), ready("fine"), seen, datetime.now(UTC))
    assert again == status, "time alone changes nothing"


def test_status_keeps_what_it_knew() -> None:
    obj = with_status(family(), entry("events"))
    obj["status"]["enforcement"] = [{"path": "spec.x", "state": "Enforced"}]
    unread = desired.status(obj, None, refused("InvalidSpec", "words"), None, NOW)
    assert unread["topics"] == [entry("events")]
    assert unread["enforcement"] == [{"path": "spec.x", "state": "Enforced"}]
    unasked = desired.status(obj, make_world(family=obj), refused("X", "words"), None, NOW)
    assert unasked["topics"] == [entry("events")]
    assert {one["state"] for one in unasked["enforcement"]} == {"Unverified", "DependsOnProducer", "Unsupported"}
    assert "topics" not in desired.status(family(), None, refused("X", "words"), None, NOW)


def test_a_world_without_handshake_has_no_prefix() -> None:
    world = make_world(tenant={**teams.tenant(namespaces=[{"name": "others"}]), "status": teams.ACCEPTED})
    with pytest.raises(ValueError, match="no segment"):
        world.prefix()
    with pytest.raises(ValueError, match="is not there"):
        _ = make_world(tenant=None).frame.cluster_key
