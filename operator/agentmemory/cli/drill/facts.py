"""What a drill rests on, read from Kubernetes at one moment: the cluster, its pools, pods and disruption budgets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from agentmemory.api.base import parse
from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.labels import CLUSTER, NODE_ID, POOL, ROLE
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.cli.drill.kafkaview import KafkaView
from agentmemory.core.errors import Invalid
from agentmemory.core.key import Key
from agentmemory.engines.pods import PodState, PodView, view
from agentmemory.kafka.model import PartitionRef, StopCheck
from agentmemory.kube.client import KubeClient

Object = dict[str, Any]


@dataclass(frozen=True)
class Start:
    """How long a pod's last start took, in seconds, from one step to the next; Kubernetes tells whole seconds."""

    scheduled: float
    started: float
    ready: float


@dataclass(frozen=True)
class Broker:
    """One broker's pod as it is."""

    view: PodView
    pool: str
    labels: Mapping[str, str]
    grace: int
    """Seconds that the pod has for an orderly end."""
    claim: str | None
    """Its volume claim; None where its data goes with the pod."""
    start: Start | None
    """None for a pod whose start is not to be seen any more (its container was restarted)."""

    @property
    def id(self) -> int:
        return self.view.node_id


@dataclass(frozen=True)
class Facts:
    """Everything at one moment; the part of Kafka is filled in by who could ask it."""

    cluster: MemoryCluster
    pools: Mapping[str, BrokerPool]
    brokers: Mapping[int, Broker]
    budgets: tuple[Object, ...]
    now: datetime
    kafka: KafkaView | None = None
    asked: str = "it was not asked"
    """As whom Kafka was asked, or why it was not."""
    stop: StopCheck | None = None
    """What stopping the broker in question would do, for all topics; None where that is not known."""
    sizes: Mapping[PartitionRef, int] | None = None
    """Bytes of each replica on that broker."""

    def ready(self) -> list[Broker]:
        """Brokers whose pods are ready, by id."""
        return [broker for _, broker in sorted(self.brokers.items()) if broker.view.state is PodState.READY]


async def gather(kube: KubeClient, namespace: str, name: str | None, now: datetime) -> Facts:
    """Reads the cluster `name`, or the only one of the namespace. Raises Invalid when it cannot be told or read."""
    cluster = parse(MemoryCluster, await _cluster(kube, namespace, name))
    selector = f"{CLUSTER}={cluster.metadata.name},{ROLE}=broker"
    pods, _ = await kube.list("Pod", namespace, selector)
    pools, _ = await kube.list("BrokerPool", namespace)
    budgets, _ = await kube.list("PodDisruptionBudget", namespace)
    parsed = [parse(BrokerPool, pool) for pool in pools]
    return Facts(
        cluster=cluster,
        pools={pool.metadata.name: pool for pool in parsed if pool.spec.cluster_ref.name == cluster.metadata.name},
        brokers={broker.id: broker for broker in (broker_of(pod, now) for pod in pods if _is_node(pod))},
        budgets=tuple(budgets),
        now=now,
    )


def broker_of(pod: Object, now: datetime) -> Broker:
    """Reads one broker's pod."""
    spec, marks = pod.get("spec") or {}, pod["metadata"]["labels"]
    claims = [volume["persistentVolumeClaim"]["claimName"] for volume in _volumes(spec)]
    return Broker(
        view=view(pod, now),
        pool=marks.get(POOL, ""),
        labels=marks,
        grace=int(spec.get("terminationGracePeriodSeconds", 30)),
        claim=claims[0] if claims else None,
        start=start_of(pod),
    )


def start_of(pod: Object) -> Start | None:
    """Creation, place, container, readiness: four times that the API keeps, to the second."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    if not containers or any(container.get("restartCount") for container in containers):
        return None
    times = [
        pod["metadata"].get("creationTimestamp"),
        _turned(status, "PodScheduled"),
        ((containers[0].get("state") or {}).get("running") or {}).get("startedAt"),
        _turned(status, "Ready"),
    ]
    if not all(times):
        return None
    made, placed, began, ready = (datetime.fromisoformat(str(text)) for text in times)
    steps = [(later - sooner).total_seconds() for sooner, later in ((made, placed), (placed, began), (began, ready))]
    return Start(*steps) if min(steps) >= 0 else None


def with_kafka(facts: Facts, kafka: KafkaView | None, asked: str) -> Facts:
    """The same with Kafka's own view."""
    return replace(facts, kafka=kafka, asked=asked)


async def _cluster(kube: KubeClient, namespace: str, name: str | None) -> Object:
    if name is not None:
        found = await kube.get(Key("MemoryCluster", namespace, name))
        if found is None:
            raise Invalid("NotFound", f"there is no MemoryCluster {namespace}/{name}; `kubectl get mc -A` lists them")
        return found
    clusters, _ = await kube.list("MemoryCluster", namespace)
    if len(clusters) != 1:
        names = ", ".join(cluster["metadata"]["name"] for cluster in clusters) or "none"
        raise Invalid("NameMissing", f"namespace {namespace} has these MemoryClusters: {names}; name one, or give -n")
    return clusters[0]


def _is_node(pod: Object) -> bool:
    return str(pod["metadata"]["labels"].get(NODE_ID, "")).isdigit()


def _volumes(spec: Object) -> Sequence[Object]:
    return [volume for volume in spec.get("volumes") or () if "persistentVolumeClaim" in volume]


def _turned(status: Object, type_: str) -> str | None:
    for condition in status.get("conditions") or ():
        if condition["type"] == type_ and condition["status"] == "True":
            return str(condition.get("lastTransitionTime") or "") or None
    return None
