"""Engine kafka-tiered on the stand: a controller, two brokers, a bucket on the S3 server, a team with one family.

The plugin is the stand's own, under the name of Aiven's class: profile Aiven is rendered and mounted as it would be
with Aiven's. It comes with an image whose Kafka looks every two seconds for what has to move (e2e/stand/tiered).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from e2e import agents
from e2e.agents import HISTORY, AgentPod
from e2e.buckets import Bucket
from e2e.clusters import Cluster
from e2e.demo.story import ready_container
from e2e.kubectl import Kubectl, condition_of, until
from e2e.objectstore import ObjectStoreServer
from e2e.stand.tiered import image
from e2e.test_bad_input import example

NAMESPACE = "memory-tiered"
TEAM = "tiered-agents"
BUCKET = "segments"
BROKERS = ("agents-1000", "agents-1001")
# Of one run of e2e/history.py, 10 kB each.
RECORDS = 600
HOUR = 3600.0
# How old the next records look: each run's are younger than those of the run before it.
YOUNGEST, SPAN = 2 * HOUR, 4200.0

Object = dict[str, Any]


@dataclass
class Tiered:
    """What the tests look at. `start` before anything else."""

    cluster: Cluster
    kubectl: Kubectl
    store: ObjectStoreServer
    bucket: Bucket = field(init=False)
    runs: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Everything applied at once, and Ready."""
        self.cluster.provide(image.image())
        self.bucket = Bucket(self.kubectl, self.store, NAMESPACE, BUCKET, self.store.new_user(BUCKET))
        for namespace in (NAMESPACE, TEAM):
            self.kubectl.ensure_namespace(namespace)
        agents.install_program(self.kubectl, TEAM)
        self.bucket.apply()
        self.kubectl.apply(*(_moved(obj) for obj in _objects()))
        self.ready(180)

    def ready(self, seconds: float = 120) -> None:
        """All of it, the bucket too."""
        for kind, name, namespace in (
            ("memorybucket", BUCKET, NAMESPACE),
            ("memorycluster", "agents", NAMESPACE),
            ("brokerpool", "brokers", NAMESPACE),
            ("memorytenant", "support", NAMESPACE),
            ("topicfamily", "trail", TEAM),
            ("memoryclient", "support-bot", TEAM),
        ):
            self.kubectl.wait_ready(kind, name, namespace, seconds)

    def stop(self) -> None:
        """Remove it with its data."""
        for kind, name in (("topicfamily", "trail"), ("memoryclient", "support-bot")):
            self.kubectl.delete(kind, name, TEAM)
        self.kubectl.delete("memorytenant", "support", NAMESPACE)
        for kind, name in (("brokerpool", "brokers"), ("memorycluster", "agents")):
            self.kubectl.delete(kind, name, NAMESPACE)
        self.cluster.end_pods(NAMESPACE)
        until(lambda: not self.uids(), 60, lambda: f"pods stay: {self.uids()}")  # none writes to the bucket any more
        self.kubectl("-n", NAMESPACE, "delete", "persistentvolumeclaims", "--all", "--wait=false")
        self.kubectl("delete", "namespace", TEAM, "--wait=false")
        self.bucket.remove()

    def said(self, reason: str, seconds: float = 60) -> str:
        """Wait until the MemoryCluster is not Ready for this reason; what it says."""
        seen = self.kubectl.wait_condition("memorycluster", "agents", NAMESPACE, seconds, "Ready", "False", reason)
        return f"{reason}: {(condition_of(seen, 'Ready') or {})['message']}"

    @property
    def topic(self) -> str:
        family = self.kubectl.get("topicfamily", "trail", TEAM) or {}
        return str(family["status"]["topics"][0]["topicName"])

    def uids(self) -> dict[str, str]:
        """Of the pods of all nodes."""
        found = self.kubectl.list("pod", NAMESPACE, "agentmemory.dev/cluster=agents")
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in found}

    def serves(self, node: str) -> bool:
        """Whether a node's pod is ready, which a broker's is once the controllers have unfenced it."""
        pod = self.kubectl.get("pod", node, NAMESPACE)
        return pod is not None and ready_container(pod)

    def claim(self, node: str) -> str:
        """The uid of a node's volume claim, "" when there is none."""
        found = self.kubectl.get("persistentvolumeclaim", node, NAMESPACE)
        return str(found["metadata"]["uid"]) if found else ""

    def history(self, what: str, run: str, *args: str) -> AgentPod:
        """e2e/history.py at work as the team's application."""
        pod = AgentPod(self.kubectl, TEAM, f"{what}-{run}")
        pod.remove()
        wanted = (what, "--topic", self.topic, "--run", run, "--records", str(RECORDS), *args)
        names = (TEAM, pod.name, self.cluster.operator_image, "support-bot-kafka")
        return agents.start(self.kubectl, *names, *wanted, program=HISTORY)

    def write(self, run: str) -> int:
        """Records that are old enough to leave the volumes at once; how many were acknowledged."""
        oldest = YOUNGEST + 10 * SPAN - len(self.runs) * SPAN
        self.runs.append(run)
        written = self.history("write", run, "--oldest", str(oldest), "--span", str(SPAN)).result()
        return int(written["acknowledged"])

    def read(self, run: str, seconds: float) -> Object:
        """What is found of a run in so long."""
        return self.history("read", run, "--seconds", str(seconds)).result()

    def segments(self, broker: str) -> list[int]:
        """The first offsets of the segments on a broker's volume, in order."""
        script = f"cd /var/lib/kafka/data/log/{self.topic}-0 && ls | grep '[.]log$'"
        listed = self.kubectl("-n", NAMESPACE, "exec", broker, "-c", "kafka", "--", "/bin/sh", "-c", script)
        return sorted(int(name.partition(".")[0]) for name in listed.split())

    def moved(self, seconds: float = 60) -> float:
        """Wait until no broker's volume has any of the topic's records but the last few; the seconds it took."""
        written = len(self.runs) * RECORDS
        seen: dict[str, list[int]] = {}

        def gone() -> bool:
            seen.update({broker: self.segments(broker) for broker in BROKERS})
            return all(min(found) >= written - RECORDS // 4 for found in seen.values())

        return until(gone, seconds, lambda: f"segments of {written} records stay on the volumes: {seen}", every=0.5)


def _objects() -> list[Object]:
    node = {"cpu": "100m", "memory": "448Mi"}
    tiering = {"bucketRef": {"name": BUCKET}, "classPath": image.CLASS_PATH}
    cluster = example(
        "cluster.yaml",
        engine="kafka-tiered",
        image=image.image().name,
        controllers={"replicas": 1, "resources": node, "storage": {"size": "1Gi"}},
        replication={"factor": 2, "minInSync": 1},
        failureDetection={"sessionTimeout": "6s"},
        tiering=tiering,
    )
    topic = {"name": "events", "eventTypes": ["model.response"], "key": "session", "partitions": 1}
    family = example("family.yaml", topics=[topic], retention={"time": "720h", "hot": "1m"}, deletionPolicy="Delete")
    pool = example("brokers.yaml", replicas=len(BROKERS))
    return [cluster, pool, example("tenant.yaml"), family, example("client.yaml")]


def _moved(value: Any) -> Any:
    """An example in this cluster's namespaces."""
    names = {"memory-system": NAMESPACE, "support-agents": TEAM}
    if isinstance(value, dict):
        return {key: _moved(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item) for item in value]
    return names.get(value, value) if isinstance(value, str) else value
