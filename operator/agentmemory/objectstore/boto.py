"""`ObjectStore` by boto3: each call runs in a thread of the pool's and ends in time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

from agentmemory.core.errors import Transient
from agentmemory.objectstore import emptying, keepin, reading, shapes
from agentmemory.objectstore.caller import Caller
from agentmemory.objectstore.model import (
    BucketView,
    Encryption,
    LifecycleRule,
    LockMode,
    Ownership,
    Presence,
    PublicAccessBlock,
)
from agentmemory.objectstore.store import CALL_LIMIT, MOST

T = TypeVar("T")


class BotoStore:
    """The store at one location; made by `pool.StorePool`."""

    def __init__(self, caller: Caller, executor: Executor, limit: float = CALL_LIMIT) -> None:
        self._caller = caller
        self._executor = executor
        self._limit = limit

    async def describe(self, bucket: str) -> BucketView | None:
        return await self._run("describing", bucket, lambda: reading.describe(self._caller, bucket))

    async def create(self, bucket: str, region: str, object_lock: bool = False) -> None:
        await self._call("CreateBucket", bucket, **shapes.creation(region, object_lock))

    async def put_tags(self, bucket: str, tags: Mapping[str, str]) -> None:
        await self._call("PutBucketTagging", bucket, Tagging=shapes.tags_to(tags))

    async def put_encryption(self, bucket: str, encryption: Encryption) -> None:
        written = shapes.encryption_to(encryption)
        await self._call("PutBucketEncryption", bucket, ServerSideEncryptionConfiguration=written)

    async def delete_encryption(self, bucket: str) -> None:
        await self._call("DeleteBucketEncryption", bucket)

    async def put_versioning(self, bucket: str, enabled: bool) -> None:
        status = "Enabled" if enabled else "Suspended"
        await self._call("PutBucketVersioning", bucket, VersioningConfiguration={"Status": status})

    async def put_public_access_block(self, bucket: str, block: PublicAccessBlock) -> None:
        written = shapes.block_to(block)
        await self._call("PutPublicAccessBlock", bucket, PublicAccessBlockConfiguration=written)

    async def delete_public_access_block(self, bucket: str) -> None:
        await self._call("DeletePublicAccessBlock", bucket)

    async def put_ownership(self, bucket: str, ownership: Ownership) -> None:
        written = {"Rules": [{"ObjectOwnership": ownership}]}
        await self._call("PutBucketOwnershipControls", bucket, OwnershipControls=written)

    async def delete_ownership(self, bucket: str) -> None:
        await self._call("DeleteBucketOwnershipControls", bucket)

    async def put_lifecycle(self, bucket: str, rules: Sequence[LifecycleRule]) -> None:
        if not rules:
            await self._call("DeleteBucketLifecycle", bucket)
            return
        written = {"Rules": [shapes.rule_to(rule) for rule in rules]}
        await self._call("PutBucketLifecycleConfiguration", bucket, LifecycleConfiguration=written)

    async def put_object_lock(self, bucket: str, mode: LockMode, days: int) -> None:
        rule = {"DefaultRetention": {"Mode": mode, "Days": days}}
        written = {"ObjectLockEnabled": "Enabled", "Rule": rule}
        await self._call("PutObjectLockConfiguration", bucket, ObjectLockConfiguration=written)

    async def put_policy(self, bucket: str, policy: Mapping[str, Any]) -> None:
        await self._run("PutBucketPolicy", bucket, lambda: keepin.put(self._caller, bucket, policy))

    async def delete_policy(self, bucket: str) -> None:
        await self._call("DeleteBucketPolicy", bucket)

    async def look(self, bucket: str, key: str) -> Presence:
        return await self._run("GetObject", bucket, lambda: reading.look(self._caller, bucket, key))

    async def is_empty(self, bucket: str) -> bool:
        return await self._run("ListObjectVersions", bucket, lambda: reading.is_empty(self._caller, bucket))

    async def delete_some(self, bucket: str, most: int = MOST) -> bool:
        return await self._run("emptying", bucket, lambda: emptying.delete_some(self._caller, bucket, most))

    async def delete(self, bucket: str) -> None:
        await self._run("DeleteBucket", bucket, lambda: self._caller.ask("DeleteBucket", bucket, ("NoSuchBucket",)))

    async def close(self) -> None:
        self.drop()

    def drop(self) -> None:
        """Ends its connections at once; a later call opens new ones."""
        self._caller.close()

    async def _call(self, name: str, bucket: str, **params: Any) -> None:
        await self._run(name, bucket, lambda: self._caller.call(name, bucket, **params))

    async def _run(self, what: str, bucket: str, work: Callable[[], T]) -> T:
        """Waits for a thread's work. The thread itself ends by the client's own limits."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limit):
                return await loop.run_in_executor(self._executor, work)
        except TimeoutError as exc:
            message = f"{what} on bucket {bucket}: no answer in {self._limit:g} s; it is tried again"
            raise Transient("Timeout", message) from exc
