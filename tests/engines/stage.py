"""A stage for clusters: kubelets that run nodes, and a Kafka that knows those which run.

stage = Stage.set(world)            # kubelets, FakeKafka, both reconcilers
await stage.rise()                  # MemoryCluster `mem` and BrokerPool `main` in namespace `data`, until quiet
stage.kafka; stage.hold.add("mem-1")    # a pod that never becomes ready
"""

from dataclasses import dataclass, field
from typing import Any

from agentmemory.api.labels import NODE_ID
from agentmemory.brokers.reconcile import PoolReconciler
from agentmemory.clusters.reconcile import ClusterReconciler
from agentmemory.core.key import Key, key_of
from agentmemory.domain.names import FIRST_BROKER_ID
from agentmemory.engines.kafka.objects import BEGUN
from agentmemory.kafka.model import BrokerView
from tests.fakekafka import FakeKafka, FakePool
from tests.fakekube.clock import START
from tests.fakekube.fixture import World

Object = dict[str, Any]

NAMESPACE = "data"
CLUSTER_KEY = f"MemoryCluster/{NAMESPACE}/mem"
POOL_KEY = f"BrokerPool/{NAMESPACE}/main"
STAMP = START.strftime("%Y-%m-%dT%H:%M:%SZ")


def cluster(name: str = "mem", **spec: Any) -> Object:
    """A MemoryCluster as the apiserver stores it, defaults filled in by the model."""
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "MemoryCluster",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"engine": "kafka", **spec},
    }


def pool(name: str = "main", **spec: Any) -> Object:
    """A BrokerPool."""
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "BrokerPool",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"clusterRef": {"name": "mem"}, "replicas": 3, **spec},
    }


