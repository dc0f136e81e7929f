"""Errors of object storage that callers tell apart; all are also those of `core.errors`.

Transient   no answer, time-out, 5xx, SlowDown; BucketMissing where a bucket went away under a call
Denied      CredentialsInvalid, CredentialsExpired, ClockSkewed, AccessDenied (the message names the right)
Conflict    AlreadyOwned: this identity has the bucket already
            BucketOwnedBySomebodyElse, BucketNotEmpty
Invalid     EndpointNotAllowed, RegionMismatch (WrongRegion), NotImplemented (Unsupported)
"""

from agentmemory.core.errors import Conflict, Invalid


class Unsupported(Invalid):
    """The server lacks the call or refuses a part of it that others have; trying again changes nothing."""


class WrongRegion(Invalid):
    """The bucket, or the server, is in another region than was asked for; `region` is what the server told."""

    def __init__(self, message: str, region: str | None) -> None:
        super().__init__("RegionMismatch", message)
        self.region = region


class AlreadyOwned(Conflict):
    """A create met a bucket of that name that this identity owns (also: the first answer got lost)."""
