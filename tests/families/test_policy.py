"""Every check of a family, with one accepted and one refused world each."""

import re
from typing import Any

import pytest

from agentmemory.families import policy
from agentmemory.families.model import Seen
from tests import teams
from tests.families.worlds import make_world
from tests.teams import PREFIX, TEAM, family, topic

EVENTS = PREFIX + "events"
ENDING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def ending(obj: dict[str, Any]) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], **ENDING}}


def accepted(obj: dict[str, Any]) -> dict[str, Any]:
    return {**obj, "status": teams.ACCEPTED}


def up(obj: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {**obj, "status": {**teams.running(), **status}}


def refused_tenant() -> dict[str, Any]:
    return {**teams.tenant(), "status": {"conditions": teams.conditions(Accepted="False")}}


EXTERNAL = {
    "engine": "external",
    "external": {"bootstrapServers": "k:9092", "credentialsSecretRef": {"name": "creds"}},
}


def elsewhere(name: str, by: str) -> dict[str, Any]:
    """A place of the cluster that was found in another region."""
    return {"name": name, "region": "us-east-1", "state": "Violated", "by": by}


# what: the world, kind and reason of the finding, words that must be in its message
REFUSALS: dict[str, tuple[dict[str, Any], str, str, tuple[str, ...]]] = {
    "unreadable": ({"unreadable": "MemoryTenant a/b: x"}, "Stalled", "FrameInvalid", ("MemoryTenant a/b",)),
    "no tenant": ({"tenant": None}, "Progressing", "TenantNotFound", ("memory-system/support", "create it")),
    "tenant ends": ({"tenant": accepted(ending(teams.tenant()))}, "Stalled", "TenantTerminating", ("being deleted",)),
    "handshake": (
        {"tenant": accepted(teams.tenant(namespaces=[{"name": "others"}]))},
        "Refused",
        "NamespaceNotAllowed",
        ("support-agents", "spec.namespaces"),
    ),
    "tenant unseen": ({"tenant": teams.tenant()}, "Progressing", "TenantNotReady", ("has not been looked at",)),
    "tenant refused": ({"tenant": refused_tenant()}, "Stalled", "TenantRefused", ("words",)),
    "priority": (
        {"family": family(priority="deferrable")},
        "Refused",
        "PriorityNotAllowed",
        ("deferrable", "standard, critical", "ask the tenant's owner"),
    ),
    "crypto-shred": (
        {"family": family(erasure={"method": "CryptoShred", "maxDelay": "72h"})},
        "Refused",
        "ErasureUnsupported",
        ("CryptoShred", "take Expiry"),
    ),
    "merging": (
        {
            "family": family(
                topics=[topic(compaction="KeepLatestAndExpire")], erasure={"method": "Expiry", "maxDelay": "900h"}
            )
        },
        "Refused",
        "ErasureUndecidable",
        ("topic events", "take Tombstone"),
    ),
    "too soon": (
        {"family": family(retention={"time": "720h"}, erasure={"method": "Expiry", "maxDelay": "722h"})},
        "Refused",
        "ErasureBoundExceeded",
        ("retention.time 720h + segment.ms 1h", "= 722h6m", "maxDelay 722h", "raise maxDelay to 722h6m", "shorten"),
    ),
    "tombstones too soon": (
        {"family": family(topics=[topic(compaction="KeepLatest")], erasure={"method": "Tombstone", "maxDelay": "2h"})},
        "Refused",
        "ErasureBoundExceeded",
        ("max.compaction.lag.ms 1h", "= 3h1m", "raise maxDelay to 3h1m"),
    ),
    "no cluster": ({"cluster": None}, "Progressing", "ClusterNotFound", ("memory-system/agents", "create it")),
    "cluster ends": ({"cluster": up(ending(teams.cluster()))}, "Stalled", "ClusterTerminating", ("being deleted",)),
    "cluster starts": (
        {"cluster": up(teams.cluster(), bootstrapped=False)},
        "Progressing",
        "ClusterNotReady",
        ("has not come up yet: words",),
    ),
    "cluster without words": (
        {"cluster": teams.cluster()},
        "Progressing",
        "ClusterNotReady",
        ("MemoryCluster memory-system/agents has not come up yet",),
    ),
    "external unseen": (
        {"cluster": teams.cluster(**EXTERNAL)},
        "Progressing",
        "ClusterNotReady",
        ("has not come up yet",),
    ),
    "region not allowed": (
        {"family": family(residency={"regions": ["eu-central-1", "us-east-1"]})},
        "Refused",
        "RegionNotAllowed",
        (
            f"TopicFamily {TEAM}/trail allows eu-central-1, us-east-1; its tenant memory-system/support allows "
            "eu-central-1, and not us-east-1; name allowed regions",
        ),
    ),
    "no region at all": (
        {
            "family": family(residency={"regions": ["eu-central-1"]}),
            "cluster": up({**teams.cluster(), "spec": {"engine": "kafka"}}),
        },
        "Refused",
        "RegionNotAllowed",
        ("none, since its cluster declares no region",),
    ),
    "cluster elsewhere": (
        {
            "family": family(residency={"regions": ["us-east-1"]}),
            "tenant": accepted(teams.tenant(regions=["us-east-1", "eu-central-1"])),
        },
        "Refused",
        "RegionNotAllowed",
        (
            f"TopicFamily {TEAM}/trail allows us-east-1; its tenant memory-system/support allows eu-central-1, "
            "us-east-1; its cluster memory-system/agents declares eu-central-1; use a tenant",
        ),
    ),
    "cluster nowhere": (
        {
            "family": family(residency={"regions": ["us-east-1"]}),
            "tenant": accepted(teams.tenant(regions=["us-east-1"])),
            "cluster": up({**teams.cluster(), "spec": {"engine": "kafka"}}),
        },
        "Refused",
        "RegionNotAllowed",
        ("its cluster memory-system/agents declares no region",),
    ),
    "an alias of the region": (
        {
            "family": family(residency={"regions": ["eu"]}),
            "tenant": accepted(teams.tenant(regions=["eu", "eu-central-1"])),
        },
        "Refused",
        "RegionNotAllowed",
        ("declares eu-central-1",),
    ),
    "a bucket elsewhere": (
        {
            "family": family(residency={"regions": ["eu-central-1"]}),
            "cluster": up(teams.cluster(), places=[elsewhere("Bucket/data", "GetBucketLocation")]),
        },
        "Refused",
        "RegionViolated",
        (
            f"TopicFamily {TEAM}/trail allows eu-central-1; its tenant memory-system/support allows eu-central-1; its "
            "cluster memory-system/agents declares eu-central-1; its Bucket/data rests in us-east-1 "
            "(GetBucketLocation); move the data",
        ),
    ),
    "many places elsewhere": (
        {
            "family": family(residency={"regions": ["eu-central-1"]}),
            "cluster": up(teams.cluster(), places=[elsewhere(f"Node/n{n}", "label") for n in range(5)]),
        },
        "Refused",
        "RegionViolated",
        ("its Node/n2 rests in us-east-1 (label); and 2 more (status.places)",),
    ),
    "compacted and tiered": (
        {
            "family": family(topics=[topic(compaction="KeepLatest")]),
            "cluster": up(teams.cluster(engine="kafka-tiered", tiering={"bucketRef": {"name": "segments"}})),
        },
        "Refused",
        "CompactionUnsupported",
        ("topic events", "take compaction None"),
    ),
    "hot and not tiered": (
        {"family": family(retention={"time": "240h", "hot": "24h"})},
        "Refused",
        "HotWindowUnsupported",
        ("remove retention.hot",),
    ),
}

ACCEPTED: dict[str, dict[str, Any]] = {
    "plain": {},
    "old verdict": {"tenant": accepted(teams.tenant()) | {"metadata": {**teams.tenant()["metadata"], "generation": 9}}},
    "critical": {"family": family(priority="critical")},
    "expiry": {"family": family(retention={"time": "720h"}, erasure={"method": "Expiry", "maxDelay": "900h"})},
    "expiry of the brokers' clock": {
        "family": family(
            retention={"time": "720h"}, erasure={"method": "Expiry", "maxDelay": "722h"}, timestamps="LogAppendTime"
        )
    },
    "tombstones": {
        "family": family(
            topics=[topic(compaction="KeepLatestAndExpire")], erasure={"method": "Tombstone", "maxDelay": "72h"}
        )
    },
    "no promise, a bucket elsewhere": {
        "cluster": up(teams.cluster(), places=[elsewhere("Bucket/data", "GetBucketLocation")])
    },
    "a place that nothing proves": {
        "family": family(residency={"regions": ["eu-central-1"]}),
        "cluster": up(teams.cluster(), places=[{"name": "Node/n1", "state": "Declared", "by": "no label"}]),
    },
    "own region": {"family": family(residency={"regions": ["eu-central-1"]})},
    "external": {"cluster": up(teams.cluster(**EXTERNAL), bootstrapped=False)},
    "degraded cluster": {"cluster": {**teams.cluster(), "status": teams.running(ready="False")}},
}


@pytest.mark.parametrize("case", REFUSALS)
def test_findings(case: str) -> None:
    parts, kind, reason, words = REFUSALS[case]
    found = policy.judge(make_world(**parts))
    assert found is not None
    assert (found.kind, found.reason) == (kind, reason)
    assert all(word in found.message for word in words), found.message


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str) -> None:
    assert policy.judge(make_world(**ACCEPTED[case])) is None


