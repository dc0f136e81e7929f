"""What callers rely on, the same in memory, on moto and on versitygw."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agentmemory.core.errors import Conflict, Denied, Invalid, Transient
from agentmemory.objectstore.errors import AlreadyOwned, Unsupported
from agentmemory.objectstore.model import (
    BucketView,
    Encryption,
    LifecycleRule,
    Missing,
    ObjectLock,
    PublicAccessBlock,
)
from agentmemory.objectstore.store import ObjectStore
from tests.objectstore.conftest import Place
from tests.objectstore.servers import REGION

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Tls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::{bucket}/kept/*",
        }
    ],
}


def policy_of(bucket: str) -> dict[str, Any]:
    statement = {**POLICY["Statement"][0], "Resource": f"arn:aws:s3:::{bucket}/kept/*"}  # type: ignore[dict-item]
    return {**POLICY, "Statement": [statement]}


async def seen(place: Place) -> BucketView:
    found = await place.store.describe(place.bucket)
    assert found is not None
    return found


async def test_a_bucket_that_is_not_there_is_none(place: Place) -> None:
    assert await place.store.describe(place.bucket) is None


async def test_a_new_bucket_is_empty_and_in_its_region(place: Place) -> None:
    await place.store.create(place.bucket, REGION)
    view = await seen(place)
    assert (view.name, view.region, view.is_empty, view.versioning) == (place.bucket, REGION, True, "Disabled")
    assert (view.tags, view.object_lock, view.policy) == ({}, None, None)


async def test_creating_it_twice_tells_that_it_is_ours(place: Place) -> None:
    await place.store.create(place.bucket, REGION)
    with pytest.raises(AlreadyOwned) as raised:
        await place.store.create(place.bucket, REGION)
    assert raised.value.reason == "BucketAlreadyOwned"


async def test_tags_are_replaced_as_a_whole(place: Place) -> None:
    await place.store.create(place.bucket, REGION)
    await place.store.put_tags(place.bucket, {"agentmemory.dev/bucket": "ns/name", "team": "a b"})
    assert (await seen(place)).tags == {"agentmemory.dev/bucket": "ns/name", "team": "a b"}
    await place.store.put_tags(place.bucket, {"team": "c"})
    assert (await seen(place)).tags == {"team": "c"}


async def test_versioning_goes_on_and_is_suspended_but_never_off(place: Place) -> None:
    await place.store.create(place.bucket, REGION)
    await place.store.put_versioning(place.bucket, True)
    assert (await seen(place)).versioning == "Enabled"
    await place.store.put_versioning(place.bucket, False)
    assert (await seen(place)).versioning == "Suspended"


async def test_ownership_is_set_and_taken_off(place: Place) -> None:
    await place.store.create(place.bucket, REGION)
    await place.store.put_ownership(place.bucket, "BucketOwnerEnforced")
    assert (await seen(place)).ownership == "BucketOwnerEnforced"
    await place.store.delete_ownership(place.bucket)
    assert (await seen(place)).ownership is None


async def test_a_policy_is_set_read_back_and_taken_off(place: Place) -> None:
    await place.store.create(place.bucket, REGION)
    await place.store.put_policy(place.bucket, policy_of(place.bucket))
    assert (await seen(place)).policy == policy_of(place.bucket)
    await place.store.delete_policy(place.bucket)
    assert (await seen(place)).policy is None


async def test_a_look_tells_found_absent_and_denied(place: Place) -> None:
    await place.store.create(place.bucket, REGION)
    place.write("free/a")
    place.write("kept/b")
    await place.store.put_policy(place.bucket, policy_of(place.bucket))
    looks = [await place.store.look(place.bucket, key) for key in ("free/a", "free/none", "kept/b", "kept/none")]
    assert looks == ["Found", "Absent", "Denied", "Denied"]


PARTS: list[tuple[str, str, Callable[[ObjectStore, str], Awaitable[None]], Any]] = [
    (
        "Encryption",
        "encryption",
        lambda store, bucket: store.put_encryption(bucket, Encryption("aws:kms", "key-1", bucket_key=True)),
        Encryption("aws:kms", "key-1", bucket_key=True),
    ),
    (
        "PublicAccessBlock",
        "public_access_block",
        lambda store, bucket: store.put_public_access_block(bucket, PublicAccessBlock(block_public_acls=False)),
        PublicAccessBlock(block_public_acls=False),
    ),
    (
        "Lifecycle",
        "lifecycle",
        lambda store, bucket: store.put_lifecycle(
            bucket, [LifecycleRule("abort", abort_days=7), LifecycleRule("old", prefix="logs/", expire_days=30)]
        ),
        (LifecycleRule("abort", abort_days=7), LifecycleRule("old", prefix="logs/", expire_days=30)),
    ),
]


@pytest.mark.parametrize(("part", "field", "put", "value"), PARTS, ids=[row[0] for row in PARTS])
async def test_a_part_is_set_or_missing(
    place: Place, part: str, field: str, put: Callable[[ObjectStore, str], Awaitable[None]], value: object
) -> None:
    await place.store.create(place.bucket, REGION)
    if part not in place.missing:
        await put(place.store, place.bucket)
        assert getattr(await seen(place), field) == value
        return
    with pytest.raises(Unsupported) as raised:
        await put(place.store, place.bucket)
    assert raised.value.reason == "NotImplemented"
    found = getattr(await seen(place), field)
    assert isinstance(found, Missing)
    assert found.reason.startswith("NotImplemented")


async def test_parts_are_taken_off_again(place: Place) -> None:
    if place.missing:
        pytest.skip("this server lacks them")
    await place.store.create(place.bucket, REGION)
    for _, _, put, _ in PARTS:
        await put(place.store, place.bucket)
    await place.store.delete_encryption(place.bucket)
    await place.store.delete_public_access_block(place.bucket)
    await place.store.put_lifecycle(place.bucket, ())
    view = await seen(place)
    assert (view.encryption, view.public_access_block, view.lifecycle) == (None, None, ())


async def test_object_lock_is_made_with_the_bucket(place: Place) -> None:
    await place.store.create(place.bucket, REGION, object_lock=True)
    assert ((await seen(place)).object_lock, (await seen(place)).versioning) == (ObjectLock(), "Enabled")
    await place.store.put_object_lock(place.bucket, "GOVERNANCE", 3)
    assert (await seen(place)).object_lock == ObjectLock("GOVERNANCE", 3)


async def test_object_lock_on_an_unversioned_bucket_is_refused(place: Place) -> None:
    await place.store.create(place.bucket, REGION)
    with pytest.raises(Invalid) as raised:
        await place.store.put_object_lock(place.bucket, "GOVERNANCE", 3)
    assert raised.value.reason == "InvalidBucketState"


async def test_a_bucket_with_objects_is_not_deleted(place: Place) -> None:
    await place.store.create(place.bucket, REGION)
    place.write("a")
    assert not await place.store.is_empty(place.bucket)
    assert not (await seen(place)).is_empty
    with pytest.raises(Conflict) as raised:
        await place.store.delete(place.bucket)
    assert raised.value.reason == "BucketNotEmpty"


async def test_emptying_takes_turns_and_ends(place: Place) -> None:
    await place.store.create(place.bucket, REGION)
    for number in range(5):
        place.write(f"key-{number}")
    place.begin_upload("unfinished")
    left = [await place.store.delete_some(place.bucket, 2) for _ in range(3)]
    assert left == [True, True, False]
    assert await place.store.is_empty(place.bucket)
    await place.store.delete(place.bucket)
    assert await place.store.describe(place.bucket) is None


async def test_deleting_twice_is_fine(place: Place) -> None:
    await place.store.create(place.bucket, REGION)
    await place.store.delete(place.bucket)
    await place.store.delete(place.bucket)


async def test_a_write_to_a_bucket_that_went_away_says_so(place: Place) -> None:
    with pytest.raises(Transient) as raised:
        await place.store.put_tags(place.bucket, {"a": "b"})
    assert raised.value.reason == "BucketMissing"
    assert place.bucket in raised.value.message


async def test_a_region_that_the_server_does_not_have_is_refused(moto: object, versitygw: object, pool: Any) -> None:
    for server in (moto, versitygw):
        with pytest.raises(Invalid) as raised:
            await pool.get(server.location()).create("bucket-elsewhere", "eu-west-1")  # type: ignore[attr-defined]
        assert raised.value.reason in ("RegionMismatch", "RegionUnknown")


async def test_somebody_elses_bucket_is_a_conflict(place: Place) -> None:
    if place.other is None:
        pytest.skip("this server does not tell identities apart")
    await place.store.create(place.bucket, REGION)
    for call in (place.other.describe(place.bucket), place.other.create(place.bucket, REGION)):
        with pytest.raises(Conflict) as raised:
            await call
        assert raised.value.reason == "BucketOwnedBySomebodyElse"
    with pytest.raises(Denied) as denied:
        await place.other.put_tags(place.bucket, {"a": "b"})
    assert "s3:PutBucketTagging" in denied.value.message
