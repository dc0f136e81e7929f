"""The needs of all families towards one cluster, merged: one call of a kind at a time, whatever asks meanwhile joins.

A family that asks alone waits for nobody. Ten thousand that are replayed are described in eighty calls of each kind; as
many new ones are made in twenty. What a user asked for and what is replayed are never in one call: the first goes out
while the second is under way, over another connection, and a replay goes on in short turns of the event loop. Each item
has its own result, so that one that fails fails alone.

What changes something looks at the Lease again when it is sent: it may have waited for the call before it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from agentmemory.core.errors import OperatorError
from agentmemory.core.key import Key
from agentmemory.core.merger import MOST, Merger
from agentmemory.core.router import CURRENT, URGENT
from agentmemory.core.turns import Turns
from agentmemory.engines.outage import Breaker, Unanswered
from agentmemory.families.model import Needs, Results, Seen
from agentmemory.families.topics import Topics
from agentmemory.kafka.model import NewTopicSpec
from agentmemory.kube.errors import NotLeading

REPLAYED = 128
"""Topics of a replay in one look: half of the workers wait for Kafka while what the other half saw is judged."""


@dataclass(frozen=True)
class _Need:
    """What is to be done about one topic."""

    create: NewTopicSpec | None = None
    grow: int | None = None
    alter: Mapping[str, str | None] | None = None


@dataclass(frozen=True)
class _Met:
    """What became of one topic."""

    topic_id: str | None = None
    error: OperatorError | None = None


class _Lanes:
    """The three mergers of one cluster and urgency."""

    def __init__(self, cluster: Key, topics: Topics, leading: Callable[[], bool], breaker: Breaker, looks: int) -> None:
        self._cluster = cluster
        self._topics = topics
        self._leading = leading
        self._breaker = breaker
        self.observe: Merger[str, None, Seen | OperatorError] = Merger(self._observe, most=looks)
        self.meet: Merger[str, _Need, _Met] = Merger(self._meet)
        self.delete: Merger[str, None, OperatorError | None] = Merger(self._delete)

    async def _observe(self, names: Mapping[str, None]) -> Mapping[str, Seen | OperatorError]:
        self._breaker.check(self._cluster)
        try:
            found = await self._topics.observe(self._cluster, names.keys())
        except Unanswered as error:
            self._breaker.met(error)
            raise
        self._breaker.passed(self._cluster)
        return found

    async def _meet(self, needs: Mapping[str, _Need]) -> Mapping[str, _Met]:
        self._hold_back("changed")
        results = await self._topics.meet(self._cluster, _merged(needs))
        return {name: _Met(results.created.get(name), results.failed.get(name)) for name in needs}

    async def _delete(self, ids: Mapping[str, None]) -> Mapping[str, OperatorError | None]:
        self._hold_back("deleted")
        return await self._topics.delete(self._cluster, ids.keys())

    def _hold_back(self, what: str) -> None:
        if not self._leading():
            raise NotLeading("NotLeading", f"topics are not {what}: this process does not hold its Lease")


class BatchedTopics:
    """Implements Topics over two others, usually DirectTopics."""

    def __init__(
        self,
        topics: Topics,
        replays: Topics,
        leading: Callable[[], bool],
        breaker: Breaker,
        awaited: Callable[[Key], bool] = lambda _: False,
    ) -> None:
        """`topics`: for what users ask; `replays`: for all that is looked at again. `awaited`: see Context."""
        self._topics = {True: topics, False: replays}
        self._leading = leading
        self._breaker = breaker
        self._awaited = awaited
        self._lanes: dict[tuple[Key, bool], _Lanes] = {}
        self._turns = Turns()

    async def observe(self, cluster: Key, names: Collection[str]) -> Mapping[str, Seen | OperatorError]:
        """The topics by name."""
        found = await self._of(cluster).observe.ask(dict.fromkeys(names))
        family = CURRENT.get()
        if not URGENT.get() and not (family is not None and self._awaited(family)):
            await self._turns.take(family)
        return found

    def hurry(self, family: Key) -> None:
        """Somebody changed this family: the replay of what it was need not wait for its turn any more."""
        self._turns.hurry(family)

    async def meet(self, cluster: Key, needs: Needs) -> Results:
        """Create, grow and alter."""
        met = await self._of(cluster).meet.ask(_by_name(needs))
        return Results(
            {name: result.topic_id for name, result in met.items() if result.topic_id is not None},
            {name: result.error for name, result in met.items() if result.error is not None},
        )

    async def delete(self, cluster: Key, ids: Collection[str]) -> Mapping[str, OperatorError | None]:
        """By topic id."""
        return await self._of(cluster).delete.ask(dict.fromkeys(ids))

    def _of(self, cluster: Key) -> _Lanes:
        # A handful of clusters in a process's life: what is kept of one that is gone is next to nothing.
        urgent = URGENT.get()
        if urgent:
            self._turns.user_asked()
        lanes = self._lanes.get((cluster, urgent))
        if lanes is None:
            looks = MOST if urgent else REPLAYED
            lanes = _Lanes(cluster, self._topics[urgent], self._leading, self._breaker, looks)
            self._lanes[cluster, urgent] = lanes
        return lanes


def _by_name(needs: Needs) -> dict[str, _Need]:
    found: dict[str, dict[str, Any]] = {spec.name: {"create": spec} for spec in needs.create}
    for name, total in needs.grow.items():
        found.setdefault(name, {})["grow"] = total
    for name, changes in needs.alter.items():
        found.setdefault(name, {})["alter"] = changes
    return {name: _Need(**parts) for name, parts in found.items()}


def _merged(needs: Mapping[str, _Need]) -> Needs:
    return Needs(
        tuple(need.create for need in needs.values() if need.create is not None),
        {name: need.grow for name, need in needs.items() if need.grow is not None},
        {name: need.alter for name, need in needs.items() if need.alter is not None},
    )
