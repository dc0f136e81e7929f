"""What the operator asks of one Kafka cluster, as plain async calls.

Rules of all of them:
- Every call ends within the limit of its connection (15 s by default): Transient after that.
- Reads raise when there is no answer. Where they describe several things, each is its value or the error that stands
  for it alone, and what does not exist is left out; `model.or_raise` is for callers that want all or nothing.
- Writes of several things never raise: each item has its value (or None) or its error, also when no answer came.
  Writes of one thing raise. Deleting what is not there is fine.
- No call relies on what an earlier one saw, so a layer that merges the needs of many objects can be put in front.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from agentmemory.core.errors import Invalid, OperatorError
from agentmemory.kafka import acls as acl_calls
from agentmemory.kafka import cluster as cluster_calls
from agentmemory.kafka import configs as config_calls
from agentmemory.kafka import logdirs as logdir_calls
from agentmemory.kafka import scram as scram_calls
from agentmemory.kafka import topics as topic_calls
from agentmemory.kafka.credentials import Credentials
from agentmemory.kafka.model import (
    Acl,
    ClusterView,
    CreatedTopic,
    NewTopicSpec,
    PartitionRef,
    QuorumView,
    ScramMechanism,
    StopCheck,
    SyncView,
    TopicView,
    or_raise,
)
from agentmemory.kafka.node_calls import NodeCalls
from agentmemory.kafka.session import Session

CHUNK = 500
"""Items in one request, so that neither a broker's thread nor ours is busy for long with one."""
MAX_NEW_PARTITIONS = 10_000
"""KRaft refuses a CreateTopics with more partitions as a whole (ReplicationControlManager)."""

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


