"""The story of a MemoryBucket: find the bucket, make it or take it, mend what is not as declared, say how it stands.

At rest a look costs some ten reads at the server and writes nothing, neither there nor in Kubernetes.
"""

from collections.abc import Hashable, Iterable
from typing import Any

import structlog

from agentmemory.api.base import parse
from agentmemory.api.conditions import Phase, phase_of_error, progressing
from agentmemory.api.memorybucket import MemoryBucket
from agentmemory.buckets import drift, policy, status, trial, way
from agentmemory.buckets.drift import Conditions, Part
from agentmemory.buckets.ending import LOOK_AGAIN, Ending
from agentmemory.buckets.world import KIND, World, gather, of_place, place_of, references, touched
from agentmemory.context import Context
from agentmemory.core.errors import Bug, Invalid, OperatorError, Transient
from agentmemory.core.key import Key, key_of
from agentmemory.core.outcome import Again, Done, Outcome
from agentmemory.engines.lifecycle import has_finalizer, hold, is_ending, is_paused, namespace_is_ending, release
from agentmemory.engines.shared import shared_of
from agentmemory.engines.wake import Changes
from agentmemory.kube.errors import NotLeading, Stale
from agentmemory.kube.events import warn
from agentmemory.kube.status import write_status
from agentmemory.objectstore.errors import AlreadyOwned, Unsupported
from agentmemory.objectstore.model import BucketView
from agentmemory.objectstore.store import ObjectStore, Stores

log = structlog.get_logger(__name__)

Object = dict[str, Any]


