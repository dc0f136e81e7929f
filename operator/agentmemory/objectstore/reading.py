"""Reads a bucket as its server tells it; runs in a thread."""

from collections.abc import Callable
from typing import Any, TypeVar

from agentmemory.core.errors import Conflict, Denied, Invalid
from agentmemory.domain.aws import location_region
from agentmemory.objectstore import keepin, shapes
from agentmemory.objectstore.caller import Caller
from agentmemory.objectstore.errors import Unsupported
from agentmemory.objectstore.model import BucketView, Missing, Presence
from agentmemory.objectstore.translate import words_of

T = TypeVar("T")
_GONE = ("NoSuchBucket",)


def describe(caller: Caller, bucket: str) -> BucketView | None:
    """All parts; None where there is no such bucket."""
    region = _region(caller, bucket)
    if region is None:
        return None

    def part(call: str, absent: str, read: Callable[[dict[str, Any] | None], T]) -> T | Missing:
        try:
            return read(caller.ask(call, bucket, (absent,)))
        except Unsupported as exc:
            return Missing(words_of(exc))

    return BucketView(
        name=bucket,
        region=region,
        is_empty=is_empty(caller, bucket),
        tags=part("GetBucketTagging", "NoSuchTagSet", shapes.tags_from),
        encryption=part(
            "GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError", shapes.encryption_from
        ),
        versioning=part("GetBucketVersioning", "", lambda answer: (answer or {}).get("Status") or "Disabled"),
        public_access_block=part("GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration", shapes.block_from),
        ownership=part("GetBucketOwnershipControls", "OwnershipControlsNotFoundError", _ownership),
        lifecycle=part(
            "GetBucketLifecycleConfiguration",
            "NoSuchLifecycleConfiguration",
            lambda answer: tuple(shapes.rule_from(rule) for rule in (answer or {}).get("Rules", ())),
        ),
        object_lock=part("GetObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", shapes.lock_from),
        policy=part("GetBucketPolicy", "NoSuchBucketPolicy", lambda answer: keepin.hidden(shapes.policy_from(answer))),
    )


def _ownership(answer: dict[str, Any] | None) -> Any:
    rules = (answer or {}).get("OwnershipControls", {}).get("Rules", [])
    return rules[0]["ObjectOwnership"] if rules else None


def _region(caller: Caller, bucket: str) -> str | None:
    """Where it is, None where it is not. Asked by GetBucketLocation, whose refusals have a body that names them."""
    try:
        answer = caller.ask("GetBucketLocation", bucket, _GONE)
    except Unsupported:
        return caller.location.region if caller.ask("HeadBucket", bucket, ("404", *_GONE)) is not None else None
    except Denied as exc:
        if exc.reason != "AccessDenied" or _is_listed(caller, bucket):
            raise
        raise Conflict(
            "BucketOwnedBySomebodyElse",
            f"bucket {bucket} exists and is not among this identity's own ({exc.message}); choose another name, or "
            "use credentials of its owner",
        ) from exc
    return None if answer is None else location_region(answer.get("LocationConstraint") or "")


def _is_listed(caller: Caller, bucket: str) -> bool:
    """Whether it is one of this identity's buckets, so that only a right is missing."""
    try:
        answer = caller.call("ListBuckets", "", Prefix=bucket)
    except (Denied, Unsupported):
        return False
    return any(found["Name"] == bucket for found in answer.get("Buckets", ()))


def is_empty(caller: Caller, bucket: str) -> bool:
    """No object, old version or delete marker."""
    try:
        answer = caller.call("ListObjectVersions", bucket, MaxKeys=1)
    except Unsupported:
        return not caller.call("ListObjectsV2", bucket, MaxKeys=1).get("Contents")
    return not (answer.get("Versions") or answer.get("DeleteMarkers"))


def look(caller: Caller, bucket: str, key: str) -> Presence:
    """Whether an object can be read. By GetObject of its first byte: not every server holds HEAD to its policies."""
    try:
        found = caller.ask("GetObject", bucket, ("NoSuchKey", "404"), Key=key, Range="bytes=0-0")
    except Denied as exc:
        if exc.reason != "AccessDenied":
            raise
        return "Denied"
    except Invalid as exc:
        if exc.reason != "InvalidRange":  # it has no first byte
            raise
        return "Found"
    if found is None:
        return "Absent"
    if "Body" in found:
        found["Body"].close()
    return "Found"
