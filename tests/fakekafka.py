"""Kafka's admin side in memory, for tests of whatever uses agentmemory.kafka.

    kafka = FakeKafka(brokers=3)
    pool = FakePool(kafka)                         # stands in for KafkaPool: ctx.kafka; one cluster for all keys
    pool = FakePool({Key("MemoryCluster", "ns", "a"): kafka_a, ...})

Answers and errors are made by the code that reads the real broker's (agentmemory.kafka.errors), from the error codes
that Apache Kafka 4.3 gives. State lives in `kafka.topics`, `.acls`, `.scram`, `.brokers`; tests read and change it as
somebody else would. Passwords are kept, so that `kafka.authenticates(...)` can tell whether a client would get in.

Faults: `kafka.available = False`; `kafka.before.append(hook)`, `kafka.after.append(hook)` with hook(call) -> error or
None (`after`: the effect stays, the answer is lost); `kafka.policy = lambda name, configs: "words" or None`;
`kafka.unlisted = n`: new topics are missing from the next n listings; `kafka.forbidden` and `kafka.unreadable`: topics
that our principal may not describe, or whose settings it may not. `kafka.calls` lists every call. `kafka.tiered`:
whether its brokers can move segments to a bucket.

`FakeKafka(automq=True)` is AutoMQ on shared storage: GetNodes and its kin answer, partitions have one replica, spread
over the brokers and handed on when theirs goes; `kafka.streams_open` keeps a stopped node's streams open,
`kafka.locked` its circuit breaker, `kafka.slow_moves = True` leaves reassignments under way until `finish_moves()`.
`kafka.takes = n`: moves and the closing of streams after `kafka.stop(node)` take n looks (GetNodes, ListPartition-
Reassignments) each.
"""

import itertools
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentmemory.core.errors import Invalid, OperatorError, Transient
from agentmemory.core.key import Key
from agentmemory.kafka.connection import Credentials
from agentmemory.kafka.errors import from_code
from agentmemory.kafka.model import (
    Acl,
    BrokerView,
    ClusterView,
    CreatedTopic,
    NewTopicSpec,
    PartitionRef,
    PartitionView,
    QuorumReplica,
    QuorumView,
    ScramMechanism,
    StopCheck,
    SyncView,
    TopicView,
    id_text,
)
from agentmemory.kafka.nodes import ACTIVE, FENCED, NodeView
from agentmemory.kafka.reassign import Reassignment

INT32, INT64 = 2**31 - 1, 2**63 - 1


def _number(low: int, high: int) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(r"-?\d+", text) is not None and low <= int(text) <= high


def _one_of(*values: str) -> Callable[[str], bool]:
    return lambda text: text in values