class KafkaAdmin(NodeCalls):
    """Made by KafkaPool. Connects at the first call and again after a lost connection."""

    def __init__(self, credentials: Credentials, limit: float = 15.0) -> None:
        """`limit`: seconds for one request, and for connecting."""
        self.credentials = credentials
        self._session = Session(credentials, limit)
        self._timeout_ms = int(limit * 800)  # for the broker's own wait: it answers before we give up

    async def close(self) -> None:
        """Returns within some seconds whatever the network does; later calls get Transient."""
        await self._session.close()

    # Brokers and controllers

    async def describe_cluster(self) -> ClusterView:
        """The registered brokers, fenced ones included."""
        answer = await self._session.send(cluster_calls.describe_request(), "describing the cluster", again=True)
        return cluster_calls.cluster_view(answer)

    async def quorum(self) -> QuorumView:
        """The controllers' quorum as its leader sees it. Needs Describe on the cluster."""
        what = "describing the controllers' quorum"
        return cluster_calls.quorum_view(await self._session.send(cluster_calls.quorum_request(), what, again=True))

    async def remove_voter(self, cluster_id: str, node_id: int, directory_id: str) -> None:
        """Takes a controller out of the voters (KIP-853); the directory's id keeps a namesake with a new disk in.

        Fine when it is no voter any more; Invalid `LastVoter` when there would be none left.
        """
        request = cluster_calls.remove_voter_request(cluster_id, node_id, directory_id)
        answer = await self._session.send(request, f"taking controller {node_id} out of the quorum", again=True)
        if not cluster_calls.removed(answer, node_id):
            await self._refuse_last_voter(node_id, directory_id)

    async def _refuse_last_voter(self, node_id: int, directory_id: str) -> None:
        voter = (await self.quorum()).voter(node_id)
        if voter is not None and voter.directory_id == directory_id:
            raise Invalid("LastVoter", f"controller {node_id} is the quorum's only voter: add another one first.")

    async def in_sync(self) -> SyncView:
        """Which partitions of all topics lack a leader or a replica in sync. Costs a listing of all topics."""
        return cluster_calls.sync_view((await self.list_topics()).values())

    async def stop_check(self, node_id: int) -> StopCheck:
        """Whether stopping this broker leaves each partition its min.insync.replicas.

        Costs a listing of all topics and the configuration of those it hosts: some 0.6 ms a topic on the broker.
        """
        hosted = cluster_calls.hosted_by((await self.list_topics()).values(), node_id)
        key = cluster_calls.MIN_IN_SYNC
        found: dict[str, dict[str, str] | OperatorError] = {}
        for names in _chunks([topic.name for topic in hosted]):
            answer = await self._session.send(config_calls.describe_request(names, [key]), _READING, again=True)
            found |= config_calls.effective(answer)
        return cluster_calls.stop_check(hosted, node_id, {n: int(values[key]) for n, values in or_raise(found).items()})

    async def log_sizes(self, node_id: int) -> dict[PartitionRef, int]:
        """Bytes of each replica on this broker's own disks. Needs Describe on the cluster."""
        request, what = logdir_calls.describe_request(), f"log directories of broker {node_id}"
        return logdir_calls.sizes(await self._session.send(request, what, again=True, node_id=node_id), what)

    # Topics

    async def list_topics(self, prefix: str = "") -> dict[str, TopicView]:
        """The topics whose names begin so, internal ones included, that the operator's principal may describe."""
        answer = await self._session.send(topic_calls.metadata_request(None), "listing topics", again=True)
        views = topic_calls.topic_views(answer).items()
        return {name: view for name, view in views if isinstance(view, TopicView) and name.startswith(prefix)}

    async def describe_topics(self, names: Iterable[str]) -> dict[str, TopicView | OperatorError]:
        """By name. A topic made a moment ago may be missing: brokers learn of it some milliseconds later."""
        found: dict[str, TopicView | OperatorError] = {}
        for some in _chunks(names):
            answer = await self._session.send(topic_calls.metadata_request(some), "describing topics", again=True)
            found |= topic_calls.topic_views(answer)
        return found

    async def create_topics(self, specs: Iterable[NewTopicSpec]) -> dict[str, CreatedTopic | OperatorError]:
        """Makes topics; one that exists already is Transient `TopicAlreadyExists`: describe again, compare, adopt."""
        results: dict[str, CreatedTopic | OperatorError] = {}
        for some in _chunks(specs, weigh=lambda spec: max(1, spec.partitions), most=MAX_NEW_PARTITIONS):
            request = topic_calls.create_request(some, self._timeout_ms)
            names = [spec.name for spec in some]
            results |= await self._each(request, names, "creating topics", topic_calls.created, again=False)
        return results

    async def create_partitions(self, totals: Mapping[str, int]) -> dict[str, OperatorError | None]:
        """Grows topics to these totals; fewer or as many as there are is Invalid `InvalidPartitions`."""
        results: dict[str, OperatorError | None] = {}
        for names in _chunks(totals):
            request = topic_calls.partitions_request({name: totals[name] for name in names}, self._timeout_ms)
            read = topic_calls.partitions_added
            results |= await self._each(request, names, "adding partitions", read, again=False)
        return results

    async def delete_topics(
        self, *, ids: Sequence[str] = (), names: Sequence[str] = ()
    ) -> dict[str, OperatorError | None]:
        """By the given id or name. Prefer ids: a topic that was made anew under the name is then safe."""
        results: dict[str, OperatorError | None] = {}
        given = set(ids)
        for some in _chunks([*ids, *names]):
            by_id = [item for item in some if item in given]
            by_name = [item for item in some if item not in given]
            request = topic_calls.delete_request(by_id, by_name, self._timeout_ms)
            read = partial(topic_calls.deleted, by_id)
            results |= await self._each(request, some, "deleting topics", read, again=True)
        return results

    # Topics' configurations

    async def describe_configs(
        self, names: Iterable[str], keys: Sequence[str]
    ) -> dict[str, dict[str, str] | OperatorError]:
        """Per topic those of the keys that are set on the topic itself; inherited values are not shown."""
        found: dict[str, dict[str, str] | OperatorError] = {}
        for some in _chunks(names):
            answer = await self._session.send(config_calls.describe_request(some, keys), _READING, again=True)
            found |= config_calls.overrides(answer)
        return found

    async def alter_configs(self, changes: Mapping[str, Mapping[str, str | None]]) -> dict[str, OperatorError | None]:
        """Sets keys, or deletes them where the value is None; other keys stay. All of a topic's or none (KIP-339)."""
        results: dict[str, OperatorError | None] = {}
        for names in _chunks(changes):
            request = config_calls.alter_request({name: changes[name] for name in names})
            results |= await self._each(request, names, "changing configurations", config_calls.altered, again=True)
        return results

    # Access

    async def describe_acls(self, principal: str) -> set[Acl]:
        """All rules of a principal, given with its type (`User:support.agents.loader`)."""
        what = f"access rules of {principal}"
        answer = await self._session.send(acl_calls.describe_request(principal), what, again=True)
        return acl_calls.described(answer, principal)

    async def create_acls(self, acls: Iterable[Acl]) -> dict[Acl, OperatorError | None]:
        """Making a rule that is there already is fine."""
        results: dict[Acl, OperatorError | None] = {}
        for some in _chunks(acls):
            request, read = acl_calls.create_request(some), partial(acl_calls.created, some)
            results |= await self._each(request, some, "making access rules", read, again=True)
        return results

    async def delete_acls(self, acls: Iterable[Acl]) -> dict[Acl, OperatorError | None]:
        """Deletes exactly these rules."""
        results: dict[Acl, OperatorError | None] = {}
        for some in _chunks(acls):
            request, read = acl_calls.delete_request(some), partial(acl_calls.deleted, some)
            results |= await self._each(request, some, "deleting access rules", read, again=True)
        return results

    async def describe_scram(self, users: Iterable[str]) -> dict[str, dict[ScramMechanism, int] | OperatorError]:
        """Per user its mechanisms with their iterations; users without credentials are left out."""
        found: dict[str, dict[ScramMechanism, int] | OperatorError] = {}
        for some in _chunks(users):
            answer = await self._session.send(scram_calls.describe_request(some), "describing SCRAM users", again=True)
            found |= scram_calls.described(answer)
        return found

    async def upsert_scram(self, user: str, mechanism: ScramMechanism, password: str, iterations: int = 4096) -> None:
        """Sets the user's password for this mechanism; the other mechanism's stays. Brokers learn of it within ms."""
        request = scram_calls.upsert_request(user, mechanism, password, iterations)
        scram_calls.raise_unless_altered(await self._session.send(request, f"SCRAM user {user}", again=True))

    async def delete_scram(self, user: str, mechanism: ScramMechanism) -> None:
        request = scram_calls.delete_request(user, mechanism)
        answer = await self._session.send(request, f"SCRAM user {user}", again=True)
        scram_calls.raise_unless_altered(answer, absent_is_fine=True)

    async def _each(
        self, request: Any, items: Sequence[K], what: str, read: Callable[[Any], dict[K, R]], again: bool
    ) -> dict[K, R | OperatorError]:
        """Each item's result, or for each the error because of which there is no answer."""
        try:
            return {**read(await self._session.send(request, what, again=again))}
        except OperatorError as error:
            return dict.fromkeys(items, error)


_READING = "reading topic configurations"


def _chunks(items: Iterable[R], weigh: Callable[[R], int] = lambda _: 1, most: int = CHUNK) -> Iterator[list[R]]:
    """Cut so that no piece is heavier than `most` or longer than CHUNK; an item above it has a piece of its own."""
    piece: list[R] = []
    weight = 0
    for item in items:
        if piece and (weight + weigh(item) > most or len(piece) == CHUNK):
            yield piece
            piece, weight = [], 0
        piece.append(item)
        weight += weigh(item)
    if piece:
        yield piece
