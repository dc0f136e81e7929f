"""What a BrokerPool is judged by: its cluster, its brokers' pods and volumes, and Kafka's answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from agentmemory.api.base import parse
from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.conditions import Phase
from agentmemory.api.labels import CLUSTER_ID, POOL
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.context import Context
from agentmemory.core.errors import Invalid, OperatorError, Transient
from agentmemory.core.key import Key
from agentmemory.core.store import Store
from agentmemory.domain.names import FIRST_BROKER_ID
from agentmemory.engines.apply import Tools
from agentmemory.engines.base import Engine, Node, Owner
from agentmemory.engines.kafka import certificates
from agentmemory.engines.lifecycle import is_ending
from agentmemory.engines.placement import Lost
from agentmemory.engines.pods import PodView
from agentmemory.engines.registry import engine_of
from agentmemory.engines.roster import belonging, pods, retiring
from agentmemory.engines.shared import shared_of
from agentmemory.engines.sight import Sight
from agentmemory.engines.storage import Found, find
from agentmemory.kafka.nodes import NodeView
from agentmemory.kube.owned import is_owned

Object = dict[str, Any]

NOT_ASKED = Sight(error=Transient("KafkaNotAsked", "no broker is ready to be asked"))
# What stands for a broker of the pool, beside its volume claim.
_KINDS = ("Pod", "Service", "ConfigMap")


@dataclass(frozen=True)
class Volume:
    """A broker's volume claim that carries this pool's name."""

    node_id: int
    cluster_id: str | None
    ending: bool


@dataclass(frozen=True)
class World:
    """Everything at one moment. The later parts are filled in while the reconcile goes on."""

    pool: BrokerPool
    now: datetime
    patience: timedelta
    """How long a running broker may take to be registered before it counts as failed."""
    cluster: MemoryCluster | None = None
    cluster_fault: str | None = None
    """Why the cluster cannot be read."""
    authority: Object | None = None
    storage: Found = field(default_factory=Found)
    """The buckets that the cluster is made on, for an engine that has any."""
    others: int = 0
    """Brokers that other pools of the cluster declare, those on their way out left aside."""
    ids: frozenset[int] = frozenset()
    """Brokers that the pool has: objects of them exist."""
    volumes: Mapping[int, Volume] = field(default_factory=dict)
    taken: frozenset[int] = frozenset()
    """Ids of the cluster that belong to others."""
    pods: Mapping[int, PodView] = field(default_factory=dict)
    """Pods of all nodes of the cluster."""
    sight: Sight = NOT_ASKED
    nodes: Mapping[int, NodeView] | None = None
    """What AutoMQ's controller says of its nodes; None when it was not asked, or is no such engine."""
    nodes_error: OperatorError | None = None
    """Why it did not say."""
    silent: frozenset[int] = frozenset()
    """Brokers of the pool on machines that do not answer; only looked at where brokers hold nothing."""
    leaving: Mapping[int, datetime] = field(default_factory=dict)
    """Brokers of the pool that were told to leave, and when."""
    retiring: Mapping[int, datetime] = field(default_factory=dict)
    """Those of all pools of the cluster."""
    drains: Mapping[int, Phase] = field(default_factory=dict)
    """Where each of the leaving brokers stands."""
    lost: tuple[Lost, ...] = ()
    rolling: Phase | None = None
    hindrances: tuple[Phase, ...] = ()

    @property
    def key(self) -> Key:
        """The pool's key."""
        return Key("BrokerPool", self.pool.metadata.namespace, self.pool.metadata.name)

    @property
    def cluster_key(self) -> Key:
        """The key of the cluster that it names."""
        return Key("MemoryCluster", self.pool.metadata.namespace, self.pool.spec.cluster_ref.name)

    @property
    def owner(self) -> Owner:
        """As whose the pool's objects are made."""
        return Owner("BrokerPool", self.pool.metadata.name, self.pool.metadata.uid)

    @property
    def engine(self) -> Engine:
        """The cluster's engine; only with a cluster."""
        if self.cluster is None:
            raise ValueError(f"{self.cluster_key} is not there")
        return engine_of(self.cluster.spec.engine)

    @property
    def stateless(self) -> bool:
        """Whether the engine's brokers hold nothing, so that they can leave and be replaced by others."""
        return self.cluster is not None and self.engine.capabilities.stateless_brokers

    @property
    def staying(self) -> frozenset[int]:
        """The pool's brokers without those that leave."""
        return self.ids - self.leaving.keys()

    def node(self, node_id: int) -> Node:
        """One broker of the pool."""
        return Node(self.cluster_key.name, self.key.namespace, node_id, "broker", self.key.name)


