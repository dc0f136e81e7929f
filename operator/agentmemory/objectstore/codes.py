"""What S3's error codes mean: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList"""

from typing import NamedTuple

from agentmemory.core.errors import Conflict, Denied, Invalid, OperatorError, Transient
from agentmemory.objectstore.errors import AlreadyOwned, Unsupported, WrongRegion

SLOW_DOWN = 5.0
"""Seconds that we leave a server alone which asks for it."""
UNKNOWN = 30.0
"""Seconds before a refusal that we do not understand is met again."""


class Rule(NamedTuple):
    """`reason` None is S3's own code; `way_out` may name the `{right}` that a call needs."""

    kind: type[OperatorError]
    reason: str | None
    way_out: str
    retry_after: float | None = None


_AGAIN = "it is tried again"
_KEYS = "check the keys in the Secret of credentialsSecretRef, or the pod's identity"
_RENEW = "renew the credentials in the Secret of credentialsSecretRef, or the pod's identity"

RIGHT_MISSING = Rule(
    Denied, "AccessDenied", "give the operator's identity the right {right}, or use credentials that have it"
)
ACCOUNT = Rule(Denied, "AccessDenied", "ask who runs the account")
KEYS_WRONG = Rule(Denied, "CredentialsInvalid", _KEYS)
KEYS_EXPIRED = Rule(Denied, "CredentialsExpired", _RENEW)
CLOCK = Rule(Denied, "ClockSkewed", "set this machine's clock, or the server's")
REDIRECT = Rule(WrongRegion, None, "")
LACKING = Rule(Unsupported, "NotImplemented", "the server lacks this, use one that has it or do without")
REGION_UNKNOWN = Rule(Invalid, "RegionUnknown", "name a region of this server")
OTHER_REGION = Rule(Invalid, "RegionMismatch", "the endpoint serves another region: name its region, or its endpoint")
BUSY = Rule(Transient, "SlowDown", _AGAIN, SLOW_DOWN)
FAILED = Rule(Transient, "ServerFailed", _AGAIN)
# What is not known is Transient: a wrong guess then costs retries, a wrong Invalid would leave the object lying.
NOT_UNDERSTOOD = Rule(Transient, "Unexpected", _AGAIN, UNKNOWN)

CODES: dict[str, Rule] = {
    "AccessDenied": RIGHT_MISSING,
    "AllAccessDisabled": ACCOUNT,
    "AccountProblem": ACCOUNT,
    "InvalidAccessKeyId": KEYS_WRONG,
    "SignatureDoesNotMatch": KEYS_WRONG,
    "InvalidToken": KEYS_WRONG,
    "ExpiredToken": KEYS_EXPIRED,
    "ExpiredTokenException": KEYS_EXPIRED,
    "TokenRefreshRequired": KEYS_EXPIRED,
    "RequestTimeTooSkewed": CLOCK,
    "RequestExpired": CLOCK,
    "TooManyBuckets": Rule(Denied, "TooManyBuckets", "raise the account's quota, or delete buckets"),
    "ObjectLocked": Rule(Denied, "ObjectLocked", "wait until its retention is over"),
    "PermanentRedirect": REDIRECT,
    "TemporaryRedirect": REDIRECT,
    "Redirect": REDIRECT,
    "AuthorizationHeaderMalformed": REDIRECT,
    "IllegalLocationConstraintException": OTHER_REGION,
    "NoSuchBucket": Rule(Transient, "BucketMissing", _AGAIN),
    "BucketAlreadyOwnedByYou": Rule(AlreadyOwned, "BucketAlreadyOwned", "adopt it, or choose another name"),
    "BucketAlreadyExists": Rule(
        Conflict, "BucketOwnedBySomebodyElse", "all accounts of a server share its names: choose another"
    ),
    "OperationAborted": Rule(Transient, "OperationAborted", _AGAIN, SLOW_DOWN),
    "BucketNotEmpty": Rule(Conflict, "BucketNotEmpty", "empty it first"),
    "NotImplemented": LACKING,
    "MethodNotAllowed": LACKING,
    "UnsupportedOperation": LACKING,
    "MalformedXML": LACKING,
    "MalformedPolicy": Rule(
        Unsupported, "PolicyRefused", "the server does not know all of this policy's conditions, actions or principals"
    ),
    "InvalidBucketName": Rule(Invalid, None, "choose another name"),
    "InvalidLocationConstraint": REGION_UNKNOWN,
    "InvalidRegionName": REGION_UNKNOWN,
    "InvalidArgument": Rule(Invalid, None, "change the value that is named"),
    "InvalidRequest": Rule(Invalid, None, "change what is named"),
    "InvalidRange": Rule(Invalid, None, "ask for bytes that are there"),
    "InvalidTag": Rule(Invalid, None, "change the tag that is named"),
    "InvalidBucketState": Rule(Invalid, None, "the bucket's other settings forbid it"),
    "KMS.NotFoundException": Rule(Invalid, "KmsKeyUnusable", "name a key that is there"),
    "KMS.DisabledException": Rule(Invalid, "KmsKeyUnusable", "enable the key, or name another"),
    "KMS.KMSInvalidStateException": Rule(Invalid, "KmsKeyUnusable", "the key is disabled or being deleted"),
    "SlowDown": BUSY,
    "Throttling": BUSY,
    "ThrottlingException": BUSY,
    "RequestLimitExceeded": BUSY,
    "TooManyRequests": BUSY,
}


def by_status(status: int) -> Rule:
    """What an HTTP status means, where S3's code is unknown or absent (answers to HEAD have no body)."""
    known = {401: RIGHT_MISSING, 403: RIGHT_MISSING, 405: LACKING, 429: BUSY, 501: LACKING}
    if status in (301, 307, 308):
        return REDIRECT
    return known.get(status) or (FAILED if status >= 500 else NOT_UNDERSTOOD)