# Ranges as in Apache Kafka 4.3, LogConfig.java.
VALID: dict[str, Callable[[str], bool]] = {
    "cleanup.policy": lambda text: set(text.split(",")) <= {"compact", "delete"},
    "compression.type": _one_of("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
    "delete.retention.ms": _number(0, INT64),
    "file.delete.delay.ms": _number(0, INT64),
    "flush.messages": _number(1, INT64),
    "local.retention.bytes": _number(-2, INT64),
    "local.retention.ms": _number(-2, INT64),
    "max.compaction.lag.ms": _number(1, INT64),
    "max.message.bytes": _number(0, INT32),
    "message.timestamp.after.max.ms": _number(0, INT64),
    "message.timestamp.type": _one_of("CreateTime", "LogAppendTime"),
    "min.insync.replicas": _number(1, INT32),
    "remote.log.copy.disable": _one_of("true", "false"),
    "remote.log.delete.on.disable": _one_of("true", "false"),
    "remote.storage.enable": _one_of("true", "false"),
    "retention.bytes": _number(-(2**63), INT64),
    "retention.ms": _number(-1, INT64),
    "segment.bytes": _number(1024 * 1024, INT32),
    "segment.ms": _number(1, INT64),
    "unclean.leader.election.enable": _one_of("true", "false"),
}


@dataclass
class FakeTopic:
    """A topic; change it in a test as somebody with Kafka's own tools would."""

    name: str
    topic_id: str
    partitions: int
    factor: int
    configs: dict[str, str] = field(default_factory=dict)
    hidden: int = 0


@dataclass(frozen=True)
class Call:
    """One admin call and what it was about."""

    method: str
    items: tuple[Any, ...]

    @property
    def is_write(self) -> bool:
        return not self.method.startswith(
            ("describe", "list", "quorum", "in_sync", "stop_check", "get_", "next_", "excluded_", "placements")
        )


Hook = Callable[[Call], OperatorError | None]


class FakeKafka:
    """The state of one cluster."""

    def __init__(
        self, brokers: int = 3, controllers: int = 3, cluster_id: str = "fake", *, automq: bool = False
    ) -> None:
        self.automq = automq
        self.known_nodes: set[int] = set()
        self.epochs: dict[int, int] = {}
        self.streams_open: set[int] = set()
        self.locked: set[int] = set()
        self.excluded: set[int] = set()
        self.hides_excluded = False
        self.placed: dict[PartitionRef, int] = {}
        self.slow_moves = False
        self.moves: dict[PartitionRef, int] = {}
        self.moved: list[PartitionRef] = []
        self.takes = 0
        self.closing: set[int] = set()
        self._busy = 0
        self.cluster_id = cluster_id
        self.brokers: dict[int, BrokerView] = {
            1000 + n: BrokerView(f"broker-{n}", 9091, None, fenced=False) for n in range(brokers)
        }
        self.voters: dict[int, str] = {n: id_text(uuid.UUID(int=n + 1)) for n in range(controllers)}
        self.leader = 0
        self.topics: dict[str, FakeTopic] = {}
        self.acls: set[Acl] = set()
        self.scram: dict[str, dict[ScramMechanism, tuple[str, int]]] = {}
        self.under_replicated: tuple[PartitionRef, ...] = ()
        self.offline: tuple[PartitionRef, ...] = ()
        self.available = True
        self.tiered = False
        self.policy: Callable[[str, Mapping[str, str]], str | None] = lambda name, configs: None
        self.unlisted = 0
        self.forbidden: set[str] = set()
        self.unreadable: set[str] = set()
        self.before: list[Hook] = []
        self.after: list[Hook] = []
        self.calls: list[Call] = []
        self._ids = itertools.count(1)

    def place(self) -> dict[PartitionRef, int]:
        """AutoMQ: on which broker each partition is; new ones go round, those of a broker that is gone go on."""
        live = sorted(node for node, broker in self.brokers.items() if not broker.fenced)
        self.known_nodes |= self.brokers.keys()
        wanted = [PartitionRef(topic.name, n) for topic in self.topics.values() for n in range(topic.partitions)]
        for number, ref in enumerate(wanted):
            if live and self.placed.get(ref) not in live:
                self.placed[ref] = live[number % len(live)]
        return self.placed

    def finish_moves(self) -> None:
        """Let what is under way arrive."""
        self.placed |= self.moves
        self.moves.clear()

    def stop(self, node_id: int) -> None:
        """A broker's process ends; on AutoMQ others close its streams."""
        if self.brokers.pop(node_id, None) is not None and self.takes:
            self.closing.add(node_id)
            self._busy = self.takes

    def _look(self) -> None:
        """Time passes for what is under way."""
        self._busy -= 1
        if self._busy <= 0:
            self.closing.clear()
            if not self.slow_moves:
                self.finish_moves()

    def writes(self) -> list[Call]:
        """The calls that change something."""
        return [call for call in self.calls if call.is_write]

    def of(self, method: str) -> list[Call]:
        """The calls of one method."""
        return [call for call in self.calls if call.method == method]

    def make(self, name: str, partitions: int = 1, factor: int = 1, **configs: str) -> FakeTopic:
        """A topic made by somebody else; configs with underscores for dots."""
        settings = {key.replace("_", "."): value for key, value in configs.items()}
        topic_id = id_text(uuid.UUID(int=(1 << 64) + next(self._ids)))
        self.topics[name] = FakeTopic(name, topic_id, partitions, factor, settings)
        return self.topics[name]

    def authenticates(self, user: str, mechanism: ScramMechanism, password: str) -> bool:
        """Whether a client with this password gets in."""
        return self.scram.get(user, {}).get(mechanism, ("", 0))[0] == password != ""

    def allows(self, user: str, operation: str, resource_type: str, name: str) -> bool:
        """StandardAuthorizer for a user that is no super user: a rule must allow it; READ and WRITE imply DESCRIBE."""
        enough = {operation, "ALL"} | ({"READ", "WRITE"} if operation == "DESCRIBE" else set())
        return any(
            acl.principal == f"User:{user}"
            and acl.resource_type == resource_type
            and acl.operation in enough
            and (name.startswith(acl.name) if acl.pattern == "PREFIXED" else name == acl.name)
            for acl in self.acls
        )


class FakePool:
    """Stands in for KafkaPool."""

    def __init__(self, clusters: FakeKafka | Mapping[Key, FakeKafka]) -> None:
        self._clusters = clusters
        self.credentials: dict[Key, Credentials] = {}
        self.forgotten: list[Key] = []
        self.closed = False

    async def get(self, cluster: Key, credentials: Credentials, *, apart: bool = False) -> "FakeAdmin":
        self.credentials[cluster] = credentials
        found = self._clusters if isinstance(self._clusters, FakeKafka) else self._clusters[cluster]
        return FakeAdmin(found, credentials)

    def serve(self, kafka: FakeKafka) -> None:
        """From now on this one is every cluster."""
        self._clusters = kafka

    async def forget(self, cluster: Key) -> None:
        self.forgotten.append(cluster)

    async def close(self) -> None:
        self.closed = True


class FakeAdmin:
    """Every method of KafkaAdmin over a FakeKafka."""

    def __init__(self, kafka: FakeKafka, credentials: Credentials) -> None:
        self._kafka = kafka
        self.credentials = credentials

    async def close(self) -> None:
        """Nothing to end."""

    # --- brokers and controllers ---

    async def describe_cluster(self) -> ClusterView:
        self._read("describe_cluster")
        return ClusterView(self._kafka.cluster_id, min(self._kafka.brokers, default=-1), dict(self._kafka.brokers))

    async def quorum(self) -> QuorumView:
        self._read("quorum")
        voters = tuple(QuorumReplica(node, directory, 0, None, None) for node, directory in self._kafka.voters.items())
        return QuorumView(self._kafka.leader, 1, 1, voters, ())

    async def remove_voter(self, cluster_id: str, node_id: int, directory_id: str) -> None:
        for _ in self._one("remove_voter", (node_id, directory_id)):
            if cluster_id != self._kafka.cluster_id:
                raise _error(104, f"controller {node_id}")
            if self._kafka.voters.get(node_id) == directory_id:
                del self._kafka.voters[node_id]

    async def unregister_broker(self, node_id: int) -> None:
        for _ in self._one("unregister_broker", node_id):
            view = await self._node(node_id) if self._kafka.automq else None
            if view is not None and (view.state == ACTIVE or view.open_streams):
                raise Transient("UnregisterNodeWithOpenStreams", f"unregistering broker {node_id}: refused")
            if view is not None and view.locked:
                raise Transient("NodeLocked", f"unregistering broker {node_id}: it is locked")
            self._kafka.brokers.pop(node_id, None)
            self._kafka.known_nodes.discard(node_id)

    async def get_nodes(self, ids: Iterable[int] = ()) -> dict[int, NodeView]:
        self._read("get_nodes", *ids)
        if not self._kafka.automq:
            raise Invalid("UnsupportedVersion", "asking how the nodes stand: the broker does not know API key 514")
        self._kafka.place()
        self._kafka._look()
        found = {node: await self._node(node) for node in sorted(self._kafka.known_nodes)}
        return {node: view for node, view in found.items() if not ids or node in ids}

    async def next_node_id(self, cluster_id: str) -> int:
        self._read("next_node_id", cluster_id)
        if not self._kafka.automq:
            raise Invalid("UnsupportedVersion", "asking for a free node id: the broker does not know API key 600")
        if cluster_id != self._kafka.cluster_id:
            raise _error(104, "asking for a free node id")
        self._kafka.place()
        return next(node for node in itertools.count(1000) if node not in self._kafka.known_nodes)

    async def _node(self, node: int) -> NodeView:
        kafka = self._kafka
        broker = kafka.brokers.get(node)
        state = ACTIVE if broker is not None and not broker.fenced else FENCED
        streams = node in kafka.streams_open | kafka.closing or node in kafka.place().values()
        tags = {"CIRCUIT_BREAKER": "OPEN"} if node in kafka.locked else {}
        return NodeView(node, state, kafka.epochs.get(node, 0), streams, tags)

    async def placements(self) -> dict[PartitionRef, tuple[int, ...]]:
        self._read("placements")
        return {ref: (broker,) for ref, broker in self._kafka.place().items()}

    async def reassign(self, targets: Mapping[PartitionRef, Sequence[int]]) -> dict[PartitionRef, OperatorError | None]:
        return self._each("reassign", dict(targets), self._move)

    def _move(self, ref: PartitionRef, replicas: Sequence[int]) -> None:
        (target,) = replicas
        if target not in self._kafka.brokers:
            raise _error(39, f"moving {ref.topic}-{ref.partition}")
        self._kafka.moves[ref] = target
        self._kafka.moved.append(ref)
        self._kafka._busy = self._kafka.takes
        if not self._kafka.slow_moves and not self._kafka.takes:
            self._kafka.finish_moves()

    async def list_reassignments(self) -> dict[PartitionRef, Reassignment]:
        self._read("list_reassignments")
        self._kafka._look()
        moves, placed = self._kafka.moves, self._kafka.place()
        return {ref: Reassignment((placed[ref],), (target,), (placed[ref],)) for ref, target in moves.items()}

    async def excluded_brokers(self) -> frozenset[int] | None:
        self._read("excluded_brokers")
        hidden = self._kafka.hides_excluded and self._kafka.excluded
        return None if hidden else frozenset(self._kafka.excluded)

    async def exclude_broker(self, node_id: int) -> None:
        for _ in self._one("exclude_broker", node_id):
            self._kafka.excluded.add(node_id)

    async def readmit_broker(self, node_id: int) -> None:
        for _ in self._one("readmit_broker", node_id):
            self._kafka.excluded.discard(node_id)

    async def in_sync(self) -> SyncView:
        self._read("in_sync")
        return SyncView(self._kafka.under_replicated, self._kafka.offline)

    async def stop_check(self, node_id: int) -> StopCheck:
        self._read("stop_check", node_id)
        return StopCheck(self._kafka.under_replicated + self._kafka.offline, ())

    # --- topics ---

    async def list_topics(self, prefix: str = "") -> dict[str, TopicView]:
        self._read("list_topics", prefix)
        return {name: self._view(topic) for name, topic in self._listed().items() if name.startswith(prefix)}

    async def describe_topics(self, names: Iterable[str]) -> dict[str, TopicView | OperatorError]:
        names = list(names)
        self._read("describe_topics", *names)
        listed = self._listed()
        found: dict[str, TopicView | OperatorError] = {
            name: self._view(listed[name]) for name in names if name in listed
        }
        return found | {name: _error(29, f"topic {name}") for name in names if name in self._kafka.forbidden}

    async def create_topics(self, specs: Iterable[NewTopicSpec]) -> dict[str, CreatedTopic | OperatorError]:
        specs = list(specs)
        return self._each("create_topics", {spec.name: spec for spec in specs}, self._create)

    async def create_partitions(self, totals: Mapping[str, int]) -> dict[str, OperatorError | None]:
        return self._each("create_partitions", dict(totals), self._grow)

    async def delete_topics(
        self, *, ids: Sequence[str] = (), names: Sequence[str] = ()
    ) -> dict[str, OperatorError | None]:
        return self._each("delete_topics", {item: item in set(ids) for item in (*ids, *names)}, self._delete)

    # --- configurations ---

    async def describe_configs(
        self, names: Iterable[str], keys: Sequence[str]
    ) -> dict[str, dict[str, str] | OperatorError]:
        if not keys:
            raise ValueError("name the configuration keys")
        names = list(names)
        self._read("describe_configs", *names)
        found = {name: self._kafka.topics[name].configs for name in names if name in self._kafka.topics}
        results: dict[str, dict[str, str] | OperatorError] = {
            name: {key: value for key, value in configs.items() if key in keys} for name, configs in found.items()
        }
        denied = self._kafka.forbidden | self._kafka.unreadable
        return results | {name: _error(29, f"configuration of topic {name}") for name in names if name in denied}

    async def alter_configs(self, changes: Mapping[str, Mapping[str, str | None]]) -> dict[str, OperatorError | None]:
        return self._each("alter_configs", dict(changes), self._alter)

    # --- access ---

    async def describe_acls(self, principal: str) -> set[Acl]:
        self._read("describe_acls", principal)
        return {acl for acl in self._kafka.acls if acl.principal == principal}

    async def create_acls(self, acls: Iterable[Acl]) -> dict[Acl, OperatorError | None]:
        return self._each("create_acls", {acl: acl for acl in acls}, lambda acl, _: self._kafka.acls.add(acl))

    async def delete_acls(self, acls: Iterable[Acl]) -> dict[Acl, OperatorError | None]:
        return self._each("delete_acls", {acl: acl for acl in acls}, lambda acl, _: self._kafka.acls.discard(acl))

    async def describe_scram(self, users: Iterable[str]) -> dict[str, dict[ScramMechanism, int] | OperatorError]:
        users = list(users)
        self._read("describe_scram", *users)
        known = {user: self._kafka.scram[user] for user in users if self._kafka.scram.get(user)}
        return {user: {name: entry[1] for name, entry in entries.items()} for user, entries in known.items()}

    async def upsert_scram(self, user: str, mechanism: ScramMechanism, password: str, iterations: int = 4096) -> None:
        for _ in self._one("upsert_scram", (user, mechanism, iterations)):
            if not 4096 <= iterations <= 16384:
                raise _error(93, f"SCRAM user {user}")
            self._kafka.scram.setdefault(user, {})[mechanism] = (password, iterations)

    async def delete_scram(self, user: str, mechanism: ScramMechanism) -> None:
        for _ in self._one("delete_scram", (user, mechanism)):
            self._kafka.scram.get(user, {}).pop(mechanism, None)
            if not self._kafka.scram.get(user):
                self._kafka.scram.pop(user, None)

    # --- inside ---

    def _create(self, name: str, spec: NewTopicSpec) -> CreatedTopic:
        what = f"topic {name}"
        if re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", name) is None:
            raise _error(17, what, f"Topic name is invalid: {name}")
        if name in self._kafka.topics:
            raise _error(36, what, f"Topic '{name}' already exists.")
        if spec.partitions < 1:
            raise _error(37, what, "Number of partitions must be larger than 0.")
        self._check(name, spec.configs)
        live = len([broker for broker in self._kafka.brokers.values() if not broker.fenced])
        if spec.factor > live:
            said = f"Unable to replicate the partition {spec.factor} time(s): only {live} broker(s) are registered."
            raise _error(38, what, said)
        topic = self._kafka.make(name, spec.partitions, spec.factor)
        topic.configs.update(spec.configs)
        topic.hidden = self._kafka.unlisted
        return CreatedTopic(name, topic.topic_id)

    def _grow(self, name: str, total: int) -> None:
        topic = self._topic(name)
        if total <= topic.partitions:
            raise _error(37, f"topic {name}", f"The topic {name} currently has {topic.partitions} partition(s).")
        topic.partitions = total

    def _alter(self, name: str, changes: Mapping[str, str | None]) -> None:
        topic = self._topic(name)
        after = {key: value for key, value in {**topic.configs, **changes}.items() if value is not None}
        self._check(name, after)
        topic.configs = after

    def _delete(self, item: str, by_id: bool) -> None:
        for name, topic in list(self._kafka.topics.items()):
            if (topic.topic_id if by_id else name) == item:
                del self._kafka.topics[name]

    def _topic(self, name: str) -> FakeTopic:
        if name not in self._kafka.topics:
            raise _error(3, f"topic {name}")
        return self._kafka.topics[name]

    def _check(self, name: str, configs: Mapping[str, str]) -> None:
        for key, value in configs.items():
            if key not in VALID:
                raise _error(40, f"topic {name}", f"Unknown topic config name: {key}")
            if not VALID[key](value):
                raise _error(40, f"topic {name}", f"Invalid value {value} for configuration {key}")
        self._check_tiering(name, configs)
        said = self._kafka.policy(name, configs)
        if said is not None:
            raise _error(44, f"topic {name}", said)

    def _check_tiering(self, name: str, configs: Mapping[str, str]) -> None:
        """As LogConfig.java does where brokers have `remote.log.storage.system.enable`."""
        if configs.get("remote.storage.enable") != "true":
            return
        if not self._kafka.tiered:
            raise _error(40, f"topic {name}", "Tiered Storage functionality is disabled in the broker.")
        if "compact" in configs.get("cleanup.policy", "delete"):
            raise _error(40, f"topic {name}", "Remote log storage is unsupported for the compacted topics")
        whole, local = int(configs.get("retention.ms", "604800000")), int(configs.get("local.retention.ms", "-2"))
        if whole != -1 and local != -2 and not 0 <= local <= whole:
            raise _error(40, f"topic {name}", f"Value must not be more than retention.ms property value: {whole}")

    def _listed(self) -> dict[str, FakeTopic]:
        listed = {name: topic for name, topic in self._kafka.topics.items() if topic.hidden <= 0}
        for topic in self._kafka.topics.values():
            topic.hidden -= 1
        return listed

    def _view(self, topic: FakeTopic) -> TopicView:
        replicas = tuple(sorted(self._kafka.brokers)[: topic.factor])
        leader = replicas[0] if replicas else -1
        parts = tuple(PartitionView(number, leader, replicas, replicas) for number in range(topic.partitions))
        return TopicView(topic.name, topic.topic_id, parts)

    def _read(self, method: str, *items: Any) -> None:
        error = self._ask(self._kafka.before, Call(method, items), record=True)
        if error is not None:
            raise error

    def _one(self, method: str, item: Any) -> Iterator[None]:
        """A write of one thing: raises what stands in the way before it or what befell its answer."""
        call = Call(method, (item,))
        error = self._ask(self._kafka.before, call, record=True)
        if error is not None:
            raise error
        yield
        error = self._ask(self._kafka.after, call)
        if error is not None:
            raise error

    def _each(self, method: str, items: Mapping[Any, Any], do: Callable[[Any, Any], Any]) -> dict[Any, Any]:
        """A write of several things: each has its own result, and no answer is each one's error."""
        call = Call(method, tuple(items))
        error = self._ask(self._kafka.before, call, record=True)
        if error is not None:
            return dict.fromkeys(items, error)
        results: dict[Any, Any] = {}
        for item, wanted in items.items():
            try:
                results[item] = do(item, wanted)
            except OperatorError as refused:
                results[item] = refused
        error = self._ask(self._kafka.after, call)
        return results if error is None else dict.fromkeys(items, error)

    def _ask(self, hooks: list[Hook], call: Call, *, record: bool = False) -> OperatorError | None:
        if record:
            self._kafka.calls.append(call)
        if not self._kafka.available:
            return unreachable(call.method)
        return next((error for hook in list(hooks) if (error := hook(call)) is not None), None)


def unreachable(what: str) -> Transient:
    """What KafkaAdmin raises when no broker can be reached."""
    return Transient("KafkaUnreachable", f"{what}: no connection to broker-0:9091 (refused); it is tried again.")


def timed_out(what: str) -> Transient:
    """What KafkaAdmin raises when the answer did not come in time, whatever became of the request."""
    return Transient("KafkaTimedOut", f"{what}: no answer from broker-0:9091 in time; it is tried again.")


def _error(code: int, what: str, said: str | None = None) -> OperatorError:
    error = from_code(code, said, what)
    return error if error is not None else Invalid("NoError", what)