async def gather(ctx: Context, tools: Tools, pool: BrokerPool) -> World:
    """Reads the store, and the authority's Secret when it has not been read lately. Kafka is asked later."""
    key = Key("MemoryCluster", pool.metadata.namespace, pool.spec.cluster_ref.name)
    patience = timedelta(seconds=ctx.settings.engine_timeout)
    obj = ctx.store.get(key)
    if obj is None:
        return World(pool, ctx.clock.now(), patience)
    try:
        cluster = parse(MemoryCluster, obj)
    except Invalid as error:
        return World(pool, ctx.clock.now(), patience, cluster_fault=error.message)
    mine = _ids(tools, pool, key)
    leave = retiring(ctx.store, key)
    volumes = _volumes(tools, pool, key)
    others = {node_id for kind in (*_KINDS, "PersistentVolumeClaim") for node_id, _ in belonging(ctx.store, kind, key)}
    return World(
        pool=pool,
        now=ctx.clock.now(),
        patience=patience,
        cluster=cluster,
        authority=await certificates.authority_secret(tools, key, cluster.metadata.uid),
        storage=await find(tools, cluster),
        others=sum(declared(other) for other in siblings(ctx.store, pool.metadata.name, key)),
        ids=frozenset(mine),
        volumes=volumes,
        taken=frozenset((others | tools.shared.taken[key]) - mine - volumes.keys()),
        pods=pods(tools, key),
        leaving={node_id: since for node_id, since in leave.items() if node_id in mine},
        retiring=leave,
    )


def pools_of(store: Store, cluster: Key) -> list[Object]:
    """The pools that name the cluster."""
    return [obj for obj in store.list("BrokerPool", cluster.namespace) if cluster_name(obj) == cluster.name]


def siblings(store: Store, name: str, cluster: Key) -> list[Object]:
    """The cluster's pools without the one of this name and without those that are being deleted."""
    return [obj for obj in pools_of(store, cluster) if obj["metadata"]["name"] != name and not is_ending(obj)]


def cluster_name(pool: Object) -> str | None:
    """The cluster that a pool names, as far as it can be read."""
    name = ((pool.get("spec") or {}).get("clusterRef") or {}).get("name")
    return name if isinstance(name, str) else None


def declared(pool: Object) -> int:
    """The brokers that a pool declares; one where that cannot be read: some may be there."""
    replicas = (pool.get("spec") or {}).get("replicas", 1)
    return replicas if isinstance(replicas, int) else 1


def keeps_nothing(cluster: Object) -> bool:
    """Whether this MemoryCluster's brokers hold nothing, as far as its engine is known."""
    try:
        return engine_of(str(cluster["spec"].get("engine"))).capabilities.stateless_brokers
    except Invalid:
        return False


def tools_of(ctx: Context) -> Tools:
    """The parts of the Context that the engines' functions work with."""
    return Tools(ctx.kube, ctx.store, ctx.clock, shared_of(ctx.store, ctx.clock))


def _ids(tools: Tools, pool: BrokerPool, cluster: Key) -> set[int]:
    return {
        node_id
        for kind in _KINDS
        for node_id, obj in belonging(tools.store, kind, cluster)
        if node_id >= FIRST_BROKER_ID and is_owned(obj, pool.metadata.uid)
    }


def _volumes(tools: Tools, pool: BrokerPool, cluster: Key) -> dict[int, Volume]:
    found: dict[int, Volume] = {}
    for node_id, obj in belonging(tools.store, "PersistentVolumeClaim", cluster):
        metadata = obj["metadata"]
        if metadata["labels"].get(POOL) == pool.metadata.name:
            whose = (metadata.get("annotations") or {}).get(CLUSTER_ID)
            found[node_id] = Volume(node_id, whose, bool(metadata.get("deletionTimestamp")))
    return found