def test_every_check_is_met() -> None:
    met = {check for parts, *_ in REFUSALS.values() for check in policy.CHECKS if check(make_world(**parts))}
    assert met == set(policy.CHECKS)


def test_names_that_the_api_once_let_through() -> None:
    world = make_world()
    metadata = world.family.metadata
    dotted = world.family.model_copy(update={"metadata": metadata.model_copy(update={"name": "a.b"})})
    found = policy.topic_names_are_valid(type(world)(dotted, world.frame))
    assert found is not None
    assert found.reason == "InvalidName"
    assert "'a.b' must be a DNS label" in found.message


def test_names_that_are_too_long() -> None:
    world = make_world()
    for length, fits in ((249, True), (250, False)):
        long = world.family.spec.topics[0].model_copy(update={"name": "x" * (length - len(PREFIX))})
        spec = world.family.spec.model_copy(update={"topics": (long,)})
        found = policy.topic_names_are_valid(type(world)(world.family.model_copy(update={"spec": spec}), world.frame))
        assert (found is None) == fits
        assert found is None or (found.kind, found.reason) == ("Refused", "InvalidName")
        assert found is None or "more than 249 characters" in found.message


def test_checks_that_find_nothing_to_look_at() -> None:
    """Each check stands alone: what an earlier one would have refused is passed over, not met with a crash."""
    world = make_world(tenant=None, cluster=None, family=family(residency={"regions": ["eu-central-1"]}))
    assert policy.priority_is_allowed(world) is None
    assert policy.region_is_allowed(world) is None
    for gone in ("tenant", "cluster"):
        half = make_world(family=family(residency={"regions": ["eu-central-1"]}), **{gone: None})
        assert policy.region_is_allowed(half) is None
    assert policy.enough_brokers(world, ()) is None


