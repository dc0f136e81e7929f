"""Whether a bucket can be had: by tables, without a server."""

from typing import Any

import pytest

from agentmemory.buckets import policy
from agentmemory.buckets.world import World
from agentmemory.core.key import Key
from agentmemory.objectstore.model import Missing, ObjectLock

from .worlds import MARK, around, bucket, view

HAD = {"adopted": False, "region": "eu-central-1"}
BEGUN = {"adopted": False}
FULL = {"is_empty": False}


def world(status: dict[str, Any] | None = None, rival: Key | None = None, **spec: Any) -> World:
    return around(bucket(status, **spec), rival=rival)


def s3(endpoint: str) -> dict[str, Any]:
    return {"endpoint": endpoint}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (world(), None),
        (world(s3={}), None),
        (world(rival=Key("MemoryBucket", "other", "first")), "BucketTaken"),
        (world(s3=s3("https://s3.eu-central-1.amazonaws.com")), None),
        (world(s3=s3("https://s3.us-east-1.amazonaws.com")), "RegionMismatch"),
        (world(s3=s3("https://s3.amazonaws.com")), "RegionMismatch"),
        (world(s3=s3("http://s3.storage.svc:7070")), None),
        (world(s3=s3("http://s3.storage.svc:7070"), policy={"requireTls": True}), "PolicyLocksOut"),
        (world(s3=s3("http://s3.storage.svc:7070"), policy={"requireTls": False}), None),
        (world(policy={"requireTls": True}), None),
    ],
)
def test_what_can_be_told_before_the_server_is_asked(given: World, reason: str | None) -> None:
    found = policy.judge(given)
    assert (found.reason if found else None) == reason
    assert found is None or found.kind == "Refused"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (world(), None),
        (world(creation="Create"), None),
        (world(BEGUN), None),
        (world(HAD), "BucketLost"),
        (world(creation="Adopt"), "BucketNotFound"),
    ],
)
def test_a_bucket_that_is_not_there(given: World, reason: str | None) -> None:
    found = policy.judge_absent(given)
    assert (found.reason if found else None) == reason


ANOTHER = {policy.OWNER_TAG: "elsewhere/agents-data"}
OTHER_UID = MARK | {policy.UID_TAG: "uid-2"}


@pytest.mark.parametrize(
    ("given", "parts", "reason"),
    [
        (world(), {}, None),
        (world(), FULL, None),
        (world(), {"tags": {}}, None),
        (world(), {"tags": {}} | FULL, "BucketNotEmpty"),
        (world(), {"tags": Missing("501")}, None),
        (world(), {"tags": Missing("501")} | FULL, "BucketNotEmpty"),
        (world(HAD), {"tags": Missing("501")} | FULL, None),
        (world(HAD), {"tags": {}} | FULL, None),
        (world(BEGUN), {"tags": {}}, None),
        (world(BEGUN), {"tags": {}} | FULL, "BucketNotEmpty"),
        (world(creation="Create"), {"tags": {}}, "BucketExists"),
        (world(BEGUN, creation="Create"), {"tags": {}}, None),
        (world(creation="Create"), {}, None),
        (world(), {"tags": ANOTHER}, "BucketOwnedByAnother"),
        (world(HAD), {"tags": ANOTHER}, "BucketOwnedByAnother"),
        (world(), {"tags": OTHER_UID} | FULL, None),
        (world(HAD), {"tags": OTHER_UID} | FULL, "BucketTakenOver"),
        (world(HAD), {"tags": {policy.OWNER_TAG: MARK[policy.OWNER_TAG]}}, None),
        (world(), {"region": "eu-west-1"}, "RegionMismatch"),
        (world(), {"object_lock": ObjectLock()}, "ObjectLockOnData"),
        (world(purpose="Ops"), {"object_lock": ObjectLock("GOVERNANCE", 1)}, "ObjectLockOnData"),
        (world(purpose="Audit"), {"object_lock": ObjectLock("GOVERNANCE", 1)}, None),
        (world(), {"object_lock": Missing("501")}, None),
    ],
)
def test_a_bucket_that_is_there(given: World, parts: dict[str, Any], reason: str | None) -> None:
    found = policy.judge_found(given, view(**parts))
    assert (found.reason if found else None) == reason


def test_old_names_of_regions_are_understood() -> None:
    given = around(bucket(region="us-east-1"))
    assert policy.judge_found(given, view(region="")) is None
    assert policy.judge_found(around(bucket(region="eu-west-1")), view(region="EU")) is None


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            policy.judge_found(world(), view(tags={}, is_empty=False)),
            "agentmemory.dev/bucket=memory-system/agents-data",
        ),
        (policy.judge_found(world(), view(tags=Missing("x"), is_empty=False)), "its server keeps no tags"),
        (policy.judge_found(world(creation="Create"), view(tags={})), "spec.creation: CreateOrAdopt"),
        (policy.judge_found(world(), view(region="eu-west-1")), "a bucket cannot move"),
        (policy.judge_absent(world(HAD)), "delete this object and create it again"),
    ],
)
def test_a_refusal_names_the_way_out(found: Any, words: str) -> None:
    assert words in found.message
