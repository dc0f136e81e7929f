"""Where topics are deleted: with a Delete family, and when a Delete family no longer names them.

By topic id, after a fresh look at the object and the Lease: a process that was held up for an hour in between does no
harm, since a topic that was made anew meanwhile has another id. In turn: see pace.py.
"""

from collections.abc import Collection, Mapping
from typing import Any

import structlog

from agentmemory.context import Context
from agentmemory.core.errors import OperatorError
from agentmemory.core.key import Key, key_of
from agentmemory.core.outcome import Again, Done, Outcome
from agentmemory.engines.lifecycle import confirm_ending, confirm_unchanged, namespace_is_ending, release
from agentmemory.families import policy
from agentmemory.families.model import Seen
from agentmemory.families.pace import Pace, partitions
from agentmemory.families.topics import Topics
from agentmemory.families.world import World
from agentmemory.kube.errors import NotLeading
from agentmemory.kube.events import warn

log = structlog.get_logger(__name__)

Object = dict[str, Any]


class Ending:
    """The destructive part of the family's story."""

    def __init__(self, context: Context, topics: Topics, pace: Pace) -> None:
        self._context = context
        self._topics = topics
        self._pace = pace

    async def end(self, obj: Object, world: World) -> Outcome:
        """Delete the topics of an ending family, then let it go. Raises what Kafka answered while it must wait.

        What cannot be asked of Kafka does not hold up a namespace that is being deleted: its topics stay.
        """
        kept_because = policy.nothing_to_delete(world)
        if kept_because is None:
            try:
                if (turn := await self._delete_all(obj, world)) is not None:
                    return turn
            except OperatorError as error:
                if not await namespace_is_ending(self._context.kube, self._context.store, key_of(obj).namespace):
                    raise
                kept_because = f"the namespace is being deleted, and {error.message}"
        if kept_because is not None and world.family.spec.deletion_policy == "Delete":
            log.warning("family goes, its topics stay", key=str(key_of(obj)), why=kept_because)
        await release(self._context.kube, self._context.store, obj)
        return Done()

    async def drop(self, obj: Object, cluster: Key, ids: Mapping[str, str]) -> dict[str, OperatorError]:
        """Delete topics (name to id) that a Delete family no longer names; the errors by name."""
        await confirm_unchanged(self._context.kube, obj)
        results = await self._delete(cluster, ids)
        gone = [name for name in ids if name not in results]
        if gone:
            await warn(
                self._context.kube,
                obj,
                "TopicsDeleted",
                f"deleted with all records, since spec.topics no longer names them: {', '.join(gone)}",
                self._context.clock.now(),
            )
        return results

    async def _delete_all(self, obj: Object, world: World) -> Again | None:
        """Again while it is not this family's turn."""
        key, cluster = key_of(obj), world.frame.cluster_key
        names = [*world.topic_names().values(), *world.left_over().values()]
        answer = await self._topics.observe(cluster, names)
        there = {name: found for name, found in answer.items() if isinstance(found, Seen)}
        there |= _unlisted(world, names, answer)
        errors = [found for found in answer.values() if isinstance(found, OperatorError)]
        if there:
            if (turn := self._pace.turn(cluster, key, partitions(there))) is not None:
                return turn
            await confirm_ending(self._context.kube, obj)
            ids = {name: found.topic_id for name, found in there.items()}
            errors += (await self._delete(cluster, ids)).values()
        if errors:
            raise errors[0]
        log.info("deleted topics", key=str(key), topics=list(there))
        return None

    async def _delete(self, cluster: Key, ids: Mapping[str, str]) -> dict[str, OperatorError]:
        if not self._context.leading():
            raise NotLeading("NotLeading", "topics are not deleted: this process does not hold its Lease")
        results = await self._topics.delete(cluster, list(ids.values()))
        found = {name: results.get(topic_id) for name, topic_id in ids.items()}
        return {name: error for name, error in found.items() if error is not None}


def _unlisted(world: World, names: Collection[str], answer: Collection[str]) -> dict[str, Seen]:
    """Topics that the status records and no broker lists: gone, or so new that the brokers have not heard of them.

    The controller knows which, and takes the deletion of an id that is gone for done.
    """
    return {
        topic.topic_name: Seen(topic.topic_id, topic.partitions, {})
        for topic in world.family.status.topics
        if topic.topic_id and topic.topic_name in names and topic.topic_name not in answer
    }
