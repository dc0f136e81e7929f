"""All that families ask of Kafka, behind one small interface.

`DirectTopics` makes the calls for whatever it is given at once. Nothing here relies on what an earlier call saw, so
that `batched.BatchedTopics` can merge the needs of many families in front of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from sys import intern
from typing import Protocol, TypeVar

from agentmemory.core.errors import Denied, OperatorError, Transient
from agentmemory.core.key import Key
from agentmemory.engines.handover import Handover
from agentmemory.engines.outage import unanswered
from agentmemory.families.model import MANAGED_KEYS, Needs, Results, Seen
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.connection import KafkaPool
from agentmemory.kafka.model import CreatedTopic, TopicView


class Topics(Protocol):
    """Kafka as families see it. Raises OperatorError only when nothing could be asked; an item fails alone.

    Where there was no answer, the error is Unanswered.
    """

    async def observe(self, cluster: Key, names: Collection[str]) -> Mapping[str, Seen | OperatorError]:
        """The topics by name; those that do not exist are left out."""

    async def meet(self, cluster: Key, needs: Needs) -> Results:
        """Create, grow and alter."""

    async def delete(self, cluster: Key, ids: Collection[str]) -> Mapping[str, OperatorError | None]:
        """By topic id; what is gone already counts as deleted."""


T = TypeVar("T")
R = TypeVar("R")


class DirectTopics:
    """One call for each kind of thing that is asked."""

    def __init__(
        self,
        pool: KafkaPool,
        handover: Handover,
        keys: Callable[[Key], Sequence[str]] = lambda _: MANAGED_KEYS,
        *,
        apart: bool = False,
    ) -> None:
        """`keys`: which settings of a topic are ours on this cluster. `apart`: over a connection of its own."""
        self._pool = pool
        self._handover = handover
        self._keys = keys
        self._apart = apart

    async def observe(self, cluster: Key, names: Collection[str]) -> Mapping[str, Seen | OperatorError]:
        """Two calls, one after the other: the settings are asked of those topics only that are there."""
        admin = await self._admin(cluster)
        try:
            views = await admin.describe_topics(names)
            there = [name for name, view in views.items() if isinstance(view, TopicView)]
            configs = await admin.describe_configs(there, self._keys(cluster)) if there else {}
        except (Transient, Denied) as error:
            self._handover.forget()
            raise unanswered(cluster, error) from error
        # One that vanished between the two calls is not there.
        known = {name: view for name, view in views.items() if name in configs or isinstance(view, OperatorError)}
        return {name: _seen(view, configs.get(name, {})) for name, view in known.items()}

    async def meet(self, cluster: Key, needs: Needs) -> Results:
        """One call for each kind of need there is, side by side: no topic is made and changed in one pass."""
        admin = await self._admin(cluster)
        made, grown, altered = await asyncio.gather(
            _if_any(admin.create_topics, needs.create),
            _if_any(admin.create_partitions, needs.grow),
            _if_any(admin.alter_configs, needs.alter),
        )
        return Results(
            {name: topic.topic_id for name, topic in made.items() if isinstance(topic, CreatedTopic)},
            _errors(cluster, altered) | _errors(cluster, grown) | _errors(cluster, made),
        )

    async def delete(self, cluster: Key, ids: Collection[str]) -> Mapping[str, OperatorError | None]:
        """One call."""
        results = await (await self._admin(cluster)).delete_topics(ids=list(ids))
        return {**results, **_errors(cluster, results)}

    async def _admin(self, cluster: Key) -> KafkaAdmin:
        return await self._pool.get(cluster, await self._handover.credentials(cluster), apart=self._apart)


def _errors(cluster: Key, results: Mapping[str, object]) -> dict[str, OperatorError]:
    return {name: unanswered(cluster, result) for name, result in results.items() if isinstance(result, OperatorError)}


def _seen(view: TopicView | OperatorError, configs: Mapping[str, str] | OperatorError) -> Seen | OperatorError:
    if isinstance(view, OperatorError):
        return view
    if isinstance(configs, OperatorError):
        return configs
    # Ten thousand topics have the same few settings: each text is kept once.
    shared = {intern(key): intern(value) for key, value in configs.items()}
    return Seen(view.topic_id, len(view.partitions), shared)


async def _if_any(call: Callable[[T], Awaitable[dict[str, R]]], items: T) -> dict[str, R]:
    return await call(items) if items else {}
