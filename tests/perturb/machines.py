"""The kubelets' part in a scenario, and what else is there that is none of the operator's business."""

import copy
from typing import Any

from agentmemory.brokers.drain import AT_ONCE
from agentmemory.core.key import key_of
from tests import teams
from tests.engines.stage import NAMESPACE, Stage
from tests.fakekafka import FakeKafka
from tests.fakekube.cluster import FakeCluster
from tests.fakes3 import FakeBucket, FakeS3
from tests.kube.objects import config_map

from .user import Kind

Object = dict[str, Any]

NOWHERE = "nowhere/"
"""No kubelet can pull an image whose name begins so."""
OPERATOR = "agent-memory-system"
THEIR_BROKER = 9


def kafka_for(kind: Kind) -> FakeKafka:
    """As a scenario finds it.

    On shared storage each of two brokers holds more partitions than are moved at once, moves and streams take their
    time, and somebody else has told the AutoBalancer of a broker.
    """
    if kind == "team":
        return FakeKafka()
    kafka = FakeKafka(brokers=0, controllers=0, automq=kind == "shared")
    kafka.leader = -1
    if kind == "shared":
        kafka.takes = 2
        kafka.excluded.add(THEIR_BROKER)
        kafka.make("acme.a.b.events", 2 * AT_ONCE + 20)
    return kafka


class Machines(Stage):
    """Kubelets that find every image but those from nowhere."""

    def _start(self, pod: Object) -> None:
        if pod["spec"]["containers"][0]["image"].startswith(NOWHERE):
            self.world.cluster.set_status(key_of(pod), cannot_pull())
        else:
            super()._start(pod)


def cannot_pull() -> Object:
    """A pod's status when its image is not there."""
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    return {
        "phase": "Pending",
        "initContainerStatuses": [{"name": "format", "state": {"waiting": waiting}}],
        "containerStatuses": [{"name": "kafka", "state": {"waiting": {"reason": "PodInitializing"}}}],
    }


def settle_bystanders(cluster: FakeCluster, kafka: FakeKafka, s3: FakeS3) -> None:
    """Others' things, with names as near to ours as names can be."""
    for namespace in (NAMESPACE, teams.PLATFORM, teams.TEAM, OPERATOR):
        cluster.put(config_map(namespace, "theirs", a="1"))
        cluster.put(plain("Secret", namespace, "theirs-kafka", data={"password": "eA=="}))
        cluster.put(plain("Service", namespace, "mem-theirs", spec={"ports": [{"port": 1}]}))
    for name in (f"{teams.PREFIX[:-1]}s.events", "support.agents.trail2.events", "support2.agents.trail.events"):
        kafka.make(name, partitions=2, retention_ms="1000")
    kafka.scram["support.agents.bot2"] = {"SCRAM-SHA-512": ("theirs", 4096)}
    s3.buckets["agents-data-theirs"] = FakeBucket("eu-central-1", objects={"a"})


def plain(kind: str, namespace: str, name: str, **fields: Any) -> Object:
    """An object of the core group."""
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, **fields}


def bystanders(cluster: FakeCluster, kafka: FakeKafka, s3: FakeS3) -> Object:
    """What must be the same in the end as it was in the beginning, to the byte."""
    theirs = ("theirs", "theirs-kafka", "mem-theirs")
    objects = [
        obj
        for kind in ("ConfigMap", "Secret", "Service")
        for obj in cluster.list(kind)
        if obj["metadata"]["name"] in theirs
    ]
    ours = (teams.PREFIX, "support.agents.audit.", "support.others.")
    return {
        "objects": objects,
        "topics": {
            name: (it.topic_id, it.partitions, dict(it.configs))
            for name, it in kafka.topics.items()
            if not name.startswith(ours)
        },
        "buckets": copy.deepcopy(s3.buckets["agents-data-theirs"]),
        "excluded": kafka.excluded & {THEIR_BROKER},
        "users": copy.deepcopy(kafka.scram["support.agents.bot2"]),
    }
