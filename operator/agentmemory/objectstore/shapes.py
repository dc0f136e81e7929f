"""S3's shapes to and from the model; pure."""

import json
from collections.abc import Mapping
from typing import Any

from agentmemory.objectstore.model import Encryption, LifecycleRule, ObjectLock, PublicAccessBlock

US_EAST = "us-east-1"
_BLOCK = {
    "block_public_acls": "BlockPublicAcls",
    "ignore_public_acls": "IgnorePublicAcls",
    "block_public_policy": "BlockPublicPolicy",
    "restrict_public_buckets": "RestrictPublicBuckets",
}
_RULE_FIELDS = frozenset({"ID", "Status", "Prefix", "Filter", "AbortIncompleteMultipartUpload", "Expiration"})
_DAYS_IN_YEAR = 365


def creation(region: str, object_lock: bool) -> dict[str, Any]:
    """CreateBucket's parameters; us-east-1 is named by saying nothing."""
    place = {} if region == US_EAST else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    return place | ({"ObjectLockEnabledForBucket": True} if object_lock else {})


def tags_from(answer: Mapping[str, Any] | None) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in (answer or {}).get("TagSet", ())}


def tags_to(tags: Mapping[str, str]) -> dict[str, Any]:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]}


def encryption_from(answer: Mapping[str, Any] | None) -> Encryption | None:
    rules = (answer or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    default = rules[0].get("ApplyServerSideEncryptionByDefault", {}) if rules else {}
    if not default:
        return None
    return Encryption(default["SSEAlgorithm"], default.get("KMSMasterKeyID"), rules[0].get("BucketKeyEnabled", False))


def encryption_to(encryption: Encryption) -> dict[str, Any]:
    default = {"SSEAlgorithm": encryption.algorithm}
    if encryption.kms_key_id is not None:
        default["KMSMasterKeyID"] = encryption.kms_key_id
    return {
        "Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": encryption.bucket_key}],
    }


def block_from(answer: Mapping[str, Any] | None) -> PublicAccessBlock | None:
    if answer is None:
        return None
    found = answer.get("PublicAccessBlockConfiguration", {})
    return PublicAccessBlock(**{ours: bool(found.get(theirs, False)) for ours, theirs in _BLOCK.items()})


def block_to(block: PublicAccessBlock) -> dict[str, bool]:
    return {theirs: getattr(block, ours) for ours, theirs in _BLOCK.items()}


def lock_from(answer: Mapping[str, Any] | None) -> ObjectLock | None:
    found = (answer or {}).get("ObjectLockConfiguration", {})
    if found.get("ObjectLockEnabled") != "Enabled":
        return None
    default = found.get("Rule", {}).get("DefaultRetention", {})
    days = default.get("Days") or default.get("Years", 0) * _DAYS_IN_YEAR
    return ObjectLock(default.get("Mode"), days or None)


def policy_from(answer: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if answer is None:
        return None
    policy: Mapping[str, Any] = json.loads(answer["Policy"])
    return policy


def rule_from(rule: Mapping[str, Any]) -> LifecycleRule:
    """One lifecycle rule; whatever the model has no field for is named in `others`."""
    where, expiration = rule.get("Filter", {}), rule.get("Expiration", {})
    others = {name for name in rule if name not in _RULE_FIELDS}
    others |= {f"Filter.{name}" for name in where if name != "Prefix"}
    others |= {f"Expiration.{name}" for name in expiration if name != "Days" and expiration[name] is not False}
    return LifecycleRule(
        id=rule.get("ID", ""),
        enabled=rule.get("Status") == "Enabled",
        prefix=rule.get("Prefix") or where.get("Prefix") or "",
        abort_days=rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"),
        expire_days=expiration.get("Days"),
        others=tuple(sorted(others)),
    )


def rule_to(rule: LifecycleRule) -> dict[str, Any]:
    """ValueError for a rule with `others`, which would be lost."""
    if rule.others:
        raise ValueError(f"lifecycle rule {rule.id!r} has parts that cannot be written: {', '.join(rule.others)}")
    made: dict[str, Any] = {"ID": rule.id, "Status": "Enabled" if rule.enabled else "Disabled"}
    made["Filter"] = {"Prefix": rule.prefix}
    if rule.abort_days is not None:
        made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": rule.abort_days}
    if rule.expire_days is not None:
        made["Expiration"] = {"Days": rule.expire_days}
    return made
