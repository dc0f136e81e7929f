"""What a cluster says and does by the places where its data rests."""

from typing import Any

import pytest

from agentmemory.clusters import policy, status
from agentmemory.clusters.world import World
from agentmemory.domain.regions import Place
from agentmemory.engines import places
from agentmemory.engines.places import REGION_LABEL, View, Volume
from tests.clusters.test_policy import world
from tests.engines.builders import cluster_model
from tests.engines.test_places import EU, KEY, LABELS, THERE, US, bucket, external, region, view


def of(seen: View, **parts: Any) -> World:
    """A cluster's world with this view."""
    return world(cluster=seen.cluster, view=seen, **parts)


@pytest.mark.parametrize("label", [EU, US])
def test_a_region_that_contradicts_itself(label: str) -> None:
    found = policy.region_is_consistent(of(view(region(nodeLabels={REGION_LABEL: label}))))
    assert (found is None) == (label == EU)
    if found is not None:
        assert (found.kind, found.reason) == ("Refused", "RegionContradiction")
        assert f"declares {EU}, and spec.region.nodeLabels names machines of {US}; name those" in found.message


def test_brokers_that_somebody_else_runs_elsewhere() -> None:
    refused = policy.region_trouble(external(f"b-1.x.kafka.{US}.amazonaws.com:9098"))
    assert refused is not None
    assert (refused.kind, refused.reason) == ("Refused", "RegionViolated")
    assert f"rests in {US}" in refused.message
    assert policy.region_trouble(external("kafka.example.com:9092")) is None
    assert policy.region_trouble(cluster_model()) is None


def test_a_bucket_elsewhere_holds_everything_up_and_a_machine_does_not() -> None:
    seen = view(buckets={"data": bucket(US)})
    found = policy.first(policy.GATES, of(seen, pods={}))
    assert found is not None
    assert found.message.startswith(
        f"MemoryCluster data/mem declares {EU}; its Bucket/data rests in {US} (GetBucketLocation); move the data"
    )
    on = view(pods={"mem-0": "n1"}, machines={"n1": THERE}, volumes={"mem-0": Volume(EU)})
    assert policy.first(policy.GATES, of(on, pods={})) is None
    judged = policy.judge(of(on, places=places.find(on)))
    assert (judged.kind, judged.reason) == ("Stalled", "RegionViolated")
    assert f"its Node/n1 rests in {US} (label {REGION_LABEL}); its Volume/mem-0 rests in {US}" in judged.message


def test_a_volume_of_another_region_holds_everything_up() -> None:
    found = policy.data_stays_in_region(of(view(volumes={"mem-0": Volume(US)})))
    assert found is not None
    assert (found.kind, found.reason) == ("Refused", "RegionViolated")
    assert f"its Volume/mem-0 rests in {US} (the region for which it was first used" in found.message
    assert policy.data_stays_in_region(world()) is None
    assert policy.nodes_are_in_region(world()) is None


GATED = {"metadata": {"generation": 3}}


def test_the_status_of_what_is_held_up_names_what_is_wrong_and_keeps_the_rest() -> None:
    known = [
        {"name": "Node/n1", "state": "Verified", "by": "x", "region": EU},
        {"name": "Bucket/data", "state": "Declared", "by": "y"},
    ]
    made = of(view(buckets={"data": bucket(US)}))
    found = policy.first(policy.GATES, made)
    assert found is not None
    told = status.of_gate({**GATED, "status": {"places": known}}, made, found)
    assert told["places"] == [
        {"name": "Bucket/data", "state": "Violated", "by": "GetBucketLocation", "region": US},
        known[0],
    ]
    assert "places" not in status.of_gate(GATED, world(), found)
    mended = of(view(buckets={"data": bucket(EU)}, volumes={"mem-0": Volume(EU)}))
    assert status.of_gate({**GATED, "status": {"places": told["places"]}}, mended, found)["places"] == [
        {"name": "Bucket/data", "state": "Verified", "by": "GetBucketLocation", "region": EU},
        known[0],
    ], "a bucket that was mended; nothing of a volume whose machine was not looked at"
    assert status.of_gate({**GATED, "status": {"places": known}}, world(), found)["places"] == [known[1], known[0]]


ENTRIES: dict[str, tuple[tuple[Place, ...], str, str]] = {
    "nothing looked at": ((), "Unverified", "no place has been looked at yet"),
    "all proven": ((Place("Node/n1", EU, "Verified", "label"),), "Enforced", ""),
    "one not": (
        (Place("Node/n1", EU, "Verified", "label"), Place("Volume/mem-0", None, "Declared", "?")),
        "Unverified",
        "nothing proves the region of: Volume",
    ),
    "one wrong": ((Place("Node/n1", US, "Violated", "label"),), "Unverified", f"its Node/n1 rests in {US} (label)"),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_what_becomes_of_the_declared_region(case: str) -> None:
    found, state, words = ENTRIES[case]
    entries = {entry.path: entry for entry in status.enforcement(cluster_model(region={"name": EU}), found)}
    assert set(entries) == {"spec.replication.factor", "spec.replication.minInSync", "spec.region.name"}
    assert entries["spec.region.name"].state == state
    assert words in entries["spec.region.name"].reason


def test_what_becomes_of_each_part_of_the_region() -> None:
    full = region(nodeLabels=LABELS, kmsKeyId=KEY, endpoints=["*.storage.svc"]).to_dict()
    paths = {
        entry.path: entry.state for entry in status.enforcement(cluster_model(region=full)) if "region" in entry.path
    }
    assert paths == {
        "spec.region.name": "Unverified",
        "spec.region.nodeLabels": "Enforced",
        "spec.region.kmsKeyId": "Enforced",
        "spec.region.endpoints": "Enforced",
    }
    theirs = status.region_entries(external("k:1"), ())
    assert [entry.path for entry in theirs] == ["spec.region.name"]


def test_places_fit_the_schema() -> None:
    (made,) = status.places_of([Place("Node/" + "n" * 300, "r" * 80, "Violated", "b" * 600)])["places"]
    assert (len(made["name"]), len(made["region"]), len(made["by"])) == (253, 63, 512)
    assert status.places_of([]) == {}
