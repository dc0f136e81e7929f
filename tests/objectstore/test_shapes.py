"""S3's shapes to the model and back, where servers' answers differ."""

from typing import Any

import pytest

from agentmemory.objectstore import shapes
from agentmemory.objectstore.model import Encryption, LifecycleRule, ObjectLock, PublicAccessBlock

RULES: list[tuple[dict[str, Any], LifecycleRule]] = [
    ({"ID": "a", "Status": "Enabled", "Filter": {"Prefix": ""}}, LifecycleRule("a")),
    ({"ID": "a", "Status": "Enabled", "Prefix": ""}, LifecycleRule("a")),
    ({"ID": "a", "Status": "Enabled", "Filter": {}}, LifecycleRule("a")),
    ({"ID": "a", "Status": "Disabled", "Prefix": "p/"}, LifecycleRule("a", enabled=False, prefix="p/")),
    (
        {"ID": "a", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
        LifecycleRule("a", abort_days=7),
    ),
    ({"ID": "a", "Status": "Enabled", "Expiration": {"Days": 9}}, LifecycleRule("a", expire_days=9)),
    (
        {"ID": "a", "Status": "Enabled", "Expiration": {"Days": 9, "ExpiredObjectDeleteMarker": False}},
        LifecycleRule("a", expire_days=9),
    ),
    (
        {"ID": "a", "Status": "Enabled", "Expiration": {"ExpiredObjectDeleteMarker": True}},
        LifecycleRule("a", others=("Expiration.ExpiredObjectDeleteMarker",)),
    ),
    (
        {"Status": "Enabled", "Filter": {"And": {}}, "Transitions": [{}], "NoncurrentVersionExpiration": {}},
        LifecycleRule("", others=("Filter.And", "NoncurrentVersionExpiration", "Transitions")),
    ),
]


@pytest.mark.parametrize(("answer", "rule"), RULES)
def test_a_lifecycle_rule_is_read(answer: dict[str, Any], rule: LifecycleRule) -> None:
    assert shapes.rule_from(answer) == rule


@pytest.mark.parametrize("rule", [rule for _, rule in RULES if not rule.others])
def test_a_written_rule_reads_the_same(rule: LifecycleRule) -> None:
    assert shapes.rule_from(shapes.rule_to(rule)) == rule


def test_a_rule_that_would_lose_something_is_not_written() -> None:
    with pytest.raises(ValueError, match="Transitions"):
        shapes.rule_to(LifecycleRule("a", others=("Transitions",)))


def test_encryption() -> None:
    assert shapes.encryption_from(None) is None
    assert shapes.encryption_from({"ServerSideEncryptionConfiguration": {"Rules": [{}]}}) is None
    for value in (Encryption("AES256"), Encryption("aws:kms", "key", True)):
        assert shapes.encryption_from({"ServerSideEncryptionConfiguration": shapes.encryption_to(value)}) == value


def test_public_access_block() -> None:
    assert shapes.block_from(None) is None
    partly = {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}
    assert shapes.block_from(partly) == PublicAccessBlock(True, False, False, False)
    value = PublicAccessBlock(True, False, True, False)
    assert shapes.block_from({"PublicAccessBlockConfiguration": shapes.block_to(value)}) == value


@pytest.mark.parametrize(
    ("retention", "lock"),
    [
        ({}, ObjectLock()),
        ({"Mode": "COMPLIANCE", "Days": 3}, ObjectLock("COMPLIANCE", 3)),
        ({"Mode": "GOVERNANCE", "Years": 2}, ObjectLock("GOVERNANCE", 730)),
    ],
)
def test_object_lock(retention: dict[str, Any], lock: ObjectLock) -> None:
    rule = {"Rule": {"DefaultRetention": retention}} if retention else {}
    assert shapes.lock_from({"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", **rule}}) == lock


def test_no_object_lock() -> None:
    assert shapes.lock_from(None) is None
    assert shapes.lock_from({"ObjectLockConfiguration": {}}) is None


def test_creation() -> None:
    assert shapes.creation("us-east-1", False) == {}
    assert shapes.creation("eu-west-1", True) == {
        "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"},
        "ObjectLockEnabledForBucket": True,
    }


def test_tags_are_written_in_order() -> None:
    assert shapes.tags_to({"b": "1", "a": "2"}) == {"TagSet": [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "1"}]}