def status_of(pod: Object, *, ready: bool, formatted: bool = True) -> Object:
    """A pod's status as a kubelet would write it."""
    ended = {"terminated": {"exitCode": 0}} if formatted else {"running": {}}
    return {
        "phase": "Running" if formatted else "Pending",
        "conditions": [
            {"type": "Initialized", "status": "True" if formatted else "False", "lastTransitionTime": STAMP},
            {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": STAMP},
        ],
        "initContainerStatuses": [{"name": "format", "state": ended}],
        "containerStatuses": [
            {
                "name": "kafka",
                "ready": ready,
                "started": ready,
                "restartCount": 0,
                "state": {"running": {"startedAt": STAMP}} if formatted else {"waiting": {"reason": "PodInitializing"}},
            }
        ],
    }


@dataclass
class Stage:
    """See the module's head."""

    world: World
    kafka: FakeKafka = field(default_factory=lambda: FakeKafka(brokers=0, controllers=0))
    hold: set[str] = field(default_factory=set)
    """Pods that never become ready."""
    unformatted: set[str] = field(default_factory=set)
    """Pods whose init container does not end."""
    formatted: list[tuple[str, str]] = field(default_factory=list)
    """(pod, mode) each time that an empty volume was formatted."""
    disks: dict[str, str] = field(default_factory=dict)
    """Uid of the claim (or pod) that a node's data is on."""
    connections: FakePool = field(init=False)

    def __post_init__(self) -> None:
        self.connections = FakePool(self.kafka)

    @classmethod
    def set(cls, world: World) -> "Stage":
        """Everything in place, nothing declared."""
        stage = cls(world)
        stage.kafka.leader = -1
        world.cluster.namespace(world.settings.namespace)
        world.actors.append(stage.act)
        world.kafka(stage.connections)
        world.use(ClusterReconciler, PoolReconciler)
        return stage

    async def rise(self, *objs: Object) -> None:
        """Declare (by default a cluster and a pool) and run until quiet."""
        self.world.put(*(objs or (cluster(), pool())))
        await self.settle()

    async def settle(self, within: float = 10.0) -> None:
        """Run what is due in the next seconds."""
        await self.world.run_until_quiet(within=within)

    def act(self, world: World, type_: str, obj: Object) -> None:
        """The kubelets' part: a pod starts once all that it mounts is there."""
        if obj["kind"] == "Pod" and type_ == "DELETED" and NODE_ID in obj["metadata"].get("labels", {}):
            self.kafka.stop(int(obj["metadata"]["labels"][NODE_ID]))
        if type_ == "ADDED":
            for pod in world.cluster.list("Pod"):
                if NODE_ID not in pod["metadata"].get("labels", {}):
                    continue
                if "conditions" not in pod.get("status", {}) and self._mounts_are_there(pod):
                    self._start(pod)

    def ready(self, name: str) -> None:
        """Let a held pod become ready."""
        self.hold.discard(name)
        self._start(self.world.get(f"Pod/{NAMESPACE}/{name}"))

    def format(self, *names: str) -> None:
        """Let init containers end."""
        self.unformatted -= set(names)
        for name in names:
            self._start(self.world.get(f"Pod/{NAMESPACE}/{name}"))

    def _mounts_are_there(self, pod: Object) -> bool:
        wanted: list[str] = []
        for volume in pod["spec"]["volumes"]:
            if "configMap" in volume:
                wanted.append(f"ConfigMap/{NAMESPACE}/{volume['configMap']['name']}")
            if "secret" in volume:
                wanted.append(f"Secret/{NAMESPACE}/{volume['secret']['secretName']}")
            if "persistentVolumeClaim" in volume:
                wanted.append(f"PersistentVolumeClaim/{NAMESPACE}/{volume['persistentVolumeClaim']['claimName']}")
        return all(self.world.find(key) is not None for key in wanted)

    def _start(self, pod: Object) -> None:
        name, node_id = pod["metadata"]["name"], int(pod["metadata"]["labels"][NODE_ID])
        if name in self.unformatted:
            self.world.cluster.set_status(key_of(pod), status_of(pod, ready=False, formatted=False))
            return
        self._format(pod, node_id)
        ready = name not in self.hold
        self.world.cluster.set_status(key_of(pod), status_of(pod, ready=ready))
        if ready and node_id < FIRST_BROKER_ID:
            self.kafka.voters[node_id] = f"directory-{node_id}-{self.disks[name]}"
            if self.kafka.leader < 0 and len(self.kafka.voters) > self._controllers() // 2:
                self.kafka.leader = node_id
        elif ready:
            self.kafka.brokers[node_id] = BrokerView(f"{name}.{NAMESPACE}.svc", 9091, None, fenced=False)

    def _controllers(self) -> int:
        quorum = self.world.get(f"ConfigMap/{NAMESPACE}/mem-quorum")
        return len(quorum["data"]["initial-controllers"].split(","))

    def _format(self, pod: Object, node_id: int) -> None:
        """What format.sh does with an empty volume."""
        name = pod["metadata"]["name"]
        claim = self.world.find(f"PersistentVolumeClaim/{NAMESPACE}/{name}")
        disk = (claim or pod)["metadata"]["uid"]
        if self.disks.get(name) == disk:
            return
        self.disks[name] = disk
        if "initContainers" not in pod["spec"]:
            return  # the engine formats by itself
        environment = {entry["name"]: entry.get("value") for entry in pod["spec"]["initContainers"][0]["env"]}
        mode = environment["AGENTMEMORY_FORMAT"]
        quorum = self.world.find(f"ConfigMap/{NAMESPACE}/mem-quorum")
        if node_id < FIRST_BROKER_ID and (quorum is None or quorum["data"]["mode"] != "bootstrap"):
            mode = "join"
        self.formatted.append((name, str(mode)))

    def begun(self, name: str) -> bool:
        """Whether a claim says that the quorum has begun."""
        claim = self.world.get(f"PersistentVolumeClaim/{NAMESPACE}/{name}")
        return claim["metadata"]["annotations"].get(BEGUN) == "true"

    def pods(self) -> dict[str, str]:
        """Names and uids of all pods."""
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in self.world.cluster.list("Pod")}

    def set_status(self, pod: str, status: Object) -> None:
        """As that pod's kubelet."""
        self.world.cluster.set_status(Key("Pod", NAMESPACE, pod), status)