def test_no_bound_without_a_promise_that_can_be_computed() -> None:
    assert policy.erasure_bound(make_world()) is None
    shred = family(erasure={"method": "CryptoShred", "maxDelay": "72h"})
    assert policy.erasure_bound(make_world(family=shred)) is None


@pytest.mark.parametrize(
    ("compaction", "method", "way_out"),
    [
        ("None", "Expiry", r"raise maxDelay to [0-9hms]+ or shorten retention\.time"),
        ("KeepLatest", "Tombstone", r"raise maxDelay to [0-9hms]+"),
    ],
)
def test_only_expiry_is_mended_by_a_shorter_retention(compaction: str, method: str, way_out: str) -> None:
    declared = family(
        topics=[topic(compaction=compaction)],
        retention={"time": "2h"},
        erasure={"method": method, "maxDelay": "2h"},
    )
    found = policy.erasure_can_hold(make_world(family=declared))
    assert found is not None
    assert re.fullmatch(way_out, found.message.rpartition("; ")[2])


@pytest.mark.parametrize(
    ("brokers", "known", "expected"),
    [(3, (), None), (2, (EVENTS,), None), (2, (), "NotEnoughBrokers"), (0, (), "NotEnoughBrokers")],
)
def test_enough_brokers(brokers: int, known: tuple[str, ...], expected: str | None) -> None:
    world = make_world(cluster={**teams.cluster(), "status": teams.running(brokers)})
    found = policy.enough_brokers(world, known)
    assert (found.reason if found else None) == expected
    if found:
        assert f"needs 3 brokers (spec.replication.factor of MemoryCluster memory-system/agents), {brokers} are" in (
            found.message
        )


