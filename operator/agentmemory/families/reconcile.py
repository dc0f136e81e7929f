"""The story of a TopicFamily: agree, look at Kafka, do what is missing, say how it stands.

One status write for a new Retain family, one more for the finalizer of a Delete family, none when nothing changed;
everything that is read in Kubernetes comes from the store.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from agentmemory.api.base import parse
from agentmemory.api.conditions import Phase, phase_of_error, ready, stalled
from agentmemory.api.topicfamily import TopicFamily
from agentmemory.context import Context
from agentmemory.core.errors import Denied, Invalid, OperatorError, Transient
from agentmemory.core.key import Key, key_of
from agentmemory.core.outcome import Again, Done, Outcome
from agentmemory.engines.handover import Handover
from agentmemory.engines.lifecycle import hold, is_ending, is_paused, release
from agentmemory.engines.outage import Breaker, Outages, Unanswered
from agentmemory.engines.verdict import sum_up
from agentmemory.engines.wake import FrameWatch
from agentmemory.families import desired, policy, tiers
from agentmemory.families.batched import BatchedTopics
from agentmemory.families.ending import Ending
from agentmemory.families.model import Seen
from agentmemory.families.pace import Pace, partitions
from agentmemory.families.settled import Basis, Settled, Verdict, basis_of
from agentmemory.families.topics import DirectTopics, Topics
from agentmemory.families.world import World, gather
from agentmemory.kube.events import warn
from agentmemory.kube.status import same_but_for, write_status

log = structlog.get_logger(__name__)

Object = dict[str, Any]
# Seconds until brokers are counted again; their coming wakes the family earlier.
SHORT_OF_BROKERS = 5.0


class FamilyReconciler:
    """Runs in the tenant role."""

    kind = "TopicFamily"

    def __init__(self, context: Context, topics: Topics | None = None) -> None:
        """`topics`: how Kafka is reached; by default all families together."""
        self._context = context
        handover = Handover(context.kube, context.settings.namespace, context.clock)
        direct = partial(DirectTopics, context.kafka, handover, partial(tiers.keys_on, context.store))
        batched = BatchedTopics(
            direct(), direct(apart=True), lambda: context.leading(), Breaker(context.clock), context.awaited
        )
        self._topics = topics or batched
        context.store.listen(partial(_hurry, batched))
        self._outages = Outages(context.enqueue)
        self._pace = Pace(context.clock, context.settings.discard_rate)
        self._ending = Ending(context, self._topics, self._pace)
        self._frames = FrameWatch(context.store, self.kind)
        self._settled = Settled(context.store)

    def owners(self, obj: dict[str, Any]) -> Iterable[Key]:
        """The families of a tenant, or of a cluster's tenants."""
        return self._frames.owners(obj)

    async def reconcile(self, key: Key) -> Outcome:
        """Bring the family's topics to what it declares, or say why not."""
        obj = self._context.store.get(key)
        if obj is None:
            self._settled.forget(key)
            return Done()
        if is_paused(obj):
            return Done()
        failure: OperatorError | None = None
        if (verdict := self._settled.find(key, obj)) is not None:
            try:
                if await self._is_same(verdict):
                    return Done()
            except OperatorError as error:
                failure = error
        return await self._judge(key, obj, failure)

    async def _is_same(self, verdict: Verdict) -> bool:
        """Whether Kafka still answers as it did when nothing was to be done."""
        cluster = verdict.basis.cluster
        answer = await self._topics.observe(cluster, verdict.names)
        self._outages.over(cluster)
        return verdict.same(answer)

    async def _judge(self, key: Key, obj: Object, failure: OperatorError | None) -> Outcome:
        """The whole story; `failure` is what asking Kafka has led to already."""
        try:
            family = parse(TopicFamily, obj)
        except Invalid as error:
            return await self._unreadable(obj, error)
        world = gather(self._context.store, family)
        if is_ending(obj):
            return await self._end(key, obj, world)
        found = policy.judge(world)
        if found is not None:
            await self._say(obj, world, found)
            return Done()
        basis = basis_of(self._context.store, obj, world)
        return await self._keep(key, await self._finalizer(obj, world), world, basis, failure)

    async def _unreadable(self, obj: Object, error: Invalid) -> Outcome:
        """An object of an older CRD, or edited past the API. Its deletion is not held up: its topics stay."""
        if is_ending(obj):
            log.warning("family goes unread, its topics stay", key=str(key_of(obj)), why=error.message)
            await release(self._context.kube, self._context.store, obj)
        else:
            await self._say(obj, None, phase_of_error(error))
        return Done()

    async def _end(self, key: Key, obj: Object, world: World) -> Outcome:
        try:
            return await self._ending.end(obj, world)
        except Unanswered as error:
            await self._say(obj, world, phase_of_error(error))
            return self._outages.wait(key, error)
        except (Denied, Invalid) as error:
            await self._say(obj, world, stalled(error.reason, f"its topics cannot be deleted: {error.message}"))
            raise

    async def _finalizer(self, obj: Object, world: World) -> Object:
        """Only a family that deletes its topics holds up its own deletion."""
        change = hold if world.family.spec.deletion_policy == "Delete" else release
        return await change(self._context.kube, self._context.store, obj)

    async def _keep(self, key: Key, obj: Object, world: World, basis: Basis, failure: OperatorError | None) -> Outcome:
        cluster = world.frame.cluster_key
        names = (*world.topic_names().values(), *world.left_over().values())
        try:
            if failure is not None:
                raise failure
            answer = await self._topics.observe(cluster, names)
        except Unanswered as error:
            await self._say(obj, world, phase_of_error(error))
            return self._outages.wait(key, error)
        except Denied as error:
            await self._say(obj, world, phase_of_error(error))
            raise
        self._outages.over(cluster)
        seen = {name: found for name, found in answer.items() if isinstance(found, Seen)}
        failed = {name: found for name, found in answer.items() if isinstance(found, OperatorError)}
        return await self._change(key, obj, world, seen, failed, basis, names)

    async def _change(
        self,
        key: Key,
        obj: Object,
        world: World,
        seen: dict[str, Seen],
        failed: dict[str, OperatorError],
        basis: Basis,
        names: tuple[str, ...],
    ) -> Outcome:
        """Do what is missing, topic by topic: one that fails leaves the others done."""
        cluster, short = world.frame.cluster_key, policy.enough_brokers(world, seen.keys() | failed)
        needed = desired.needs(world, seen, unknown=failed)
        needed = needed if short is None else desired.without_new(needed)
        leaving = desired.to_delete(world, seen)
        lost = desired.cuts(needed, seen) | {name: seen[name] for name in leaving}
        turn = self._pace.turn(cluster, key, partitions(lost)) if lost else None
        if turn is not None:
            needed, leaving = desired.without(needed, lost), {}
        if needed:
            results = await self._topics.meet(cluster, needed)
            log.info("changed topics", key=str(key), made=[*results.created], failed=[*results.failed])
            failed |= results.failed
            seen = desired.after(seen, needed, results)
        if leaving:
            kept = await self._ending.drop(obj, cluster, leaving)
            failed |= kept
            seen = {name: found for name, found in seen.items() if name not in leaving or name in kept}
        if turn is not None and not failed:
            return turn
        outcome, as_told = await self._tell(key, obj, world, seen, failed, short)
        if outcome == Done() and as_told is not None:
            self._settled.remember(key, replace(basis, family=as_told), names, seen)
        return outcome

    async def _tell(
        self,
        key: Key,
        obj: Object,
        world: World,
        seen: Mapping[str, Seen],
        failed: Mapping[str, OperatorError],
        short: Phase | None,
    ) -> tuple[Outcome, Object | None]:
        """Also the family as it then is, when nobody else has changed it meanwhile."""
        errors = sorted(failed.values(), key=_urgency)
        if errors and all(error.reason == "TopicAlreadyExists" for error in errors):
            raise errors[0]  # brokers did not list it yet: nothing to tell, a moment later they do
        shrunk = policy.partitions_that_shrink(world, seen).values()
        found = sum_up([*map(phase_of_error, errors), *shrunk, *([short] if short else [])])
        if anew := desired.made_anew(world, seen):
            await warn(self._context.kube, obj, "TopicsMadeAnew", _lost(anew), self._context.clock.now())
        as_told = await self._say(obj, world, found or ready(desired.ready_message(world, seen)), seen)
        if errors and isinstance(errors[0], Unanswered):
            return self._outages.wait(key, errors[0]), None
        if errors:
            raise errors[0]
        return Again(SHORT_OF_BROKERS, short.reason) if short else Done(), as_told

    async def _say(
        self, obj: Object, world: World | None, phase: Phase, seen: Mapping[str, Seen] | None = None
    ) -> Object | None:
        status = desired.status(obj, world, phase, seen, self._context.clock.now())
        if not await write_status(self._context.kube, self._context.store, obj, status):
            return obj
        stored = self._context.store.get(key_of(obj))
        unchanged = stored is not None and stored.get("status") == status and same_but_for(stored, obj)
        return stored if unchanged else None


def _hurry(topics: BatchedTopics, new: Object | None, previous: Object | None) -> None:
    obj = new or previous
    if obj is not None and obj["kind"] == FamilyReconciler.kind:
        topics.hurry(key_of(obj))


def _urgency(error: OperatorError) -> int:
    """What is worth the earliest retry comes first."""
    order = (Unanswered, Transient, Denied)
    return next((rank for rank, kind in enumerate(order) if isinstance(error, kind)), len(order))


def _lost(names: list[str]) -> str:
    return f"deleted by somebody else and made anew, so their records are lost: {', '.join(names)}"
