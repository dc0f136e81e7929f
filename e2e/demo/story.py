"""What the demo does, from the first `kubectl apply` until everything is right again after a broker was killed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import yaml

from e2e import agents
from e2e.demo.engine import Engine
from e2e.demo.recorder import Recorder
from e2e.kubectl import Kubectl, until

PLATFORM = "memory-system"
TEAM = "support-agents"
EVENTS = 4_000
EVENTS_DURING_FAULT = 4_000
RATE_DURING_FAULT = 400


@dataclass
class Story:
    """The five files' objects on one cluster, and an agent's image to run the client with."""

    kubectl: Kubectl
    image: str
    recorder: Recorder
    engine: Engine = field(default_factory=Engine)

    def tell(self) -> None:
        self.prepare()
        with self.recorder.step("apply MemoryCluster and BrokerPool, wait for Kafka"):
            self.platform()
        with self.recorder.step("apply MemoryTenant, TopicFamily and MemoryClient"):
            self.team()
        with self.recorder.step("an agent writes its trail, a context builder reads along"):
            self.write_and_read()
        with self.recorder.step("an audit consumer reads it too, then replays it from the start"):
            self.audit()
        with self.recorder.step("the family is edited: retention and partitions"):
            self.edit()
        with self.recorder.step("a broker pod is killed while the agent writes"):
            self.kill_broker()
        self.gather_facts()

    def prepare(self) -> None:
        """What the engine keeps its data in; nothing for Kafka, which has its own volumes."""
        self.recorder.facts["engine"] = self.engine.name
        if self.engine.store is None:
            return
        with self.recorder.step("start an S3 server, apply the MemoryBuckets, wait for them"):
            for name in self.engine.prepare(self.kubectl, PLATFORM):
                self.recorder.say(f"bucket {name}")

    def platform(self) -> None:
        self.kubectl.ensure_namespace(PLATFORM)
        self.kubectl.apply(self.engine.cluster(), self.engine.example("brokers.yaml"))
        self.kubectl.wait_ready("memorycluster", "agents", PLATFORM, 240)
        pool = self.kubectl.wait_ready("brokerpool", "brokers", PLATFORM, 240)
        for broker in pool["status"]["brokers"]:
            self.recorder.say(f"broker {broker['id']}: pod {broker['pod']}, {broker['state']}")

    def team(self) -> None:
        self.kubectl.ensure_namespace(TEAM)
        self.kubectl.apply(self.engine.example("tenant.yaml"), self.family(), self.engine.example("client.yaml"))
        self.kubectl.wait_ready("memorytenant", "support", PLATFORM, 60)
        family = self.kubectl.wait_ready("topicfamily", "trail", TEAM, 60)
        client = self.kubectl.wait_ready("memoryclient", "support-bot", TEAM, 60)
        for topic in family["status"]["topics"]:
            self.recorder.say(f"topic {topic['topicName']}: {topic['partitions']} partitions")
        self.recorder.say(f"user {client['status']['principal']}, Secret {client['status']['secretName']}")

    def family(self) -> dict[str, Any]:
        """The example; a second run keeps the partitions to which the first one grew the topic, since none shrinks."""
        wanted: dict[str, Any] = yaml.safe_load(self.engine.example("family.yaml").read_text())
        present = self.kubectl.get("topicfamily", "trail", TEAM)
        if present:
            wanted["spec"]["topics"][0]["partitions"] = present["spec"]["topics"][0]["partitions"]
        return wanted

    @property
    def topic(self) -> str:
        family = self.kubectl.get("topicfamily", "trail", TEAM)
        if not family:
            raise RuntimeError(f"topicfamily {TEAM}/trail is gone")
        return str(family["status"]["topics"][0]["topicName"])

    def agent(self, name: str, *args: str) -> agents.AgentPod:
        agents.AgentPod(self.kubectl, TEAM, name).remove()
        return agents.start(self.kubectl, TEAM, name, self.image, "support-bot-kafka", *args)

    @property
    def run(self) -> str:
        """Names this run's events: an earlier run's are not counted."""
        return f"trail-{int(self.recorder.began)}"

    def install_agent(self) -> None:
        agents.install_program(self.kubectl, TEAM)

    def write_and_read(self) -> None:
        self.install_agent()
        run = ("--topic", self.topic, "--run", self.run)
        reader = self.agent("context-builder", "consume", *run, "--expect", str(EVENTS), "--group", "context-builder")
        writer = self.agent("agent", "produce", *run, "--events", str(EVENTS))
        written, read = writer.result(), reader.result()
        self.recorder.facts["written"] = written
        self.recorder.facts["contextBuilder"] = read
        self.recorder.say(
            f"{written['acknowledged']} events acknowledged in {written['seconds']} s, {read['read']} read"
        )
        self.expect(written["acknowledged"] == EVENTS, f"{written['unacknowledged']} were not acknowledged")
        self.expect(read["read"] == EVENTS, f"{read['missingCount']} of {EVENTS} were not read: {read['missing']}")

    def audit(self) -> None:
        args = ("consume", "--topic", self.topic, "--run", self.run, "--expect", str(EVENTS), "--group", "audit")
        first = self.agent("audit", *args).result()
        again = self.agent("audit-replay", *args, "--replay").result()
        self.recorder.facts["audit"] = first
        self.recorder.facts["replay"] = again
        for result in (first, again):
            self.expect(result["read"] == EVENTS, f"{result['group']} read {result['read']} of {EVENTS}")
            self.expect(result["outOfOrder"] == 0, f"{result['outOfOrder']} events came out of their session's order")
        self.recorder.say(f"{first['read']} events read, then {again['read']} replayed, each session in its order")

    def edit(self) -> None:
        before = self.kubectl.get("topicfamily", "trail", TEAM)
        topics = [dict(topic) for topic in (before or {})["spec"]["topics"]]
        topics[0]["partitions"] = int(topics[0].get("partitions", 6)) + 2
        patch = {"spec": {"retention": {"time": "2160h"}, "erasure": {"maxDelay": "2400h"}, "topics": topics}}
        self.kubectl("-n", TEAM, "patch", "topicfamily", "trail", "--type=merge", "-p", json.dumps(patch))
        family = self.kubectl.wait_ready("topicfamily", "trail", TEAM, 60)
        found = family["status"]["topics"][0]
        self.expect(found["partitions"] == topics[0]["partitions"], f"partitions are {found['partitions']}")
        self.recorder.say(f"{found['topicName']} now has {found['partitions']} partitions and keeps 90 days")

    def kill_broker(self) -> None:
        events = str(EVENTS_DURING_FAULT)
        run = ("--topic", self.topic, "--run", f"{self.run}-fault")
        writer = self.agent("agent-under-fault", "produce", *run, "--events", events, "--rate", str(RATE_DURING_FAULT))
        writer.running()
        pool = self.kubectl.get("brokerpool", "brokers", PLATFORM) or {}
        victim = pool["status"]["brokers"][0]["pod"]
        before = (self.kubectl.get("pod", victim, PLATFORM) or {})["metadata"]["uid"]
        self.kubectl("-n", PLATFORM, "delete", "pod", victim, "--now", "--wait=false")
        back = until(
            lambda: bool(self.replacement(victim, before)),
            self.engine.patience,
            lambda: f"nothing has replaced pod {victim}",
        )
        replacement = self.replacement(victim, before)
        written = writer.result()
        reader = self.agent("reader-after-fault", "consume", *run, "--expect", events, "--group", "after-fault")
        read = reader.result()
        lost = max(0, written["acknowledged"] - read["read"])
        self.recorder.facts["fault"] = {
            "pod": victim,
            "replacement": replacement,
            "secondsUntilBack": round(back, 2),
            "written": written,
            "read": read,
            "lost": lost,
        }
        self.expect(lost == 0, f"{lost} acknowledged events are lost: {read['missing']}")
        for kind, name, namespace in (
            ("brokerpool", "brokers", PLATFORM),
            ("memorycluster", "agents", PLATFORM),
            ("topicfamily", "trail", TEAM),
            ("memoryclient", "support-bot", TEAM),
        ):
            self.kubectl.wait_ready(kind, name, namespace, self.engine.ready_again)
        kept = "with its identity" if replacement == victim else f"by {replacement}"
        self.recorder.say(f"{victim} was replaced {kept} and registered after {back:.1f} s")
        self.recorder.say(f"{written['acknowledged']} acknowledged meanwhile, {read['read']} read back, {lost} lost")

    def replacement(self, pod: str, before: str) -> str:
        """The pod in the killed one's place once the pool has all its brokers registered, "" until then.

        A broker with a volume comes back under its name; one that holds nothing may be replaced by a new id.
        """
        pool = self.kubectl.get("brokerpool", "brokers", PLATFORM) or {}
        registered = {broker["pod"] for broker in pool["status"]["brokers"] if broker["state"] == "Registered"}
        found = {name: self.kubectl.get("pod", name, PLATFORM) for name in registered}
        living = {n for n, p in found.items() if p and p["metadata"]["uid"] != before and ready_container(p)}
        if len(living) < pool["spec"]["replicas"]:
            return ""
        return pod if pod in living else max(living, key=lambda name: int(name.rpartition("-")[2]))

    def gather_facts(self) -> None:
        facts = self.recorder.facts
        facts["objects"] = [
            {
                "kind": item["kind"],
                "namespace": item["metadata"]["namespace"],
                "name": item["metadata"]["name"],
                "ready": ready_status(item),
            }
            for item in self.kubectl.list("agentmemory")
        ]
        produced = facts["written"]["acknowledged"] + facts["fault"]["written"]["acknowledged"]
        read = facts["contextBuilder"]["read"] + facts["fault"]["read"]["read"]
        facts["records"] = {
            "produced": produced,
            "readBack": read,
            "replayed": facts["replay"]["read"],
            "lost": produced - read,
        }

    @staticmethod
    def expect(holds: bool, otherwise: str) -> None:
        if not holds:
            raise RuntimeError(otherwise)


def ready_container(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def ready_status(item: dict[str, Any]) -> str:
    conditions = (item.get("status") or {}).get("conditions") or []
    return next((c["status"] for c in conditions if c["type"] == "Ready"), "Unknown")
