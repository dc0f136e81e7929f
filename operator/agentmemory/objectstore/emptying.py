"""Empties a bucket, some objects at a time; runs in a thread."""

from collections.abc import Iterable, Mapping
from typing import Any

from agentmemory.core.errors import OperatorError
from agentmemory.objectstore.answers import Answer, Asked, from_answer
from agentmemory.objectstore.caller import Caller
from agentmemory.objectstore.errors import Unsupported

Object = Mapping[str, str]
FORBIDDEN = 403


def delete_some(caller: Caller, bucket: str, most: int) -> bool:
    """Up to `most` objects, versions and delete markers, and as many uploads; True while something may be left."""
    uploads_left = _abort_uploads(caller, bucket, most)
    objects, more = _found(caller, bucket, most)
    failures = _delete(caller, bucket, objects) if objects else []
    if objects and len(failures) == len(objects):
        raise _refusal(caller, bucket, failures)
    return more or bool(failures) or uploads_left


def _found(caller: Caller, bucket: str, most: int) -> tuple[list[Object], bool]:
    """What is there, and whether there is more."""
    try:
        answer = caller.call("ListObjectVersions", bucket, MaxKeys=most)
    except Unsupported:
        answer = caller.call("ListObjectsV2", bucket, MaxKeys=most)
    parts: Iterable[Any] = (
        entry for name in ("Versions", "DeleteMarkers", "Contents") for entry in answer.get(name, ())
    )
    return [_named(entry) for entry in parts], bool(answer.get("IsTruncated"))


def _named(entry: Mapping[str, Any]) -> Object:
    version = entry.get("VersionId")
    return {"Key": entry["Key"]} | ({"VersionId": version} if version else {})


def _delete(caller: Caller, bucket: str, objects: list[Object]) -> list[Any]:
    answer = caller.call("DeleteObjects", bucket, Delete={"Objects": objects, "Quiet": True})
    return list(answer.get("Errors", ()))


def _refusal(caller: Caller, bucket: str, failures: list[Any]) -> OperatorError:
    """Why nothing could be deleted. A locked object is an AccessDenied with words of the lock."""
    first = failures[0]
    code, words = str(first.get("Code", "")), str(first.get("Message", ""))
    locked = code == "AccessDenied" and "lock" in words.lower()
    asked = Asked("DeleteObjects", bucket, caller.location.region, caller.location.credentials)
    told = f"{len(failures)} objects: {words}"
    return from_answer(Answer(FORBIDDEN, "ObjectLocked" if locked else code, told), asked)


def _abort_uploads(caller: Caller, bucket: str, most: int) -> bool:
    try:
        answer = caller.call("ListMultipartUploads", bucket, MaxUploads=most)
    except Unsupported:
        return False
    for upload in answer.get("Uploads", ()):
        caller.ask("AbortMultipartUpload", bucket, ("NoSuchUpload",), Key=upload["Key"], UploadId=upload["UploadId"])
    return bool(answer.get("IsTruncated"))