class BucketReconciler:
    """Runs in the platform role."""

    kind = KIND

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ending = Ending(context)
        self._clusters = Changes(context.store, _what_it_uses)

    def owners(self, obj: dict[str, Any]) -> Iterable[Key]:
        """The buckets that a cluster refers to, and the other objects of one bucket."""
        match obj["kind"]:
            case "MemoryCluster" if self._clusters.matter(obj):
                return touched(self._context.store, obj)
            case "MemoryBucket":
                return [key_of(one) for one in of_place(self._context.store, place_of(obj))]
            case _:
                return ()

    async def reconcile(self, key: Key) -> Outcome:
        """Bring the bucket to what is declared, or say why not."""
        obj = self._context.store.get(key)
        if obj is None or is_paused(obj):
            return Done()
        if is_ending(obj) and not has_finalizer(obj):
            return Done()  # others' finalizers hold it; the bucket is none of its business any more
        try:
            world = gather(self._context.store, parse(MemoryBucket, obj))
        except Invalid as error:
            return await self._unreadable(obj, error)
        try:
            return await (self._end(obj, world) if is_ending(obj) else self._look(obj, world))
        except (Stale, NotLeading):
            raise  # says something of the moment and nothing of the bucket
        except OperatorError as error:
            await self._say(self._stored(obj), world, phase_of_error(error))
            if isinstance(error, Invalid):
                return Done()
            raise

    async def _unreadable(self, obj: Object, error: Invalid) -> Outcome:
        """An object of an older CRD, or edited past the API. Its deletion is not held up: its bucket stays."""
        if is_ending(obj):
            await self._let_go(obj, error.message)
        else:
            now = self._context.clock.now()
            wanted = status.of_trouble(obj, None, phase_of_error(error), now)
            await write_status(self._context.kube, self._context.store, obj, wanted)
        return Done()

    async def _look(self, obj: Object, world: World) -> Outcome:
        found = policy.judge(world)
        if found is not None:
            await self._say(obj, world, found)
            return Done()
        change = hold if world.bucket.spec.deletion_policy == "Delete" else release
        obj = await change(self._context.kube, self._context.store, obj)
        store = await self._reach(world)
        if isinstance(store, Phase):
            await self._say(obj, world, store)
            return Again(LOOK_AGAIN, store.reason)  # nobody watches Secrets
        view = await store.describe(world.bucket.bucket_name)
        if view is None:
            lost = policy.judge_absent(world)
            if lost is not None:
                return await self._absent(obj, world, lost)
            obj, world, view = await self._make(store, obj, world)
        taken = policy.judge_found(world, view)
        if taken is not None:
            await self._say(obj, world, taken)
            return Again(LOOK_AGAIN, taken.reason) if taken.kind == "Progressing" else Done()
        return await self._keep(store, obj, world, view)

    async def _reach(self, world: World) -> ObjectStore | Phase:
        secrets = shared_of(self._context.store, self._context.clock).secrets
        where = await way.location(self._context.kube, secrets, world.bucket)
        return where if isinstance(where, Phase) else self._stores().get(where)

    def _stores(self) -> Stores:
        if self._context.stores is None:
            raise Bug("NoObjectStorage", "this process was started without a way to object storage")
        return self._context.stores

    async def _absent(self, obj: Object, world: World, found: Phase) -> Outcome:
        told = any(it.type == "Ready" and it.reason == found.reason for it in world.bucket.status.conditions)
        if found.reason == "BucketLost" and not told:
            await warn(self._context.kube, obj, found.reason, found.message, self._context.clock.now())
        await self._say(obj, world, found)
        return Again(LOOK_AGAIN, found.reason)

    async def _make(self, store: ObjectStore, obj: Object, world: World) -> tuple[Object, World, BucketView]:
        """Write down first that the bucket was not there, so that it is known as ours whenever we die."""
        bucket = world.bucket
        if not world.begun:
            begun = progressing("Creating", f"bucket {bucket.bucket_name} is being made")
            wanted = status.begun(obj, world, begun, self._context.clock.now())
            await write_status(self._context.kube, self._context.store, obj, wanted)
            obj = self._stored(obj)
            world = gather(self._context.store, parse(MemoryBucket, obj))
        self._may_write()
        try:
            await store.create(bucket.bucket_name, bucket.spec.region, bucket.spec.object_lock is not None)
        except AlreadyOwned:
            log.debug("the bucket is there already", bucket=bucket.bucket_name)
        view = await store.describe(bucket.bucket_name)
        if view is None:
            raise Transient(
                "BucketNotSeen", f"bucket {bucket.bucket_name} was made and its server does not show it yet"
            )
        log.info("made the bucket", key=str(world.key), bucket=bucket.bucket_name)
        return obj, world, view

    async def _keep(self, store: ObjectStore, obj: Object, world: World, view: BucketView) -> Outcome:
        conditions = drift.assumed(world, view, status.conditions_before(obj))
        if conditions is None:
            self._may_write()
            conditions = await trial.run(store, world, view)
            view = await self._again(store, view)
        refused = status.refused_before(obj)
        found = drift.without(drift.parts(world, view, conditions), refused)
        wanting = [part for part in found if part.repair is not None]
        if wanting:
            refused |= await self._mend(store, wanting)
            view = await self._again(store, view)
            found = drift.without(drift.parts(world, view, conditions), refused)
            await self._report(obj, world, wanting, found)
        await self._tell(obj, world, view, found, conditions)
        return Done()

    async def _mend(self, store: ObjectStore, wanting: Iterable[Part]) -> dict[str, str]:
        """The parts that the server refuses, with its words. One that fails for a while stops the rest."""
        refused = {}
        for part in wanting:
            self._may_write()
            assert part.repair is not None
            try:
                await part.repair(store)
            except Unsupported as error:
                refused[part.name] = error.message
        return refused

    async def _again(self, store: ObjectStore, view: BucketView) -> BucketView:
        """What was written is read back."""
        found = await store.describe(view.name)
        if found is None:
            raise Transient("BucketMissing", f"bucket {view.name} went away while it was looked after")
        return found

    async def _report(self, obj: Object, world: World, mended: Iterable[Part], now: Iterable[Part]) -> None:
        """Somebody changed what had been as declared: worth a warning. What the spec's author changed is not."""
        if not status.was_looked_at(obj):
            return
        left = {part.name for part in now if part.repair is not None or part.lacks}
        for part in mended:
            if part.name not in left:
                words = f"{part.name} of bucket {world.bucket.bucket_name} was changed by somebody else and is set back"
                await warn(self._context.kube, obj, "DriftRepaired", words, self._context.clock.now())

    async def _end(self, obj: Object, world: World) -> Outcome:
        if world.bucket.spec.deletion_policy == "Retain" or not world.begun:
            return await self._let_go(obj, "it is retained" if world.begun else "it never was the object's")
        found: tuple[Phase, Again] | None
        try:
            found = await self._delete(obj, world)
        except (Stale, NotLeading):
            raise
        except OperatorError as error:
            if not await self._namespace_goes(obj):
                raise
            return await self._let_go(obj, f"the namespace is being deleted, and {error.message}")
        if found is None:
            await release(self._context.kube, self._context.store, obj)
            return Done()
        phase, again = found
        if phase.reason != "Emptying" and await self._namespace_goes(obj):
            return await self._let_go(obj, f"the namespace is being deleted, and {phase.message}")
        await self._say(self._stored(obj), world, phase)
        return again

    async def _delete(self, obj: Object, world: World) -> tuple[Phase, Again] | None:
        in_use = self._ending.waits_for(world)
        if in_use is not None:
            return in_use, Again(LOOK_AGAIN, "a cluster uses the bucket")
        store = await self._reach(world)
        if isinstance(store, Phase):
            return store, Again(LOOK_AGAIN, store.reason)
        view = await store.describe(world.bucket.bucket_name)
        return None if view is None else await self._ending.end(store, obj, world, view)

    async def _namespace_goes(self, obj: Object) -> bool:
        return await namespace_is_ending(self._context.kube, self._context.store, key_of(obj).namespace)

    async def _let_go(self, obj: Object, why: str) -> Outcome:
        log.warning("the object goes, its bucket stays", key=str(key_of(obj)), why=why)
        await release(self._context.kube, self._context.store, obj)
        return Done()

    async def _tell(
        self, obj: Object, world: World, view: BucketView, found: tuple[Part, ...], conditions: Conditions
    ) -> None:
        phase = status.phase_of(world, found, conditions)
        wanted = status.of_bucket(obj, world, view, found, conditions, phase, self._context.clock.now())
        await write_status(self._context.kube, self._context.store, obj, wanted)

    async def _say(self, obj: Object, world: World, phase: Phase) -> None:
        wanted = status.of_trouble(obj, world, phase, self._context.clock.now())
        await write_status(self._context.kube, self._context.store, obj, wanted)

    def _stored(self, obj: Object) -> Object:
        """The object as our own last write left it; as it was looked at when somebody else changed it meanwhile."""
        stored = self._context.store.get(key_of(obj))
        same = stored is not None and all(
            stored["metadata"].get(field) == obj["metadata"].get(field) for field in ("uid", "generation")
        )
        return stored if stored is not None and same else obj

    def _may_write(self) -> None:
        if not self._context.leading():
            raise NotLeading("NotLeading", "the bucket is not changed: this process does not hold its Lease")


def _what_it_uses(cluster: Any) -> Hashable:
    return None if cluster is None else references(cluster)
