"""The server in memory: what test_behaviour.py does not compare with real ones."""

from typing import Any

import pytest

from agentmemory.core.errors import Conflict, Denied, Invalid, OperatorError, Transient
from agentmemory.objectstore.endpoints import Rules
from agentmemory.objectstore.errors import Unsupported, WrongRegion
from agentmemory.objectstore.model import Encryption, Keys, Location, Missing, ObjectLock, PublicAccessBlock
from agentmemory.objectstore.store import ObjectStore, Stores
from tests.fakes3 import Call, FakeBucket, FakeS3, FakeStores, Identity

REGION = "eu-central-1"
AWS = Location("https://s3.example.com", REGION)


def store_of(s3: FakeS3, keys: Keys | None = None) -> ObjectStore:
    stores: Stores = FakeStores(s3)
    return stores.get(Location("https://s3.example.com", REGION, credentials=keys))


async def test_calls_and_writes_are_counted() -> None:
    s3 = FakeS3()
    store = store_of(s3)
    await store.create("b", REGION)
    await store.describe("b")
    await store.look("b", "k")
    await store.is_empty("b")
    await store.put_tags("b", {"a": "b"})
    assert [call.name for call in s3.calls] == [
        "CreateBucket",
        "Describe",
        "GetObject",
        "ListObjectVersions",
        "PutBucketTagging",
    ]
    assert s3.writes == [Call("CreateBucket", "b", REGION), Call("PutBucketTagging", "b", {"a": "b"})]


async def test_a_fault_before_leaves_nothing_and_one_after_loses_the_answer_only() -> None:
    s3 = FakeS3()
    store = store_of(s3)
    lost = Transient("NoAnswer", "lost")
    s3.before.append(lambda call: lost)
    with pytest.raises(Transient):
        await store.create("b", REGION)
    assert s3.buckets == {}
    s3.before.clear()
    s3.after.append(lambda call: lost)
    with pytest.raises(Transient):
        await store.create("b", REGION)
    assert set(s3.buckets) == {"b"}


async def test_a_server_that_is_away() -> None:
    s3 = FakeS3(available=False)
    with pytest.raises(Transient) as raised:
        await store_of(s3).describe("b")
    assert raised.value.reason == "NoAnswer"


KEYS = Keys("ours", "right")
STATES: list[tuple[Identity, Keys, type[OperatorError], str]] = [
    (Identity("right", state="Expired"), KEYS, Denied, "CredentialsExpired"),
    (Identity("right", state="Disabled"), KEYS, Denied, "CredentialsInvalid"),
    (Identity("other"), KEYS, Denied, "CredentialsInvalid"),
    (Identity("right"), Keys("unknown", "right"), Denied, "CredentialsInvalid"),
    (Identity("right", denied=frozenset({"PutBucketTagging"})), KEYS, Denied, "AccessDenied"),
    (Identity("right", account="them"), KEYS, Denied, "AccessDenied"),
]


@pytest.mark.parametrize(("identity", "keys", "kind", "reason"), STATES)
async def test_who_asks(identity: Identity, keys: Keys, kind: type[OperatorError], reason: str) -> None:
    s3 = FakeS3(buckets={"b": FakeBucket(REGION)}, identities={"ours": identity})
    with pytest.raises(kind) as raised:
        await store_of(s3, keys).put_tags("b", {})
    assert raised.value.reason == reason
    assert not s3.buckets["b"].tags


async def test_somebody_elses_bucket() -> None:
    s3 = FakeS3(buckets={"b": FakeBucket(REGION, account="them")})
    for call in (store_of(s3).describe("b"), store_of(s3).create("b", REGION)):
        with pytest.raises(Conflict) as raised:
            await call
        assert raised.value.reason == "BucketOwnedBySomebodyElse"


async def test_a_bucket_elsewhere() -> None:
    s3 = FakeS3(buckets={"b": FakeBucket("eu-west-1")})
    with pytest.raises(WrongRegion) as raised:
        await store_of(s3).describe("b")
    assert raised.value.region == "eu-west-1"
    with pytest.raises(Invalid) as unknown:
        await store_of(FakeS3(any_region=False)).create("c", "eu-west-1")
    assert unknown.value.reason == "RegionUnknown"


async def test_what_is_missing() -> None:
    names = {"Tags", "Encryption", "Versioning", "PublicAccessBlock", "Ownership", "Lifecycle", "ObjectLock", "Policy"}
    s3 = FakeS3(missing=names)
    store = store_of(s3)
    await store.create("b", REGION)
    view = await store.describe("b")
    assert view is not None
    parts = (view.tags, view.encryption, view.versioning, view.public_access_block, view.ownership, view.lifecycle)
    assert all(isinstance(part, Missing) for part in (*parts, view.object_lock, view.policy))
    for call in (
        store.put_tags("b", {}),
        store.put_encryption("b", Encryption("AES256")),
        store.delete_encryption("b"),
        store.put_versioning("b", True),
        store.put_public_access_block("b", PublicAccessBlock()),
        store.delete_public_access_block("b"),
        store.put_ownership("b", "BucketOwnerEnforced"),
        store.delete_ownership("b"),
        store.put_lifecycle("b", ()),
        store.put_object_lock("b", "GOVERNANCE", 1),
        store.put_policy("b", {"Statement": []}),
        store.delete_policy("b"),
        store.create("locked", REGION, object_lock=True),
    ):
        with pytest.raises(Unsupported):
            await call


