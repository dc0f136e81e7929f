"""Objects and facts of a cluster with three brokers, and Kafka as the drill sees it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agentmemory.api.base import parse
from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.labels import CLUSTER, NODE_ID, POOL, ROLE
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.cli.drill.facts import Facts, broker_of
from agentmemory.cli.drill.kafkaview import KafkaView
from agentmemory.kafka.model import PartitionRef, PartitionView, StopCheck, TopicView

Object = dict[str, Any]

NAMESPACE = "memory-system"
IDS = (1000, 1001, 1002)
NOW = datetime(2025, 12, 31, 12, tzinfo=UTC)
BORN = NOW - timedelta(hours=1)
READY = [
    {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": "2026-01-01T11:00:00Z"}
]
NOT_READY = [READY[0] | {"status": "False", "reason": "Rolling", "message": "replacing main-1001"}]


def cluster(engine: str = "kafka", **metadata: Any) -> Object:
    spec: Object = {"engine": engine}
    if engine == "automq":
        spec["objectStorage"] = {"dataBucketRef": {"name": "data"}, "opsBucketRef": {"name": "ops"}}
    if engine == "external":
        servers = {"bootstrapServers": "k.example.com:9093", "credentialsSecretRef": {"name": "k"}}
        spec |= {"external": servers}
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "MemoryCluster",
        "metadata": {"name": "main", "namespace": NAMESPACE, "generation": 1, "uid": "c", **metadata},
        "spec": spec,
        "status": {
            "observedGeneration": 1,
            "conditions": READY,
            "bootstrapServers": "main-bootstrap.memory-system.svc:9092",
        },
    }


def pool(ids: Iterable[int] = IDS, conditions: list[Object] = READY, **metadata: Any) -> Object:
    brokers = [{"id": node, "pod": f"main-{node}", "state": "Registered"} for node in ids]
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "BrokerPool",
        "metadata": {"name": "brokers", "namespace": NAMESPACE, "generation": 1, "uid": "p", **metadata},
        "spec": {"clusterRef": {"name": "main"}, "replicas": 3},
        "status": {"observedGeneration": 1, "conditions": conditions, "brokers": brokers},
    }


def stamp(seconds: float) -> str:
    return (BORN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(node_id: int, uid: str = "", *, claim: bool = True, ready: bool = True, restarts: int = 0) -> Object:
    volume = {"persistentVolumeClaim": {"claimName": f"main-{node_id}"}} if claim else {"emptyDir": {}}
    state = {"running": {"startedAt": stamp(3)}}
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp(1)},
        {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": stamp(8)},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"main-{node_id}",
            "namespace": NAMESPACE,
            "uid": uid or f"uid-{node_id}",
            "resourceVersion": "1",
            "creationTimestamp": stamp(0),
            "labels": {CLUSTER: "main", ROLE: "broker", NODE_ID: str(node_id), POOL: "brokers"},
        },
        "spec": {
            "nodeName": "machine-1",
            "terminationGracePeriodSeconds": 60,
            "containers": [{"name": "kafka", "image": "kafka"}],
            "volumes": [{"name": "data", **volume}],
        },
        "status": {
            "phase": "Running",
            "podIP": f"10.0.0.{node_id % 100 + 1}",
            "conditions": conditions,
            "containerStatuses": [{"name": "kafka", "ready": ready, "restartCount": restarts, "state": state}],
        },
    }


def budget(allowed: int | None = 1) -> Object:
    status = {} if allowed is None else {"disruptionsAllowed": allowed}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "main-brokers", "namespace": NAMESPACE},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {CLUSTER: "main", ROLE: "broker"}}},
        "status": status,
    }


def part(number: int, leader: int, isr: Iterable[int] = IDS) -> PartitionView:
    return PartitionView(number, leader, IDS, tuple(isr))


def kafka(
    registered: Iterable[int] = IDS, parts: Iterable[PartitionView] | None = None, *, whole: bool = True
) -> KafkaView:
    """One topic `t` whose partitions 0, 1, 2 are led by one broker each, unless other parts are given."""
    made = tuple(parts) if parts is not None else tuple(part(n, node) for n, node in enumerate(IDS))
    return KafkaView(frozenset(registered), (TopicView("t", "id", made),), whole)


SIZES: Mapping[PartitionRef, int] = {PartitionRef("t", 0): 1000, PartitionRef("t", 1): 500}


def facts(engine: str = "kafka", pods: Iterable[Object] | None = None, **changes: Any) -> Facts:
    """All is well, and Kafka was asked."""
    made = list(pods) if pods is not None else [pod(node) for node in IDS]
    brokers = [broker_of(obj, NOW) for obj in made]
    found = Facts(
        cluster=parse(MemoryCluster, cluster(engine)),
        pools={"brokers": parse(BrokerPool, pool())},
        brokers={broker.id: broker for broker in brokers},
        budgets=(budget(),),
        now=NOW,
        kafka=kafka(),
        asked="as an admin",
        stop=StopCheck((), ()),
        sizes=SIZES,
    )
    return replace(found, **changes)
