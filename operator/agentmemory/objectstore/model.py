"""What is said and seen of a bucket. All values are immutable and none of them shows a key when it is printed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

VersioningState = Literal["Disabled", "Enabled", "Suspended"]
"""Disabled: versioning was never on. Suspended: it was, and old versions may still be there."""
Ownership = Literal["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"]
LockMode = Literal["GOVERNANCE", "COMPLIANCE"]
Presence = Literal["Found", "Absent", "Denied"]
"""What a look at one object tells: it is there, it is not, or we may not know."""
State = Literal["Supported", "Missing", "Unknown"]


@dataclass(frozen=True)
class Keys:
    """An access key. Never printed: repr and str tell nothing of it."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    def secrets(self) -> tuple[str, ...]:
        """What must not stand in a message, the longest first."""
        parts = (self.access_key_id, self.secret_access_key, self.session_token or "")
        return tuple(sorted(filter(None, parts), key=len, reverse=True))


@dataclass(frozen=True)
class Location:
    """Where buckets are and who asks. Equal locations share one client; new keys are a new location.

    `endpoint` None is AWS's own of the region. `ca_pem` None trusts the public authorities, else this one alone.
    `credentials` None is the pod's own identity, found by botocore's default chain (IRSA, EKS Pod Identity).
    """

    endpoint: str | None
    region: str
    path_style: bool = False
    ca_pem: str | None = field(default=None, repr=False)
    credentials: Keys | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Missing:
    """In place of a bucket's part: the server lacks the call. `reason` is what it answered."""

    reason: str


@dataclass(frozen=True)
class Encryption:
    """Default encryption of new objects. `algorithm` as S3 names it: AES256, aws:kms, aws:kms:dsse."""

    algorithm: str
    kms_key_id: str | None = None
    bucket_key: bool = False


@dataclass(frozen=True)
class PublicAccessBlock:
    """The four switches that keep a bucket from the public."""

    block_public_acls: bool = True
    ignore_public_acls: bool = True
    block_public_policy: bool = True
    restrict_public_buckets: bool = True


@dataclass(frozen=True)
class LifecycleRule:
    """One rule. `others` names what it does or filters by beyond these fields (`Transitions`, `Filter.Tag`, ...).

    A rule with `others` is only ever read: it cannot be written.
    """

    id: str
    enabled: bool = True
    prefix: str = ""
    abort_days: int | None = None
    """Days after which an unfinished upload is dropped."""
    expire_days: int | None = None
    """Days after which an object is deleted."""
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class ObjectLock:
    """Object Lock is on, and cannot be taken off. `mode` and `days` are the default retention, None where none is set.

    A retention in years is given as years * 365 days.
    """

    mode: LockMode | None = None
    days: int | None = None


@dataclass(frozen=True)
class BucketView:
    """A bucket as its server tells. A part is None (or empty) where nothing is set, Missing where the call is."""

    name: str
    region: str
    is_empty: bool
    """No object, no old version and no delete marker. Unfinished uploads do not count."""
    tags: Mapping[str, str] | Missing
    encryption: Encryption | Missing | None
    versioning: VersioningState | Missing
    public_access_block: PublicAccessBlock | Missing | None
    ownership: Ownership | Missing | None
    lifecycle: tuple[LifecycleRule, ...] | Missing
    object_lock: ObjectLock | Missing | None
    policy: Mapping[str, Any] | Missing | None
    """The bucket policy as JSON."""