def both_ways(key: str, never: dict[str, Any], always: dict[str, Any]) -> dict[str, Any]:
    def deny(name: str, condition: dict[str, Any]) -> dict[str, Any]:
        resource = f"arn:aws:s3:::b/{name}"
        return {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": resource} | condition

    return {
        "Version": "2012-10-17",
        "Statement": [deny("never", {"Condition": never}), deny("always", {"Condition": always})],
    }


ADDRESS = both_ways(
    "aws:SourceIp",
    {"IpAddress": {"aws:SourceIp": ["192.0.2.1/32"]}},
    {"NotIpAddress": {"aws:SourceIp": ["192.0.2.1/32"]}},
)
TLS = both_ways(
    "aws:SecureTransport",
    {"Bool": {"aws:SecureTransport": "false"}},
    {"Bool": {"aws:SecureTransport": "true"}},
)
VPCE = both_ways(
    "aws:SourceVpce",
    {"StringEquals": {"aws:SourceVpce": "vpce-1"}},
    {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}},
)


@pytest.mark.parametrize("policy", [ADDRESS, TLS, VPCE])
@pytest.mark.parametrize(
    ("settings", "looks"),
    [
        ({}, ["Absent", "Denied"]),
        ({"conditions": "Ignored"}, ["Denied", "Denied"]),
        ({"enforces": False}, ["Absent", "Absent"]),
        ({"identities": {"": Identity(root=True)}}, ["Absent", "Absent"]),
    ],
)
async def test_conditions(policy: dict[str, Any], settings: dict[str, Any], looks: list[str]) -> None:
    store = store_of(FakeS3(**settings))
    await store.create("b", REGION)
    await store.put_policy("b", policy)
    assert [await store.look("b", key) for key in ("never", "always")] == looks


@pytest.mark.parametrize("known", ["Refused", frozenset({"aws:SourceIp", "aws:SecureTransport"})])
async def test_unknown_conditions_are_refused(known: Any) -> None:
    s3 = FakeS3(conditions=known)
    store = store_of(s3)
    await store.create("b", REGION)
    with pytest.raises(Unsupported) as raised:
        await store.put_policy("b", VPCE)
    assert raised.value.reason == "PolicyRefused"
    assert s3.buckets["b"].policy is None


async def test_a_policy_that_locks_out() -> None:
    s3 = FakeS3(buckets={"b": FakeBucket(REGION)})
    store = store_of(s3)
    everything = {"Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}
    await store.put_policy("b", {"Statement": [everything]})
    with pytest.raises(Denied):
        await store.put_tags("b", {})
    await store.delete_policy("b")
    await store.put_tags("b", {"let": "in"})


async def test_locked_objects_stay() -> None:
    s3 = FakeS3(buckets={"b": FakeBucket(REGION, object_lock=ObjectLock(), versioning="Enabled")})
    s3.buckets["b"].objects = {"free", "held"}
    s3.buckets["b"].locked = {"held"}
    store = store_of(s3)
    assert await store.delete_some("b")
    with pytest.raises(Denied) as raised:
        await store.delete_some("b")
    assert raised.value.reason == "ObjectLocked"
    with pytest.raises(Invalid):
        await store.put_versioning("b", False)


async def test_endpoints_are_checked_as_the_pool_does() -> None:
    stores = FakeStores(FakeS3(), Rules(refuse=frozenset({"10.96.0.1"})))
    for endpoint in ("http://s3.example.com", "https://127.0.0.1", "https://kubernetes.default.svc"):
        with pytest.raises(Invalid):
            stores.get(Location(endpoint, REGION))
    stores.resolves["s3.example.com"] = ("93.184.216.34", "10.96.0.1")
    with pytest.raises(Invalid):
        await stores.get(AWS).describe("b")


async def test_one_store_a_location_and_a_server_an_endpoint() -> None:
    one, other = FakeS3(), FakeS3()
    stores = FakeStores({None: one, "https://s3.example.com": other})
    assert stores.get(AWS) is stores.get(AWS)
    await stores.get(AWS).create("b", REGION)
    await stores.get(Location(None, REGION)).create("c", REGION)
    assert (set(one.buckets), set(other.buckets)) == ({"c"}, {"b"})
    await stores.close()
    assert all(store.closed for store in stores.stores.values())
