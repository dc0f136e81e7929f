"""What a MemoryCluster is judged by: its own nodes, volumes and Secrets, the pools that name it, and Kafka's answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agentmemory.api.base import parse
from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.conditions import Phase
from agentmemory.api.labels import ADOPT_VOLUMES, CLUSTER_ID, DIRECTORY_ID, ROLE
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.context import Context
from agentmemory.core.errors import Invalid, Transient
from agentmemory.core.key import Key
from agentmemory.core.store import Store
from agentmemory.domain.regions import Place
from agentmemory.engines.apply import Tools
from agentmemory.engines.base import Engine, Node, Owner
from agentmemory.engines.kafka import certificates, names, objects, quorum
from agentmemory.engines.kafka.quorum import Claim, Evidence
from agentmemory.engines.placement import Lost
from agentmemory.engines.places import View
from agentmemory.engines.pods import PodView
from agentmemory.engines.registry import engine_of
from agentmemory.engines.roster import belonging, pods
from agentmemory.engines.shared import shared_of
from agentmemory.engines.sight import Sight
from agentmemory.engines.storage import Found, find
from agentmemory.kube.owned import is_owned

Object = dict[str, Any]

NOT_ASKED = Sight(error=Transient("KafkaNotAsked", "no broker is ready to be asked"))


@dataclass(frozen=True)
class World:
    """Everything at one moment. The later parts are filled in while the reconcile goes on."""

    cluster: MemoryCluster
    engine: Engine
    now: datetime
    claims: Mapping[int, Claim]
    pods: Mapping[int, PodView]
    """Pods of all nodes of the cluster, controllers and brokers."""
    pools: tuple[BrokerPool, ...]
    quorum_map: Object | None
    authority: Object | None
    """The Secret with the certificate authority."""
    storage: Found = field(default_factory=Found)
    """The buckets that it is made on, for an engine that has any."""
    sight: Sight = NOT_ASKED
    lost: tuple[Lost, ...] = ()
    rolling: Phase | None = None
    """What holds the roll-out of a changed declaration, or the step that it just took."""
    hindrances: tuple[Phase, ...] = field(default=())
    """What could not be done, without holding up the rest."""
    view: View | None = None
    """What places are found in; None without a declared region."""
    places: tuple[Place, ...] = ()
    """Where the data rests."""

    @property
    def key(self) -> Key:
        """The cluster's key."""
        return Key("MemoryCluster", self.cluster.metadata.namespace, self.cluster.metadata.name)

    @property
    def owner(self) -> Owner:
        """As whose the cluster's objects are made."""
        return Owner("MemoryCluster", self.cluster.metadata.name, self.cluster.metadata.uid)

    @property
    def controllers(self) -> tuple[Node, ...]:
        """The controllers that there should be."""
        count = self.cluster.spec.controllers.replicas
        return tuple(Node(self.key.name, self.key.namespace, node_id, "controller") for node_id in range(count))

    @property
    def brokers_wanted(self) -> int:
        """Brokers that the pools declare."""
        return sum(pool.spec.replicas for pool in self.pools)

    @property
    def evidence(self) -> Evidence:
        """What decides over identities and volumes."""
        cluster, status = self.cluster, self.cluster.status
        mode = (self.quorum_map or {}).get("data", {}).get("mode")
        count = cluster.spec.controllers.replicas
        static = self.engine.capabilities.quorum == "static"
        return Evidence(
            name=cluster.metadata.name,
            uid=cluster.metadata.uid,
            replicas=count,
            claims=self.claims,
            adopt=cluster.metadata.annotations.get(ADOPT_VOLUMES) == "true",
            known_id=status.cluster_id,
            recorded=self.quorum_map is not None,
            bootstrapped=status.bootstrapped or mode == "join",
            formatted=frozenset(
                node_id for node_id, pod in self.pods.items() if node_id < count and _has_identity(pod, static=static)
            ),
            quorum_works=self.sight.quorum_works,
            static=static,
        )


def tools_of(ctx: Context) -> Tools:
    """The parts of the Context that the engines' functions work with."""
    return Tools(ctx.kube, ctx.store, ctx.clock, shared_of(ctx.store, ctx.clock))


async def gather(ctx: Context, cluster: MemoryCluster) -> World:
    """Reads the store, and the authority's Secret when it has not been read lately. Kafka is asked later."""
    tools = tools_of(ctx)
    key = Key("MemoryCluster", cluster.metadata.namespace, cluster.metadata.name)
    quorum_map = ctx.store.get(Key("ConfigMap", key.namespace, names.quorum_map(key.name)))
    if quorum_map is not None and not is_owned(quorum_map, cluster.metadata.uid):
        quorum_map = None
    running = pods(tools, key)
    # Nobody watches Secrets: before a pod is made that mounts it, a look whether it is still there.
    incomplete = any(node_id not in running for node_id in range(cluster.spec.controllers.replicas))
    return World(
        cluster=cluster,
        engine=engine_of(cluster.spec.engine),
        now=ctx.clock.now(),
        claims=claims_of(ctx.store, key),
        pods=running,
        pools=pools_of(ctx.store, key),
        quorum_map=quorum_map,
        authority=await certificates.authority_secret(tools, key, cluster.metadata.uid),
        storage=await find(tools, cluster, fresh=incomplete),
    )


def _has_identity(pod: PodView, *, static: bool) -> bool:
    """Whether the pod's volume was given its identity. A static quorum's node does that by itself when it starts."""
    return pod.proven or pod.running_since is not None if static else pod.formatted


def claims_of(store: Store, cluster: Key) -> dict[int, Claim]:
    """The controllers' volume claims."""
    found: dict[int, Claim] = {}
    for node_id, obj in belonging(store, "PersistentVolumeClaim", cluster):
        metadata = obj["metadata"]
        marks = metadata.get("annotations") or {}
        if metadata["labels"].get(ROLE) == "controller":
            found[node_id] = Claim(
                node_id=node_id,
                cluster_id=marks.get(CLUSTER_ID),
                directory_id=marks.get(DIRECTORY_ID),
                begun=marks.get(objects.BEGUN) == "true",
                ending=bool(metadata.get("deletionTimestamp")),
            )
    return found


def pools_of(store: Store, cluster: Key) -> tuple[BrokerPool, ...]:
    """The pools that name the cluster; one that does not parse says so itself."""
    found = []
    for obj in store.list("BrokerPool", cluster.namespace):
        try:
            pool = parse(BrokerPool, obj)
        except Invalid:
            continue
        if pool.spec.cluster_ref.name == cluster.name and pool.metadata.deletion_timestamp is None:
            found.append(pool)
    return tuple(sorted(found, key=lambda pool: pool.metadata.name))


def quorum_of(world: World) -> quorum.Quorum:
    """Identities and claims as they should be."""
    return quorum.plan(world.evidence)
