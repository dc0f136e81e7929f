"""An AutoMQ cluster of the smallest size with its buckets, tenant, family and client, made from the example files."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e import agents
from e2e.demo.story import ready_container
from e2e.kubectl import GaveUpError, Kubectl, KubectlError
from e2e.objectstore import Keys, ObjectStoreServer

NAMESPACE = "memory-automq"
TEAM = "automq-agents"
CREDENTIALS = "s3-credentials"
BUCKETS = {"agents-data": "automq-e2e-data", "agents-ops": "automq-e2e-ops"}
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NODES = "agentmemory.dev/cluster=agents"
BROKERS = "agentmemory.dev/cluster=agents,agentmemory.dev/role=broker"

Object = dict[str, Any]


@dataclass
class AutoMQ:
    """What the tests look at; `image` is AutoMQ's, `agent` that of the program that writes and reads."""

    kubectl: Kubectl
    store: ObjectStoreServer
    image: str
    agent_image: str
    keys: Keys

    def buckets(self) -> None:
        """A user of the server, its keys in a Secret, the two MemoryBuckets until they are ready."""
        self.kubectl.put_secret(NAMESPACE, CREDENTIALS, self.keys.secret_data())
        for obj in read("automq/buckets.yaml"):
            obj["spec"]["bucketName"] = BUCKETS[obj["metadata"]["name"]]
            obj["spec"]["s3"]["endpoint"] = self.store.endpoint
            obj["spec"]["region"] = self.store.region
            self.kubectl.apply(obj)
        for name in BUCKETS:
            self.kubectl.wait_ready("memorybucket", name, NAMESPACE, 90)

    def rise(self, seconds: float) -> None:
        """The cluster and its pool, until both are ready; what their pods said when they do not come up."""
        cluster, pool = (*read("automq/cluster.yaml"), *read("automq/brokers.yaml"))
        cluster["spec"]["image"] = self.image
        self.kubectl.apply(cluster, pool)
        try:
            self.kubectl.wait_ready("memorycluster", "agents", NAMESPACE, seconds)
            self.kubectl.wait_ready("brokerpool", "brokers", NAMESPACE, seconds)
        except GaveUpError as late:
            raise GaveUpError(f"{late}\n{self.evidence()}") from late

    def evidence(self) -> str:
        """What became of each node's pod and the end of its log: all of it is removed when the tests end."""
        found = []
        for pod in self.kubectl.list("pod", NAMESPACE, NODES):
            name, status = pod["metadata"]["name"], pod["status"]
            states = [container["state"] for container in status.get("containerStatuses", [])]
            found.append(f"--- pod {name}: {status.get('phase')} {json.dumps(states)}")
            for which in ("--previous", "--previous=false"):
                with suppress(KubectlError):  # there is no earlier container, or none yet
                    found.append(self.kubectl("-n", NAMESPACE, "logs", name, "-c", "kafka", "--tail=40", which))
        return "\n".join(found)

    def team(self) -> None:
        """A tenant, and a team's family and client, until the team can work."""
        self.kubectl.ensure_namespace(TEAM)
        for file in ("tenant", "family", "client"):
            for obj in read(f"{file}.yaml"):
                self.kubectl.apply(obj)
        self.kubectl.wait_ready("memorytenant", "support", NAMESPACE, 60)
        self.kubectl.wait_ready("topicfamily", "trail", TEAM, 60)
        self.kubectl.wait_ready("memoryclient", "support-bot", TEAM, 60)
        agents.install_program(self.kubectl, TEAM)

    @property
    def topic(self) -> str:
        family = self.kubectl.get("topicfamily", "trail", TEAM) or {}
        return str(family["status"]["topics"][0]["topicName"])

    def agent(self, name: str, *args: str) -> agents.AgentPod:
        """A pod of the team's that writes or reads a run of events."""
        agents.AgentPod(self.kubectl, TEAM, name).remove()
        return agents.start(self.kubectl, TEAM, name, self.agent_image, "support-bot-kafka", args[0], "--topic",
                            self.topic, *args[1:])  # fmt: skip

    def leaders(self, on: str = "", seconds: float = 60) -> dict[str, int]:
        """Brokers' pods with how many of the topic's partitions each leads; waits so long for `on` to lead one."""
        pod = agents.AgentPod(self.kubectl, TEAM, "leaders")
        pod.remove()
        wait = ("--on", on.removeprefix("agents-"), "--seconds", str(seconds)) if on else ()
        agents.start(self.kubectl, TEAM, pod.name, self.agent_image, "support-bot-kafka", "--topic", self.topic, *wait,
                     program=agents.LEADERS)  # fmt: skip
        return {f"agents-{node}": count for node, count in pod.result(seconds + 60).items()}

    def grow_onto(self, broker: str, step: int = 6, times: int = 3) -> int:
        """Gives the family more partitions until the broker leads some; how many.

        AutoMQ's own balancer moves what has traffic, and a test has next to none: a new broker would stay empty.
        """
        for _ in range(times):
            spec = (self.kubectl.get("topicfamily", "trail", TEAM) or {})["spec"]
            topics = [{**topic, "partitions": topic["partitions"] + step} for topic in spec["topics"]]
            patch = json.dumps({"spec": {"topics": topics}})
            self.kubectl("-n", TEAM, "patch", "topicfamily", "trail", "--type=merge", "-p", patch)
            self.kubectl.wait_ready("topicfamily", "trail", TEAM, 60)
            if led := self.leaders(on=broker, seconds=20).get(broker, 0):
                return led
        raise GaveUpError(f"{broker} leads none of {topics[0]['partitions']} partitions: {self.leaders()}")

    def services(self) -> set[str]:
        """Names of the brokers' Services: one that has left for good has none."""
        found = {service["metadata"]["name"] for service in self.kubectl.list("service", NAMESPACE)}
        return {name for name in found if name.startswith("agents-1")}

    def pool(self) -> Object:
        return self.kubectl.get("brokerpool", "brokers", NAMESPACE) or {}

    def brokers(self) -> dict[str, str]:
        """Names and uids of the brokers' pods."""
        found = self.kubectl.list("pod", NAMESPACE, BROKERS)
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in found}

    def serving(self) -> int:
        """Brokers that are ready as pods and registered in Kafka."""
        ready = sum(ready_container(pod) for pod in self.kubectl.list("pod", NAMESPACE, BROKERS))
        return min(ready, int(self.pool()["status"].get("readyReplicas", 0)))

    def run(self, pod: str, script: str) -> str:
        """What a shell in a node's container prints."""
        return self.kubectl("-n", NAMESPACE, "exec", pod, "-c", "kafka", "--", "/bin/sh", "-c", script)

    def remove(self) -> None:
        """Everything, the data too."""
        for kind, name in (("topicfamily", "trail"), ("memoryclient", "support-bot")):
            self.kubectl.delete(kind, name, TEAM)
        self.kubectl("delete", "namespace", TEAM, "--ignore-not-found", "--wait=false")
        for kind, name in (("memorytenant", "support"), ("brokerpool", "brokers"), ("memorycluster", "agents")):
            self.kubectl.delete(kind, name, NAMESPACE)
        pods = ("pod", "-l", NODES)
        self.kubectl("-n", NAMESPACE, "delete", *pods, "--ignore-not-found", "--now", "--wait=true", timeout=240)
        claims = ("persistentvolumeclaim", "-l", NODES)
        self.kubectl("-n", NAMESPACE, "delete", *claims, "--ignore-not-found", "--wait=false")
        for name in BUCKETS:
            self.kubectl.delete("memorybucket", name, NAMESPACE)
        self.kubectl.delete("secret", CREDENTIALS, NAMESPACE)
        for bucket in BUCKETS.values():
            if bucket in self.store.buckets():
                self.store.wipe(bucket)
        self.store.remove_user(self.keys.access)


def read(file: str) -> list[Object]:
    """An example file's objects, in this suite's namespaces."""
    found: list[Object] = list(yaml.safe_load_all((EXAMPLES / file).read_text()))
    text = {"memory-system": NAMESPACE, "support-agents": TEAM}
    return [_moved(obj, text) for obj in found]


def _moved(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _moved(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value
