"""Small builders for the engines' tests."""

from datetime import UTC, datetime
from typing import Any

from agentmemory.api.base import parse
from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.api.shapes import Resources
from agentmemory.api.types import Quantity
from agentmemory.engines.base import BucketPlace, Disk, Node, NodePlan, Owner, Storage
from agentmemory.engines.pods import PodState, PodView

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def cluster_model(**spec: Any) -> MemoryCluster:
    metadata = {"name": "mem", "namespace": "data", "uid": "uid-of-mem", "generation": 1}
    return parse(MemoryCluster, {"metadata": metadata, "spec": {"engine": "kafka", **spec}})


def pool_model(**spec: Any) -> BrokerPool:
    metadata = {"name": "main", "namespace": "data", "uid": "uid-of-main", "generation": 1}
    return parse(BrokerPool, {"metadata": metadata, "spec": {"clusterRef": {"name": "mem"}, **spec}})


def controller_plan(**changes: Any) -> NodePlan:
    return NodePlan(
        **{
            "node": Node("mem", "data", 0, "controller"),
            "cluster": cluster_model(),
            "cluster_id": "cluster-id",
            "image": "apache/kafka:4.3.1",
            "resources": Resources(),
            "disk": Disk(True, Quantity("10Gi")),
            "owner": Owner("MemoryCluster", "mem", "uid-of-mem"),
            "tls_hash": "0123456789abcdef",
            **changes,
        }
    )


def broker_plan(**changes: Any) -> NodePlan:
    fixed = {"node": Node("mem", "data", 1000, "broker", "main"), "owner": Owner("BrokerPool", "main", "uid-of-main")}
    return controller_plan(**{**fixed, **changes})


STORAGE = Storage(
    data=BucketPlace("agents-data", "eu-central-1", "http://s3.storage.svc:7070", path_style=True),
    ops=BucketPlace("agents-ops", "eu-central-1", "http://s3.storage.svc:7070", path_style=True),
    credentials="s3-credentials",
    credentials_hash="fedcba9876543210",
)


def automq_model(**spec: Any) -> MemoryCluster:
    buckets = {"dataBucketRef": {"name": "agents-data"}, "opsBucketRef": {"name": "agents-ops"}}
    storage = {**buckets, **spec.pop("objectStorage", {})}
    return cluster_model(**{"engine": "automq", "objectStorage": storage, **spec})


def automq_controller(**changes: Any) -> NodePlan:
    fixed = {
        "cluster": automq_model(),
        "cluster_id": "MkU3OEVBNTcwNTJENDM2Qg",
        "image": "automqinc/automq:1.7.3",
        "storage": STORAGE,
    }
    return controller_plan(**{**fixed, **changes})


def automq_broker(**changes: Any) -> NodePlan:
    fixed = {
        "node": Node("mem", "data", 1000, "broker", "main"),
        "owner": Owner("BrokerPool", "main", "uid-of-main"),
        "disk": Disk(False, Quantity("10Gi")),
    }
    return automq_controller(**{**fixed, **changes})


def pod_view(node_id: int, state: PodState = PodState.READY, **changes: Any) -> PodView:
    return PodView(
        **{
            "node_id": node_id,
            "name": f"mem-{node_id}",
            "uid": f"uid-{node_id}",
            "version": "1",
            "hash": "now",
            "state": state,
            "proven": state is PodState.READY,
            "formatted": True,
            "node_name": "n1",
            "running_since": NOW,
            "trouble": None,
            **changes,
        }
    )
