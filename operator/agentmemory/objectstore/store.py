"""The calls that the operator makes to object storage, kept by `boto.BotoStore` and in memory by `tests/fakes3.py`."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from agentmemory.objectstore.model import (
    BucketView,
    Encryption,
    LifecycleRule,
    Location,
    LockMode,
    Ownership,
    Presence,
    PublicAccessBlock,
)

MOST = 1000
"""Objects that one DeleteObjects takes."""
CALL_LIMIT = 90.0
"""Seconds for one call, all its requests together."""


class ObjectStore(Protocol):
    """Every call ends within CALL_LIMIT seconds and raises only what `objectstore.errors` lists.

    A `put_*` replaces the whole part; a `put_*` or `delete_*` of a part that the server lacks raises Unsupported, and
    Transient("BucketMissing") where the bucket is gone.
    """

    async def describe(self, bucket: str) -> BucketView | None:
        """All of a bucket in some ten reads, None where there is none. WrongRegion when the server sends elsewhere,
        Conflict when it is somebody else's."""
        ...

    async def create(self, bucket: str, region: str, object_lock: bool = False) -> None:
        """Makes an empty bucket there. AlreadyOwned when this identity has it, Conflict when somebody else does."""
        ...

    async def put_tags(self, bucket: str, tags: Mapping[str, str]) -> None: ...

    async def put_encryption(self, bucket: str, encryption: Encryption) -> None: ...

    async def delete_encryption(self, bucket: str) -> None: ...

    async def put_versioning(self, bucket: str, enabled: bool) -> None:
        """Enabled or Suspended; a bucket never becomes Disabled again."""
        ...

    async def put_public_access_block(self, bucket: str, block: PublicAccessBlock) -> None: ...

    async def delete_public_access_block(self, bucket: str) -> None: ...

    async def put_ownership(self, bucket: str, ownership: Ownership) -> None: ...

    async def delete_ownership(self, bucket: str) -> None: ...

    async def put_lifecycle(self, bucket: str, rules: Sequence[LifecycleRule]) -> None:
        """These rules and no others; no rules delete the part."""
        ...

    async def put_object_lock(self, bucket: str, mode: LockMode, days: int) -> None:
        """The default retention; the bucket must have been made with Object Lock, or have versioning on."""
        ...

    async def put_policy(self, bucket: str, policy: Mapping[str, Any]) -> None:
        """The bucket policy. Unsupported also when the server refuses a condition key or the grammar (400).

        Where a policy replaces its writer's rights, a statement keeps the writer in (`keepin`); `describe` hides it.
        """
        ...

    async def delete_policy(self, bucket: str) -> None: ...

    async def look(self, bucket: str, key: str) -> Presence:
        """Whether an object can be read by this identity; reads none of it."""
        ...

    async def is_empty(self, bucket: str) -> bool:
        """As `BucketView.is_empty`."""
        ...

    async def delete_some(self, bucket: str, most: int = MOST) -> bool:
        """Deletes up to `most` (at most 1000) objects, old versions or delete markers, and aborts up to as many
        unfinished uploads; True while something may be left. The caller sets the pace. Denied("ObjectLocked") when
        what is left is locked."""
        ...

    async def delete(self, bucket: str) -> None:
        """Deletes an empty bucket; fine when it is gone already. Conflict("BucketNotEmpty") otherwise."""
        ...

    async def close(self) -> None:
        """Ends its connections."""
        ...


class Stores(Protocol):
    """What reconcilers need of a `pool.StorePool`."""

    def get(self, location: Location) -> ObjectStore:
        """The store at a location, one for all who ask. Invalid("EndpointNotAllowed") for a forbidden endpoint."""
        ...

    async def close(self) -> None:
        """Ends all connections."""
        ...
