"""The drill on a real API server and two real brokers: one is killed, as a kubelet would, and comes back.

What a kubelet and the operator would do is done here: end the process of a deleted pod, take the pod away, make it
again and say that it is ready. The drill itself runs as its own process, as kubectl runs it.
"""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from kafka import KafkaConsumer

from agentmemory.api import crdgen
from agentmemory.core.key import Key, key_of
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.model import Acl, NewTopicSpec, or_raise
from agentmemory.kafka.tls import client_context
from agentmemory.kube.client import KubeClient
from agentmemory.kube.config import from_file
from agentmemory.kube.errors import AlreadyExists
from e2e.kubectl import Kubectl
from e2e.stand import gotools
from e2e.stand.controlplane import ControlPlane
from tests.cli.drill import builders
from tests.kafka.conftest import eventually
from tests.kafka.realkafka import RealKafka

# A control plane and two brokers start within the first test's time.
pytestmark = [pytest.mark.integration, pytest.mark.kafka, pytest.mark.timeout(300)]

Object = dict[str, Any]
NAMESPACE, TOPIC, USER, PASSWORD = "drill", "support.drill.calls.events", "support.drill.agents", "drill-password"
IDS = (1000, 1001)
SERVED = ("uid", "resourceVersion", "creationTimestamp", "generation")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    with RealKafka(tmp_path_factory.mktemp("kafka"), brokers=2) as running:
        yield running


