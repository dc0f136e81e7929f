"""Where buckets are deleted: with a Delete object, when nobody uses them, empty or by `force` after its grace period.

Each step is judged from what is there at that moment, after a fresh look at the object and the Lease; how much of the
grace period is left is read off `deletionTimestamp`. Contents go in turn, so that a flood of deletes slows down nobody.
"""

from datetime import datetime, timedelta
from typing import Any

import structlog

from agentmemory.api.conditions import Phase, progressing, stalled, timestamp
from agentmemory.buckets import policy
from agentmemory.buckets.world import World
from agentmemory.context import Context
from agentmemory.core.errors import Transient
from agentmemory.core.key import key_of
from agentmemory.core.outcome import Again
from agentmemory.core.pacer import Pacer
from agentmemory.engines.lifecycle import confirm_ending, confirm_unchanged
from agentmemory.kube.errors import NotLeading
from agentmemory.kube.events import warn
from agentmemory.objectstore.model import BucketView
from agentmemory.objectstore.store import MOST, ObjectStore

log = structlog.get_logger(__name__)

Object = dict[str, Any]
RATE = 500.0
"""Objects a second, over all buckets, that `force` deletes."""
BURST = 4 * MOST
LOOK_AGAIN = 15.0
"""Seconds until it is seen whether a cluster let go of the bucket, or somebody emptied it."""
LONGEST_WAIT = 300.0
"""Of the grace period at once: clocks may be set meanwhile."""


class Ending:
    """The destructive part of the bucket's story."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pacer = Pacer(context.clock, RATE, BURST)

    def waits_for(self, world: World) -> Phase | None:
        """What holds up the deletion before the server is asked. Raises Transient while that cannot be told."""
        bucket = world.bucket
        if not self._context.store.synced("MemoryCluster"):
            raise Transient("NotSynced", "not all MemoryClusters are known yet, so one may use the bucket")
        if not world.used_by:
            return None
        return stalled(
            "BucketInUse",
            f"bucket {bucket.bucket_name} is not deleted while MemoryCluster {', '.join(world.used_by)} keeps data in "
            "it; delete the cluster first",
        )

    async def end(self, store: ObjectStore, obj: Object, world: World, view: BucketView) -> tuple[Phase, Again] | None:
        """One step: None when the bucket is gone or not ours to delete, else what it waits for and how long."""
        if policy.holding(world, view) != "Ours":
            log.warning(
                "the object goes, its bucket stays", key=str(world.key), why="it is not the object's by its tag"
            )
            return None
        if not view.is_empty:
            found = await self._contents(store, obj, world)
            if found is not None:
                return found
        await self._confirm(obj)
        await store.delete(view.name)
        log.info("deleted the bucket", key=str(world.key), bucket=view.name)
        return None

    async def _contents(self, store: ObjectStore, obj: Object, world: World) -> tuple[Phase, Again] | None:
        """None when the bucket is empty now."""
        bucket, force = world.bucket, world.bucket.spec.force
        if force is None:
            return stalled(
                "BucketNotEmpty",
                f"bucket {bucket.bucket_name} is deleted when it is empty; empty it, set spec.force to have its "
                "contents deleted too, or spec.deletionPolicy: Retain to let it stay",
            ), Again(LOOK_AGAIN, "the bucket is not empty")
        due = due_at(world)
        left = (due - self._context.clock.now()).total_seconds()
        if left > 0:
            await self._announce(obj, bucket.bucket_name, due)
            return progressing("GracePeriod", _grace(bucket.bucket_name, due)), Again(
                min(left, LONGEST_WAIT), "the grace period runs"
            )
        return await self._clear(store, obj, world)

    async def _announce(self, obj: Object, name: str, due: datetime) -> None:
        """Once: the condition says so from then on."""
        told = (obj.get("status") or {}).get("conditions") or ()
        if not any(one["type"] == "Ready" and one["reason"] == "GracePeriod" for one in told):
            await warn(self._context.kube, obj, "BucketWillBeEmptied", _grace(name, due), self._context.clock.now())

    async def _clear(self, store: ObjectStore, obj: Object, world: World) -> tuple[Phase, Again] | None:
        name = world.bucket.bucket_name
        phase = progressing("Emptying", f"the contents of bucket {name} are being deleted")
        if turn := self._pacer.ask(world.key, MOST):
            return phase, Again(turn, "its turn to delete contents")
        await self._confirm(obj)
        if await store.delete_some(name, MOST):
            return phase, Again(0.0, "more contents are left")
        return None

    async def _confirm(self, obj: Object) -> None:
        await confirm_ending(self._context.kube, obj)
        await confirm_unchanged(self._context.kube, obj)
        if not self._context.leading():
            raise NotLeading("NotLeading", f"{key_of(obj)} is not deleted: this process does not hold its Lease")


def due_at(world: World) -> datetime:
    """When contents may go. The API server sets deletionTimestamp once; nothing moves it."""
    bucket = world.bucket
    begun, force = bucket.metadata.deletion_timestamp, bucket.spec.force
    assert begun is not None
    assert force is not None
    return begun + timedelta(milliseconds=force.grace_period.milliseconds)


def _grace(name: str, due: datetime) -> str:
    return (
        f"bucket {name} is deleted with all that is in it after {timestamp(due)}, since spec.force says so; remove "
        "spec.force to keep what is in it, or set spec.deletionPolicy: Retain to keep the bucket"
    )
