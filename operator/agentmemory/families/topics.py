"""All that families ask of Kafka, behind one small interface.

`DirectTopics` makes the calls of one family at a time. Nothing here relies on what an earlier call saw, so a layer that
merges the needs of many families can take its place.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Protocol

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


class DirectTopics:
    """Each family's calls by themselves."""

    def __init__(self, pool: KafkaPool, handover: Handover) -> None:
        self._pool = pool
        self._handover = handover

    async def observe(self, cluster: Key, names: Collection[str]) -> Mapping[str, Seen | OperatorError]:
        """Two calls, side by side."""
        admin = await self._admin(cluster)
        try:
            views, configs = await asyncio.gather(
                admin.describe_topics(names), admin.describe_configs(names, MANAGED_KEYS)
            )
        except (Transient, Denied) as error:
            self._handover.forget()
            raise unanswered(cluster, error) from error
        return {name: _seen(view, configs[name]) for name, view in views.items() if name in configs}

    async def meet(self, cluster: Key, needs: Needs) -> Results:
        """One call for each kind of need there is. A grown topic is altered in the same pass."""
        admin = await self._admin(cluster)
        made = await admin.create_topics(needs.create) if needs.create else {}
        grown = await admin.create_partitions(needs.grow) if needs.grow else {}
        altered = await admin.alter_configs(needs.alter) if needs.alter else {}
        return Results(
            {name: topic.topic_id for name, topic in made.items() if isinstance(topic, CreatedTopic)},
            _errors(cluster, altered) | _errors(cluster, grown) | _errors(cluster, made),
        )

    async def delete(self, cluster: Key, ids: Collection[str]) -> Mapping[str, OperatorError | None]:
        """One call."""
        results = await (await self._admin(cluster)).delete_topics(ids=list(ids))
        return {**results, **_errors(cluster, results)}

    async def _admin(self, cluster: Key) -> KafkaAdmin:
        return await self._pool.get(cluster, await self._handover.credentials(cluster))


def _errors(cluster: Key, results: Mapping[str, object]) -> dict[str, OperatorError]:
    return {name: unanswered(cluster, result) for name, result in results.items() if isinstance(result, OperatorError)}


def _seen(view: TopicView | OperatorError, configs: Mapping[str, str] | OperatorError) -> Seen | OperatorError:
    if isinstance(view, OperatorError):
        return view
    if isinstance(configs, OperatorError):
        return configs
    return Seen(view.topic_id, len(view.partitions), configs)