def test_nobody_counts_the_brokers_of_an_external_cluster() -> None:
    assert (
        policy.enough_brokers(make_world(cluster=up(teams.cluster(**EXTERNAL), brokers={"registered": 0})), ()) is None
    )


def test_partitions_that_shrink() -> None:
    world = make_world(family=family(topics=[topic(), topic("audit"), topic("new")]))
    seen = {EVENTS: Seen("a", 5, {}), PREFIX + "audit": Seen("b", 4, {})}
    found = policy.partitions_that_shrink(world, seen)
    assert list(found) == [EVENTS]
    assert found[EVENTS].reason == "PartitionsCannotShrink"
    assert "has 5 partitions, spec.topics[events].partitions is 4" in found[EVENTS].message
    lone = make_world(family=family(topics=[topic(partitions=1)]))
    assert policy.partitions_that_shrink(lone, {}) == {}


DELETE = family(deletionPolicy="Delete")

KEPT: dict[str, tuple[dict[str, Any], str | None]] = {
    "deletes": ({"family": DELETE}, None),
    "retain": ({}, "Retain"),
    "unreadable": ({"family": DELETE, "unreadable": "cannot be read"}, "cannot be read"),
    "no tenant": ({"family": DELETE, "tenant": None}, "is gone"),
    "tenant ends": ({"family": DELETE, "tenant": accepted(ending(teams.tenant()))}, None),
    "not listed": (
        {"family": DELETE, "tenant": accepted(teams.tenant(namespaces=[{"name": "others"}]))},
        "does not list",
    ),
    "no cluster": ({"family": DELETE, "cluster": None}, "is gone or going"),
    "cluster ends": ({"family": DELETE, "cluster": up(ending(teams.cluster()))}, "is gone or going"),
    "never came up": ({"family": DELETE, "cluster": teams.cluster()}, "has not come up"),
}


@pytest.mark.parametrize("case", KEPT)
def test_nothing_to_delete(case: str) -> None:
    parts, expected = KEPT[case]
    why = policy.nothing_to_delete(make_world(**parts))
    assert (why is None) == (expected is None)
    assert expected is None or expected in str(why)


def test_nothing_to_delete_under_an_impossible_name() -> None:
    world = make_world(family=DELETE)
    metadata = world.family.metadata.model_copy(update={"name": "a.b"})
    found = policy.nothing_to_delete(type(world)(world.family.model_copy(update={"metadata": metadata}), world.frame))
    assert found is not None
    assert "DNS label" in found
