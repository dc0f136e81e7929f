"""Where a cluster's data rests, from all that shows it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.api.base import parse
from agentmemory.api.memorybucket import MemoryBucket
from agentmemory.api.memorycluster import MemoryCluster, Region
from agentmemory.domain.regions import Place
from agentmemory.engines import places, residency
from agentmemory.engines.places import REGION_LABEL, Machine, View, Volume
from tests.engines.builders import cluster_model

EU, US = "eu-central-1", "us-east-1"
KEY = f"arn:aws:kms:{EU}:111122223333:key/1234"
LABELS = {"datacenter": "fra1"}


def region(**fields: Any) -> Region:
    return Region.model_validate({"name": EU, **fields})


def bucket(found: str | None = None, *, encryption: dict[str, Any] | None = None, **s3: Any) -> MemoryBucket:
    where = s3.pop("region", EU)
    metadata = {"name": "data", "namespace": "data"}
    spec = {"purpose": "Data", "region": where, "s3": s3} | ({"encryption": encryption} if encryption else {})
    return parse(MemoryBucket, {"metadata": metadata, "spec": spec, "status": {"region": found} if found else {}})


def view(declared: Region | None = None, **parts: Any) -> View:
    declared = declared or region()
    return View(cluster_model(region=declared.to_dict()), declared, **parts)


def only(found: View) -> Place:
    (place,) = places.find(found)
    return place


NO_LABEL = "neither a label topology.kubernetes.io/region"
MACHINES: dict[str, tuple[Machine, dict[str, str], str, str | None, str]] = {
    "labelled": (Machine({REGION_LABEL: EU}), {}, "Verified", EU, f"label {REGION_LABEL}"),
    "labelled, another way of writing": (Machine({REGION_LABEL: "EU-Central-1"}), {}, "Verified", "EU-Central-1", ""),
    "labelled elsewhere": (Machine({REGION_LABEL: US}), {}, "Violated", US, f"label {REGION_LABEL}"),
    "an alias": (Machine({REGION_LABEL: "eu"}), {}, "Violated", "eu", ""),
    "its cloud's word": (Machine(provider_id="aws:///eu-central-1a/i-1"), {}, "Verified", EU, "spec.providerID"),
    "a label against its cloud's word": (
        Machine({REGION_LABEL: EU}, "aws:///us-east-1b/i-1"),
        {},
        "Violated",
        US,
        "the zone in spec.providerID",
    ),
    "claimed by labels, and labelled elsewhere": (
        Machine({REGION_LABEL: US, **LABELS}),
        LABELS,
        "Violated",
        US,
        f"label {REGION_LABEL}",
    ),
    "claimed by labels alone": (Machine(LABELS), LABELS, "Declared", EU, "spec.region.nodeLabels (datacenter=fra1)"),
    "without the claimed labels": (Machine({"datacenter": "iad1"}), LABELS, "Violated", None, "lacks labels of"),
    "labelled, without the claimed labels": (Machine({REGION_LABEL: EU}), LABELS, "Verified", EU, ""),
    "bare": (Machine(), {}, "Declared", None, NO_LABEL),
    "unreadable": (Machine(fault="no right"), LABELS, "Declared", None, "no right"),
}


@pytest.mark.parametrize("case", MACHINES)
def test_machines(case: str) -> None:
    machine, labels, state, found, by = MACHINES[case]
    place = only(view(region(nodeLabels=labels), pods={"mem-0": "n1"}, machines={"n1": machine}))
    assert (place.name, place.state, place.region) == ("Node/n1", state, found)
    assert by in place.by


def test_a_machine_that_was_not_read() -> None:
    place = only(view(pods={"mem-0": "n1"}))
    assert (place.state, place.by) == ("Declared", "the Node has not been read yet")


HERE, THERE, NOWHERE = Machine({REGION_LABEL: EU}), Machine({REGION_LABEL: US}), Machine()
VOLUMES: dict[str, tuple[Volume, Machine | None, bool, str, str | None, str]] = {
    "bound to a machine's place": (Volume(EU, "n1"), HERE, True, "Verified", EU, "attached to Node/n1: label"),
    "waits for its pod": (Volume(EU, "n1"), HERE, False, "Verified", EU, "attached to Node/n1"),
    "anywhere": (Volume(EU), HERE, True, "Declared", EU, "first used"),
    "anywhere, not marked": (Volume(), HERE, True, "Declared", EU, "does not bind it to a machine's place"),
    "elsewhere": (Volume(EU, "n1"), THERE, True, "Violated", US, "attached to Node/n1: label"),
    "anywhere, on a machine elsewhere": (Volume(EU), THERE, True, "Violated", US, "Node/n1"),
    "first used for another region": (Volume(US, "n1"), HERE, True, "Violated", US, "first used"),
    "nobody knows the machine": (Volume(EU, "n1"), NOWHERE, True, "Declared", EU, "written on the claim"),
    "no machine": (Volume(), None, False, "Declared", None, "nothing else tells"),
}


@pytest.mark.parametrize("case", VOLUMES)
def test_volumes(case: str) -> None:
    volume, machine, runs, state, found, by = VOLUMES[case]
    seen = view(
        pods={"mem-0": "n1"} if runs else {},
        volumes={"mem-0": volume},
        machines={} if machine is None else {"n1": machine},
    )
    place = {place.name: place for place in places.find(seen)}["Volume/mem-0"]
    assert (place.state, place.region) == (state, found)
    assert by in place.by


SSE = {"type": "SSE-KMS", "kmsKeyId": KEY}
OTHER_KEY = {"type": "SSE-KMS", "kmsKeyId": KEY.replace(EU, US)}
BUCKETS: dict[str, tuple[MemoryBucket | None, dict[str, Any], str, str | None, str]] = {
    "found": (bucket(EU), {}, "Verified", EU, "GetBucketLocation"),
    "not asked": (bucket(), {}, "Declared", EU, "the server has not told"),
    "missing": (None, {}, "Declared", None, "MemoryBucket data does not exist"),
    "found elsewhere": (bucket(US), {}, "Violated", US, "GetBucketLocation"),
    "found by an old name": (bucket("EU"), {}, "Violated", "eu-west-1", "GetBucketLocation"),
    "declared elsewhere": (bucket(region=US), {}, "Violated", US, "spec.region of MemoryBucket data"),
    "AWS's host": (bucket(EU, endpoint=f"https://s3.{EU}.amazonaws.com"), {}, "Verified", EU, ""),
    "AWS's host elsewhere": (
        bucket(EU, endpoint=f"https://s3.dualstack.{US}.amazonaws.com:443"),
        {},
        "Violated",
        US,
        "of spec.s3.endpoint",
    ),
    "the global host": (bucket(EU, endpoint="https://s3.amazonaws.com"), {}, "Violated", US, "host s3.amazonaws.com"),
    "acceleration": (
        bucket(EU, endpoint="https://s3-accelerate.amazonaws.com"),
        {},
        "Violated",
        "no single region",
        "s3-accelerate",
    ),
    "another's host": (bucket(EU, endpoint="https://minio.example.com"), {}, "Verified", EU, ""),
    "another's host, not listed": (
        bucket(EU, endpoint="https://minio.example.com"),
        {"endpoints": ["*.storage.svc"]},
        "Violated",
        None,
        "minio.example.com of spec.s3.endpoint is none of spec.region.endpoints",
    ),
    "a listed host": (
        bucket(EU, endpoint="http://S3.storage.svc:7070"),
        {"endpoints": ["*.storage.svc"]},
        "Verified",
        EU,
        "",
    ),
    "a look-alike": (
        bucket(EU, endpoint="https://evil-storage.svc"),
        {"endpoints": ["*.storage.svc"]},
        "Violated",
        None,
        "none of",
    ),
    "AWS's own, listed": (bucket(EU), {"endpoints": [f"s3.{EU}.amazonaws.com"]}, "Verified", EU, ""),
    "AWS's own, not listed": (bucket(EU), {"endpoints": ["minio.example.com"]}, "Violated", None, "none of"),
    "the region's key": (bucket(EU, encryption=SSE), {"kmsKeyId": KEY}, "Verified", EU, ""),
    "the region's key, by its id": (bucket(EU, encryption=SSE), {"kmsKeyId": "1234"}, "Verified", EU, ""),
    "another key": (bucket(EU, encryption=SSE), {"kmsKeyId": "99"}, "Violated", None, "of its cluster is 99"),
    "no key": (bucket(EU), {"kmsKeyId": KEY}, "Violated", None, "kmsKeyId is not given"),
    "a key of another region": (bucket(EU, encryption=OTHER_KEY), {}, "Violated", None, f"is a key of {US}"),
}


@pytest.mark.parametrize("case", BUCKETS)
def test_buckets(case: str) -> None:
    declared, fields, state, found, by = BUCKETS[case]
    place = only(view(region(**fields), buckets={"data": declared}))
    assert (place.name, place.state, place.region) == ("Bucket/data", state, found)
    assert by in place.by


def test_the_default_host_in_china() -> None:
    declared = Region.model_validate({"name": "cn-north-1", "endpoints": ["s3.cn-north-1.amazonaws.com.cn"]})
    assert only(view(declared, buckets={"data": bucket("cn-north-1", region="cn-north-1")})).state == "Verified"


def external(servers: str) -> MemoryCluster:
    given = {"bootstrapServers": servers, "credentialsSecretRef": {"name": "way-in"}}
    return cluster_model(engine="external", external=given, region={"name": EU})


def test_hosts_of_brokers_that_somebody_else_runs() -> None:
    cluster = external(
        f"b-1.x.kafka.{EU}.amazonaws.com:9098,B-2.x.kafka.{US}.amazonaws.com:9098,kafka.example.com:9092"
    )
    found = places.view_of(cluster)
    assert found is not None
    assert [(place.name, place.state, place.region) for place in places.find(found)] == [
        (f"Host/b-1.x.kafka.{EU}.amazonaws.com", "Declared", EU),
        (f"Host/b-2.x.kafka.{US}.amazonaws.com", "Violated", US),
        ("Host/kafka.example.com", "Declared", None),
    ]
    assert places.view_of(cluster_model()) is None


TIERS: dict[str, tuple[dict[str, str], str, str | None, str]] = {
    "nothing said": ({}, "Declared", None, "nothing tells where this class keeps old segments"),
    "nothing that tells": ({"x": "[", "y": "http://[::1", "z": "s3.storage.svc"}, "Declared", None, ""),
    "a region": ({"storage.aws.region": EU}, "Declared", EU, "spec.tiering.properties storage.aws.region; nothing"),
    "no region": ({"storage.aws.region": ""}, "Declared", None, ""),
    "another region": ({"storage.aws.region": US}, "Violated", US, "storage.aws.region"),
    "a host": ({"endpoint": f"https://s3.{EU}.amazonaws.com:443/x"}, "Declared", EU, "endpoint"),
    "a host elsewhere": ({"endpoint": f"https://s3.{US}.amazonaws.com"}, "Violated", US, "endpoint"),
    "a bare host elsewhere": ({"endpoint": "s3.amazonaws.com:443"}, "Violated", US, "endpoint"),
}


@pytest.mark.parametrize("case", TIERS)
def test_segments_that_somebody_elses_class_keeps(case: str) -> None:
    properties, state, found, by = TIERS[case]
    tiering = {"profile": "Custom", "className": "org.x.Rsm", "classPath": "/opt/x/*", "properties": properties}
    cluster = cluster_model(engine="kafka-tiered", tiering=tiering, region={"name": EU})
    place = only(View(cluster, region()))
    assert (place.name, place.state, place.region) == ("Tier/org.x.Rsm", state, found)
    assert by in place.by
    aiven = cluster_model(engine="kafka-tiered", tiering={"bucketRef": {"name": "old"}}, region={"name": EU})
    assert places.find(View(aiven, region())) == ()


def test_every_place_has_its_name_once_and_what_is_wrong_is_never_left_out() -> None:
    nodes = {f"mem-{number}": f"n{number:03}" for number in range(300)}
    machines = dict.fromkeys(nodes.values(), HERE) | {"n299": THERE, "n298": NOWHERE}
    found = places.find(view(pods=nodes, machines=machines))
    assert len(found) == places.MOST
    assert [place.name for place in found] == sorted({place.name for place in found})
    assert {place.name: place.state for place in found if place.state != "Verified"} == {
        "Node/n298": "Declared",
        "Node/n299": "Violated",
    }


def test_machines_that_bear_on_data() -> None:
    seen = view(pods={"mem-0": "n1"}, volumes={"mem-0": Volume(EU, "n7"), "mem-1": Volume(EU, "n2"), "x": Volume()})
    assert seen.on == {"n1", "n2"}


@given(st.lists(st.sampled_from(["buckets", "machines", "volumes"]), max_size=3), st.sampled_from([EU, US, "eu"]))
def test_a_promise_is_kept_for_one_region_only(kinds: list[str], name: str) -> None:
    """Whatever is looked at: what is verified for eu-central-1 is violated for any other name."""
    parts: dict[str, dict[str, Any]] = {
        "buckets": {"buckets": {"data": bucket(EU)}},
        "machines": {"pods": {"mem-0": "n1"}, "machines": {"n1": HERE}},
        "volumes": {"pods": {"mem-0": "n1"}, "machines": {"n1": HERE}, "volumes": {"mem-0": Volume(EU, "n1")}},
    }
    given_parts: dict[str, Any] = {}
    for kind in kinds:
        given_parts |= parts[kind]
    found = places.find(view(Region.model_validate({"name": name}), **given_parts))
    assert {place.state for place in found} <= {"Verified" if name == EU else "Violated"}
    assert bool(found) == bool(kinds)


CONTRADICTIONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "none": ({}, ()),
    "all of the region": (
        {"nodeLabels": {REGION_LABEL: EU}, "kmsKeyId": KEY, "endpoints": [f"s3.{EU}.amazonaws.com", "*.storage.svc"]},
        (),
    ),
    "a key without a region": (
        {"kmsKeyId": "alias/memory", "endpoints": ["*.amazonaws.com", "*.vpce.amazonaws.com"]},
        (),
    ),
    "labels": ({"nodeLabels": {REGION_LABEL: US}}, (f"spec.region.nodeLabels names machines of {US}",)),
    "a key": ({"kmsKeyId": KEY.replace(EU, US)}, (f"spec.region.kmsKeyId is a key of {US}",)),
    "hosts": (
        {"endpoints": ["s3.amazonaws.com", "*.s3.eu-west-1.amazonaws.com"]},
        (
            f"spec.region.endpoints has s3.amazonaws.com, a host of {US}",
            "spec.region.endpoints has *.s3.eu-west-1.amazonaws.com, a host of eu-west-1",
        ),
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_region_that_contradicts_itself(case: str) -> None:
    fields, wrong = CONTRADICTIONS[case]
    declared = region(**fields)
    assert tuple(places.contradictions(declared)) == wrong


@pytest.mark.parametrize(
    ("pattern", "host", "fits"),
    [
        ("*.storage.svc", "s3.storage.svc", True),
        ("*.storage.svc", "storage.svc", False),
        ("*.storage.svc", "a.b.storage.svc", True),
        ("*.storage.svc", "evilstorage.svc", False),
        ("S3.Example.com.", "s3.example.com", True),
        ("s3.example.com", "x.s3.example.com", False),
    ],
)
def test_hosts_that_are_listed(pattern: str, host: str, fits: bool) -> None:
    assert places.matches(pattern, host) is fits


@pytest.mark.parametrize(
    ("declared", "found", "words"),
    [
        (region().to_dict(), bucket(US), f"declares {EU}; its Bucket/data rests in {US} (GetBucketLocation)"),
        (region().to_dict(), bucket(region=US), f"its Bucket/data rests in {US} (spec.region of MemoryBucket data)"),
        (region().to_dict(), bucket(EU), ""),
        (None, bucket(US), ""),
    ],
)
def test_no_node_is_built_on_a_bucket_elsewhere(declared: Any, found: MemoryBucket, words: str) -> None:
    phase = residency.buckets_elsewhere(cluster_model(region=declared), [found])
    assert (phase is None) == (not words)
    if phase is not None:
        assert (phase.kind, phase.reason) == ("Refused", "RegionViolated")
        assert words in phase.message


def test_what_those_who_promise_regions_read() -> None:
    """Names of single machines and volumes come and go without them."""
    places_of = [{"name": f"Node/n{n}", "state": "Verified", "by": "x", "region": EU} for n in range(2)]
    volume = {"name": "Volume/mem-0", "state": "Declared", "by": "x"}
    wrong = {"name": "Bucket/data", "state": "Violated", "by": "x", "region": US}
    read = [
        residency.summary({}),
        residency.summary({"places": places_of}),
        residency.summary({"places": [*places_of, volume]}),
        residency.summary({"places": [wrong, volume]}),
        residency.summary({"places": [{**wrong, "region": "ap-south-1"}, volume]}),
    ]
    assert len(set(read)) == len(read)
    assert residency.summary({"places": places_of[:1]}) == read[1]
    assert residency.summary({"places": [{**volume, "name": "Volume/mem-7"}, places_of[0]]}) == read[2]
    assert residency.summary({"places": ["odd"]}) == read[0]
