"""A server's refusal in the operator's terms. Knows no library: the fake server's refusals are read here too."""

from dataclasses import dataclass

from agentmemory.core.errors import OperatorError, Transient
from agentmemory.objectstore.codes import CODES, by_status
from agentmemory.objectstore.errors import WrongRegion
from agentmemory.objectstore.model import Keys

RIGHTS = {
    "HeadBucket": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListObjectsV2": "s3:ListBucket",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "DeleteObjects": "s3:DeleteObject and s3:DeleteObjectVersion",
    "GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "PutObjectLockConfiguration": "s3:PutBucketObjectLockConfiguration",
    "DeleteBucketOwnershipControls": "s3:PutBucketOwnershipControls",
}
"""The right that a call needs, where it is not named after the call."""
WORDS = 300
"""Characters of a server's own words that a message repeats."""


@dataclass(frozen=True)
class Answer:
    """A refusal. `code` is S3's name of the error, or the HTTP status as text where the answer had no body."""

    status: int
    code: str
    message: str = ""
    region: str | None = None
    """Where the server says that the bucket is; AWS tells it with most refusals."""


@dataclass(frozen=True)
class Asked:
    """What was asked for: `call` as S3 names it, the bucket, the region that the request was signed for, and the
    keys, which a message must not show."""

    call: str
    bucket: str
    region: str
    keys: Keys | None = None

    @property
    def right(self) -> str:
        """The right that the call needs."""
        return RIGHTS.get(self.call, f"s3:{self.call}")


def from_answer(answer: Answer, asked: Asked) -> OperatorError:
    """The operator's error for a refusal."""
    if answer.region not in (None, "", asked.region):
        return wrong_region(asked, answer.region)
    rule = CODES.get(answer.code) or by_status(answer.status)
    if issubclass(rule.kind, WrongRegion):
        return wrong_region(asked, answer.region)
    reason = rule.reason or answer.code
    message = f"{_said(answer, asked)}; {rule.way_out.format(right=asked.right)}"
    if issubclass(rule.kind, Transient):
        return rule.kind(reason, message, rule.retry_after)
    return rule.kind(reason, message)


def wrong_region(asked: Asked, region: str | None) -> WrongRegion:
    """The bucket is elsewhere, in `region` where the server told."""
    where = f"is in region {region}" if region else "is in another region (the server does not say which)"
    return WrongRegion(
        f"{asked.call}: bucket {asked.bucket} {where}, and {asked.region} was asked for; name its region, or choose "
        "another bucket or endpoint",
        region or None,
    )


def redacted(text: str, keys: Keys | None) -> str:
    """The text without any part of the keys."""
    for secret in keys.secrets() if keys else ():
        text = text.replace(secret, "***")
    return text


def _said(answer: Answer, asked: Asked) -> str:
    words = redacted(" ".join(answer.message.split()), asked.keys)[:WORDS].rstrip(". ")
    code = answer.code if answer.code and answer.code != str(answer.status) else f"status {answer.status}"
    return f"{asked.call} on bucket {asked.bucket}: {code}" + (f" ({words})" if words else "")
