"""What a bucket's settings shall be, by what its server told of them. Pure; why each is so: docs/object-storage.md."""

from collections.abc import Mapping

from agentmemory.api.memorybucket import MemoryBucket
from agentmemory.api.types import Duration
from agentmemory.buckets.policy import OWNER_TAG, UID_TAG, owner_mark
from agentmemory.objectstore.model import (
    Encryption,
    LifecycleRule,
    LockMode,
    ObjectLock,
    Ownership,
    PublicAccessBlock,
    VersioningState,
)

PUBLIC_ACCESS = PublicAccessBlock()
OWNERSHIP: Ownership = "BucketOwnerEnforced"
OUR_RULES = "agent-memory-"
"""What the ids of our lifecycle rules begin with."""
ABORT_RULE = OUR_RULES + "abort-multipart"
EXPIRE_RULE = OUR_RULES + "expire"
DAY = 24 * 3600 * 1000
_MODES: Mapping[str, LockMode] = {"Governance": "GOVERNANCE", "Compliance": "COMPLIANCE"}


def tags(bucket: MemoryBucket, found: Mapping[str, str]) -> dict[str, str]:
    """All tags: those found, the user's over them, ours over both."""
    ours = {OWNER_TAG: owner_mark(bucket), UID_TAG: bucket.metadata.uid}
    return {**found, **bucket.spec.tags, **ours}


def encryption(bucket: MemoryBucket) -> Encryption | None:
    """None: nothing is asked for."""
    declared = bucket.spec.encryption
    match declared.type:
        case "SSE-S3":
            return Encryption("AES256")
        case "SSE-KMS":
            return Encryption("aws:kms", declared.kms_key_id, declared.bucket_key)
        case _:
            return None


def encrypted_as(found: Encryption | None, wanted: Encryption) -> bool:
    """Whether the server does so. A bucket key means something with a key of one's own only; servers say either."""
    if found is None or found.algorithm != wanted.algorithm:
        return False
    return wanted.algorithm == "AES256" or found == wanted


def versioning(bucket: MemoryBucket, found: VersioningState) -> bool | None:
    """True: on; False: off (Suspended); None: as it is."""
    match bucket.spec.purpose:
        case "Data":
            return False if found == "Enabled" else None
        case "Audit":
            return True if found != "Enabled" else None
        case _:
            return None


def lifecycle(bucket: MemoryBucket, found: tuple[LifecycleRule, ...]) -> tuple[LifecycleRule, ...]:
    """Ours, then others' that may stay: on a data bucket none that does anything to objects."""
    kept = [rule for rule in found if not rule.id.startswith(OUR_RULES)]
    if bucket.spec.purpose == "Data":
        kept = [rule for rule in kept if not touches_objects(rule)]
    return (*_our_rules(bucket), *kept)


def touches_objects(rule: LifecycleRule) -> bool:
    """Whether a rule may delete or move objects; one with anything in it that we do not know may."""
    return rule.expire_days is not None or bool(rule.others)


def unwritable(rules: tuple[LifecycleRule, ...]) -> tuple[str, ...]:
    """Ids of rules with parts that cannot be written back as they are."""
    return tuple(rule.id for rule in rules if rule.others)


def object_lock(bucket: MemoryBucket) -> ObjectLock | None:
    """The default retention that is declared."""
    declared = bucket.spec.object_lock
    return None if declared is None else ObjectLock(_MODES[declared.mode], declared.days)


def _our_rules(bucket: MemoryBucket) -> tuple[LifecycleRule, ...]:
    declared = bucket.spec.lifecycle
    abort = LifecycleRule(ABORT_RULE, abort_days=days(declared.abort_incomplete_multipart_uploads))
    if declared.expire_after is None:
        return (abort,)
    return abort, LifecycleRule(EXPIRE_RULE, expire_days=days(declared.expire_after))


def days(value: Duration) -> int:
    """Whole days, rounded up: nothing goes earlier than declared."""
    return -(-value.milliseconds // DAY)
