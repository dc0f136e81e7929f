"""No declaration without an entry, and no entry that claims too much."""

from typing import Any

import pytest

from agentmemory.api.topicfamily import TopicFamilySpec
from agentmemory.families.enforcement import entries
from tests import teams
from tests.families.worlds import make_world
from tests.teams import family, topic

FULL = family(
    topics=[topic(eventTypes=["prompt"])],
    retention={"time": "720h", "bytes": "1Gi"},
    erasure={"method": "Expiry", "maxDelay": "900h"},
    residency={"regions": ["eu-central-1"]},
    classification={"level": "confidential", "regulations": ["GDPR"]},
    objectives={"freshness": "5s"},
    throughput={"expected": "1Mi"},
)
# These say who and where; they promise nothing about data.
NO_PROMISE = {"tenantRef", "owner"}


def states(declared: dict[str, Any], *, in_place: bool = True, **frame: Any) -> dict[str, str]:
    return {one.path: one.state for one in entries(make_world(family=declared, **frame), in_place=in_place)}


def test_every_declaration_has_an_entry() -> None:
    fields = {field.alias or name for name, field in TopicFamilySpec.model_fields.items()} - NO_PROMISE
    found = {path.split(".")[1] for path in states(FULL)}
    assert found == fields


def test_states_of_a_full_family() -> None:
    assert states(FULL) == {
        "spec.topics.partitions": "Enforced",
        "spec.topics.compaction": "Enforced",
        "spec.topics.key": "DependsOnProducer",
        "spec.topics.eventTypes": "DependsOnProducer",
        "spec.deletionPolicy": "Enforced",
        "spec.retention.time": "Enforced",
        "spec.retention.bytes": "Enforced",
        "spec.maxEventBytes": "Enforced",
        "spec.timestamps": "Enforced",
        "spec.compression": "Enforced",
        "spec.erasure": "Enforced",
        "spec.residency.regions": "Unverified",
        "spec.priority": "Unsupported",
        "spec.classification": "Unsupported",
        "spec.objectives.freshness": "Unsupported",
        "spec.throughput": "Unsupported",
    }


def test_nothing_is_enforced_that_is_not_in_place() -> None:
    found = states(FULL, in_place=False)
    assert "Enforced" not in found.values()
    assert found["spec.retention.time"] == "Unverified"
    assert found["spec.priority"] == "Unsupported"


EXTERNAL = teams.cluster(
    engine="external", external={"bootstrapServers": "k:9092", "credentialsSecretRef": {"name": "c"}}, region=None
)
ERASURES: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "kafka": (FULL, {}, "Enforced", "= 889h6m"),
    "external": (FULL, {"cluster": EXTERNAL}, "Unverified", "= 889h6m"),
    "tombstone": (
        family(topics=[topic(compaction="KeepLatest")], erasure={"method": "Tombstone", "maxDelay": "72h"}),
        {},
        "DependsOnProducer",
        "= 72h",
    ),
    "shred": (family(erasure={"method": "CryptoShred", "maxDelay": "72h"}), {}, "Unsupported", ""),
}


@pytest.mark.parametrize("case", ERASURES)
def test_erasure(case: str) -> None:
    declared, frame, state, words = ERASURES[case]
    (found,) = [
        one for one in entries(make_world(family=declared, **frame), in_place=True) if one.path == "spec.erasure"
    ]
    assert found.state == state
    assert found.mechanism.endswith(words)


def test_what_is_not_declared_has_no_entry() -> None:
    assert "spec.retention.time" not in states(family(retention={"bytes": "1Gi"}))
    bare = family(topics=[topic(key="none")], retention={"time": "1h"}, objectives={})
    found = states(bare, cluster=None)
    assert not set(found) & {
        "spec.topics.key",
        "spec.topics.eventTypes",
        "spec.retention.bytes",
        "spec.erasure",
        "spec.residency.regions",
        "spec.objectives.freshness",
        "spec.throughput",
        "spec.classification",
    }


def test_retention_says_what_it_does_not_touch_and_whose_clock() -> None:
    declared = family(
        topics=[topic(), topic("facts", compaction="KeepLatest")], timestamps="LogAppendTime", deletionPolicy="Delete"
    )
    found = {one.path: one for one in entries(make_world(family=declared), in_place=True)}
    assert "broker's timestamps" in found["spec.retention.time"].reason
    assert "compacted topics (facts)" in found["spec.retention.time"].reason
    assert "finalizer" in found["spec.deletionPolicy"].mechanism


def test_many_topics_with_long_names_fit_the_schema() -> None:
    many = family(topics=[topic(f"{'x' * 60}-{n}", compaction="KeepLatest") for n in range(10, 42)])
    assert all(len(one.reason) <= 1024 for one in entries(make_world(family=many), in_place=True))


PLACES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Enforced": (("Bucket/data", "eu-central-1", "Verified"), ("Node/n1", "eu-central-1", "Verified")),
    "one is only declared": (("Bucket/data", "eu-central-1", "Verified"), ("Volume/agents-0", "", "Declared")),
    "one is elsewhere": (("Bucket/data", "us-east-1", "Violated"), ("Node/n1", "eu-central-1", "Verified")),
    "none": (),
}


@pytest.mark.parametrize("case", PLACES)
def test_residency_by_the_places_of_the_cluster(case: str) -> None:
    words = {
        "Enforced": "",
        "one is only declared": "the region of: Volume (status.places of MemoryCluster memory-system/agents)",
        "one is elsewhere": "its Bucket/data rests in us-east-1 (why)",
        "none": "no place where its data rests has been looked at yet",
    }
    places = [
        {"name": name, "state": state, "by": "why"} | ({"region": region} if region else {})
        for name, region, state in PLACES[case]
    ]
    cluster = {**teams.cluster(), "status": {**teams.running(), "places": places}}
    world = make_world(family=FULL, cluster=cluster)
    (found,) = [one for one in entries(world, in_place=True) if one.path == "spec.residency.regions"]
    assert found.state == (case if case == "Enforced" else "Unverified")
    assert "its cluster declares eu-central-1" in found.mechanism
    assert words[case] in found.reason
    (doubted,) = [one for one in entries(world, in_place=False) if one.path == "spec.residency.regions"]
    assert doubted.state == "Unverified"


def test_residency_without_a_cluster() -> None:
    world = make_world(family=FULL, cluster=None)
    (found,) = [one for one in entries(world, in_place=True) if one.path == "spec.residency.regions"]
    assert (found.state, found.reason) == ("Unverified", "its cluster is not there")


def test_residency_says_what_the_cluster_declares() -> None:
    for cluster, words in ((teams.cluster(), "eu-central-1"), ({**EXTERNAL}, "no region")):
        world = make_world(family=FULL, cluster=cluster)
        (found,) = [one for one in entries(world, in_place=True) if one.path == "spec.residency.regions"]
        assert words in found.mechanism