@pytest.fixture
async def kube(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    kubectl = Kubectl(gotools.kubernetes() / "kubectl", control_plane.kubeconfig)
    kubectl.apply(*crdgen.generate().values())
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    kubectl.ensure_namespace(NAMESPACE)
    async with KubeClient(await from_file(control_plane.kubeconfig)) as made:
        yield made


@pytest.fixture
async def admin(kafka: RealKafka) -> AsyncIterator[KafkaAdmin]:
    made = KafkaAdmin(kafka.credentials())
    yield made
    await made.close()


async def test_what_would_stop_writes_is_refused(
    control_plane: ControlPlane, kube: KubeClient, kafka: RealKafka, admin: KafkaAdmin
) -> None:
    await topic(admin)
    await declare(kube, kafka)
    tight = NewTopicSpec("support.drill.tight.events", 1, 2, {"min.insync.replicas": "2"})
    await admin.create_topics([tight])
    await eventually(admin.list_topics, lambda found: tight.name in found)
    uids = {node: (await pod_of(kube, node))["metadata"]["uid"] for node in IDS}
    code, report, told = await drilled(control_plane, "--broker", "1001", "--run", "--yes")
    or_raise(await admin.delete_topics(names=[tight.name]))
    assert code == 2
    assert [found["reason"] for found in report["refusals"]] == ["MinInSync"]
    assert "support.drill.tight.events-0" in told
    assert {node: (await pod_of(kube, node))["metadata"]["uid"] for node in IDS} == uids


async def test_a_killed_broker_is_measured_and_nothing_is_lost(
    control_plane: ControlPlane, kube: KubeClient, kafka: RealKafka, admin: KafkaAdmin
) -> None:
    await topic(admin)
    await declare(kube, kafka)
    machine = asyncio.create_task(Machine(kube, kafka, 1001).work())
    try:
        code, report, told = await drilled(
            control_plane, "--broker", "1001", "--run", "--yes", "--probe-client", "agents"
        )
    finally:
        machine.cancel()
        await asyncio.wait([machine])
    if code and not machine.cancelled():
        machine.result()  # what stopped it says more
    assert code == 0, f"{report} {told}"
    seconds = report["seconds"]
    assert all(seconds[name] is not None for name in ("gone", "moved", "started", "ready", "registered", "synced"))
    assert seconds["gone"] <= seconds["ready"] <= seconds["settled"]
    assert report["missing"] == []
    assert report["bytesCopied"]["data"] > 0
    probe = report["probe"]
    assert probe["lost"] == 0
    assert probe["acknowledgedBefore"] > 0
    assert 0 < probe["firstAfter"] <= probe["longestPause"] + 1
    assert read(kafka) >= probe["acknowledged"]
    assert PASSWORD not in json.dumps(report) + told


class Machine:
    """A kubelet and the operator for one broker, whose process is a real one."""

    def __init__(self, kube: KubeClient, kafka: RealKafka, node_id: int) -> None:
        self._kube, self._kafka, self._id = kube, kafka, node_id

    async def work(self) -> None:
        """Until cancelled."""
        while True:
            pod = await pod_of(self._kube, self._id)
            if pod["metadata"].get("deletionTimestamp"):
                await self._replace(pod)
            await asyncio.sleep(0.1)

    async def _replace(self, pod: Object) -> None:
        self._kafka.nodes[self._id].stop(signal.SIGKILL)
        await say(self._kube, builders.pool((1000,), builders.NOT_READY))
        await self._kube.delete(key_of(pod), uid=pod["metadata"]["uid"], grace_seconds=0)
        await put(self._kube, builders.pod(self._id))
        await say(self._kube, builders.pod(self._id, ready=False))
        node = self._kafka.nodes[self._id]
        node.start()  # not in a thread, with whose end the kernel would end it
        node.wait_listening(110)
        await say(self._kube, builders.pod(self._id))
        await say(self._kube, builders.pool(IDS))


async def drilled(control_plane: ControlPlane, *flags: str) -> tuple[int, Object, str]:
    """Exit code, the report, and what was said on the way."""
    command = [sys.executable, "-c", "from agentmemory.cli import kubectl; kubectl()", "drill", "broker-loss", "main"]
    command += ["-n", NAMESPACE, "--kubeconfig", str(control_plane.kubeconfig), "--admin-secret", "admin"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *("-o", "json", "--timeout", "120", *flags),
        env={**os.environ, "PYTHONPATH": "operator"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, told = await process.communicate()
    assert out, told.decode()
    return process.returncode or 0, json.loads(out), told.decode()


async def topic(admin: KafkaAdmin) -> None:
    """Two partitions with two copies; each broker leads one."""
    await admin.create_topics([NewTopicSpec(TOPIC, 2, 2, {"min.insync.replicas": "1"})])
    await admin.upsert_scram(USER, "SCRAM-SHA-512", PASSWORD)
    or_raise(await admin.create_acls({Acl(f"User:{USER}", "TOPIC", TOPIC, "LITERAL", op) for op in ("READ", "WRITE")}))
    await eventually(admin.list_topics, lambda found: TOPIC in found and len(found[TOPIC].partitions) == 2)
    await eventually(admin.in_sync, lambda view: view.in_sync)


async def declare(kube: KubeClient, kafka: RealKafka) -> None:
    """What a user and the operator would have made."""
    clients = kafka.bootstrap("CLIENTS")
    cluster = builders.cluster()
    cluster["status"]["bootstrapServers"] = clients
    platform = kafka.credentials()
    login = {"bootstrap.servers": clients, "username": USER, "password": PASSWORD, "ca.crt": kafka.authority.pem}
    ways = {"bootstrap.servers": platform.bootstrap, "tls.crt": platform.cert_pem, "tls.key": platform.key_pem}
    tenant = {"tenantRef": {"namespace": NAMESPACE, "name": "support"}}
    access = [{"family": "calls", "operations": ["Produce", "Replay"]}]
    family = custom("TopicFamily", "calls", {**tenant, "owner": OWNER, "retention": {"time": "24h"}})
    family["status"] = {"topics": [{"name": "events", "topicName": TOPIC}]}
    client = custom("MemoryClient", "agents", {**tenant, "access": access})
    secrets = [secret("agents-kafka", login), secret("admin", {**ways, "ca.crt": kafka.authority.pem})]
    for obj in (cluster, builders.pool(IDS), *map(builders.pod, IDS), family, client, *secrets):
        await put(kube, obj)
        if "status" in obj:
            await say(kube, obj)


OWNER = {"team": "support", "contact": "support@example.com"}


def custom(kind: str, name: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "agentmemory.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def secret(name: str, values: Mapping[str, str | None]) -> Object:
    data = {key: base64.b64encode((value or "").encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}


async def put(kube: KubeClient, obj: Object) -> None:
    """Without what a server says; one that is there stays."""
    metadata = {name: value for name, value in obj["metadata"].items() if name not in SERVED}
    made = obj | {"metadata": metadata | {"namespace": NAMESPACE}}
    try:
        await kube.create({name: value for name, value in made.items() if name != "status"})
    except AlreadyExists:
        return


async def say(kube: KubeClient, obj: Object) -> None:
    """Its status."""
    key = Key(obj["kind"], NAMESPACE, obj["metadata"]["name"])
    assert await kube.merge_patch(key, {"status": obj["status"]}, subresource="status") is not None


async def pod_of(kube: KubeClient, node_id: int) -> Object:
    found = await kube.get(Key("Pod", NAMESPACE, f"main-{node_id}"))
    assert found is not None
    return found


def read(kafka: RealKafka) -> int:
    """How many records the topic has, read by another client."""
    credentials = kafka.scram_credentials(USER, PASSWORD)
    consumer = KafkaConsumer(
        TOPIC,
        bootstrap_servers=credentials.servers(),
        security_protocol="SASL_SSL",
        ssl_context=client_context(credentials),
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=USER,
        sasl_plain_password=PASSWORD,
        group_id=None,
        auto_offset_reset="earliest",
        consumer_timeout_ms=1000,
    )
    try:
        return sum(1 for _ in consumer)
    finally:
        consumer.close()
