"""What is rendered for AutoMQ, less its own settings, on the Apache Kafka that it is built on.

The vendor's image is not to be had here. What both have in common is this: the static quorum, the listeners, the
certificates, the password that a config provider reads, and the rights of the balancer's user.
"""

import asyncio
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from agentmemory.engines.automq import balancer, names
from agentmemory.engines.automq.properties import server_properties
from agentmemory.engines.base import Node as PlannedNode
from agentmemory.engines.base import NodePlan
from agentmemory.engines.kafka import acls
from agentmemory.engines.kafka.names import CONTROLLER_PORT, LOG_DIR, TLS
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.credentials import Credentials
from agentmemory.kafka.model import CreatedTopic, NewTopicSpec, QuorumView, id_text
from e2e.stand import kafka_image
from tests.engines.builders import automq_broker, automq_controller, automq_model
from tests.kafka.conftest import eventually
from tests.kafka.realkafka import Node, RealKafka, free_port

pytestmark = pytest.mark.kafka

OF_AUTOMQ = re.compile(r"^(s3\.|elasticstream\.|automq\.|autobalancer\.|metric\.reporters)")
CLUSTER = automq_model(failureDetection={"sessionTimeout": "3s"})
TOPIC = names.BALANCER_TOPIC
OTHER = "support.agents.trail.events"


class StaticKafka(RealKafka):
    """Nodes that run on the rendered configuration; only hosts, ports and paths are this machine's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, brokers=1, controllers=3, home=kafka_image.automq_base())
        self.ports = {node_id: free_port() for node_id in range(3)}
        self.password = balancer.password("mem", "the authority's key")

    def __enter__(self) -> "StaticKafka":
        try:
            # One is formatted by Kafka's own tool, which reads the whole file; the others get what it writes.
            nodes = [self._start(self._add_controller(0))]
            shutil.copy(nodes[0].folder / "data/bootstrap.checkpoint", self.folder)
            nodes += [self._begin(self._add_controller(node_id)) for node_id in (1, 2)]
            for node in (*nodes, self._begin(self._add_broker(1000))):
                node.wait_listening()
        except BaseException:
            self.kill()
            raise
        return self

    def credentials(self, role: str = "platform-operator") -> Credentials:
        pair = self.authority.issue(role, "operator", "mem")
        return Credentials(self.bootstrap(), self.authority.pem, cert_pem=pair.cert, key_pem=pair.key)

    def empty(self, node_id: int) -> None:
        """A lost volume: the node comes back under its id and formats what it finds, as AutoMQ does by `cluster.id`."""
        node = self.nodes[node_id]
        node.stop(signal.SIGKILL)
        shutil.rmtree(node.folder / "data")
        self._begin(node).wait_listening()

    def _begin(self, node: Node) -> Node:
        (node.folder / "data").mkdir()
        identity = f"version=1\ncluster.id={self.cluster_id}\nnode.id={node.id}\ndirectory.id={id_text(uuid4())}\n"
        (node.folder / "data/meta.properties").write_text(identity)
        shutil.copy(self.folder / "bootstrap.checkpoint", node.folder / "data")
        node.start()
        return node

    def client(self, password: str) -> dict[str, Any]:
        return {
            "bootstrap_servers": self.bootstrap("CLIENTS"),
            "security_protocol": "SASL_SSL",
            "ssl_cafile": str(self.nodes[1000].folder / "ca.crt"),
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": names.BALANCER_USER,
            "sasl_plain_password": password,
        }

    def ask_by_java(self, options: list[str]) -> bool:
        """Whether Kafka's own client gets in as the balancer's does: with SASL, and no trust store of its own."""
        login = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="{}" password="{}";'
        settings = self.folder / "client.properties"
        settings.write_text(
            "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n"
            f"sasl.jaas.config={login.format(names.BALANCER_USER, self.password)}\n"
        )
        address = f"localhost:{self.nodes[1000].ports['CLIENTS']}"
        arguments = ("--bootstrap-server", address, "--command-config", str(settings))
        command = self._java("kafka.admin.BrokerApiVersionsCommand", *arguments)
        place = command.index("-cp")
        command[place:place] = options
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0

    def _add_controller(self, node_id: int) -> Node:
        plan = automq_controller(cluster=CLUSTER, node=PlannedNode("mem", "data", node_id, "controller"))
        return self._add_planned(plan, {"CONTROLLER": self.ports[node_id]})

    def _add_broker(self, node_id: int) -> Node:
        plan = automq_broker(cluster=CLUSTER)
        return self._add_planned(plan, {"REPLICATION": free_port(), "CLIENTS": free_port()})

    def _add_planned(self, plan: NodePlan, ports: dict[str, int]) -> Node:
        folder = self.folder / plan.node.name
        (folder / "balancer").mkdir(parents=True)
        (folder / "balancer/password").write_text(self.password)
        pair = self.authority.node(plan.node.name, "mem")
        (folder / "tls.pem").write_text(pair.key + pair.cert)
        (folder / "ca.crt").write_text(self.authority.pem)
        lines = [line for line in server_properties(plan).splitlines() if not OF_AUTOMQ.match(line)]
        text = "\n".join(lines)
        for node_id, port in self.ports.items():
            text = text.replace(f"mem-{node_id}.data.svc:{CONTROLLER_PORT}", f"127.0.0.1:{port}")
        for listener, port in ports.items():
            text = re.sub(rf"{listener}://[^:,]*:\d+", f"{listener}://127.0.0.1:{port}", text)
        for there, here in ((LOG_DIR, folder / "data"), (TLS, folder), (names.BALANCER, folder / "balancer")):
            text = text.replace(there, str(here))
        (folder / "server.properties").write_text(text)
        command = self._java("kafka.Kafka", str(folder / "server.properties"))
        self.nodes[plan.node.id] = Node(plan.node.id, folder, ports, command)
        return self.nodes[plan.node.id]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StaticKafka]:
    with StaticKafka(tmp_path_factory.mktemp("static")) as made:
        yield made


@pytest.fixture
async def admin(kafka: StaticKafka) -> AsyncIterator[KafkaAdmin]:
    made = KafkaAdmin(kafka.credentials())
    yield made
    await made.close()


async def quorum_once(admin: KafkaAdmin, wanted: Callable[[QuorumView], bool]) -> QuorumView:
    """The quorum as soon as it is as wanted."""
    return await eventually(admin.quorum, wanted, limit=60)


def in_step(quorum: QuorumView) -> bool:
    """Whether all three vote and none is behind."""
    return {voter.id for voter in quorum.voters if voter.lag == 0} == {0, 1, 2}


async def test_an_emptied_controller_comes_back_under_its_id(kafka: StaticKafka, admin: KafkaAdmin) -> None:
    before = await quorum_once(admin, in_step)
    lost = next(voter for voter in before.voters if voter.id != before.leader)
    await asyncio.to_thread(kafka.empty, lost.id)
    moment = max(voter.last_caught_up_ms or 0 for voter in (await admin.quorum()).voters)

    def back(quorum: QuorumView) -> bool:
        again = quorum.voter(lost.id)
        return in_step(quorum) and again is not None and (again.last_caught_up_ms or 0) > moment

    await quorum_once(admin, back)
    metadata = kafka.nodes[lost.id].folder / "data/__cluster_metadata-0"
    assert sum(path.stat().st_size for path in metadata.glob("*.log")) > 0


async def test_the_balancers_user_gets_in_and_reaches_its_topic_alone(kafka: StaticKafka, admin: KafkaAdmin) -> None:
    made = await admin.create_topics([NewTopicSpec(TOPIC, 1, 1), NewTopicSpec(OTHER, 1, 1)])
    assert all(isinstance(topic, CreatedTopic) for topic in made.values())
    await acls.keep(admin, others=balancer.PRINCIPALS)
    who = f"User:{names.BALANCER_USER}"
    await eventually(lambda: admin.describe_acls(who), lambda rights: rights == balancer.PRINCIPALS[who])

    def report() -> list[bytes]:
        producer = KafkaProducer(**kafka.client(kafka.password))
        producer.send(TOPIC, b"load").get(20)
        with pytest.raises(KafkaError, match=r"(?i)authoriz"):
            producer.send(OTHER, b"x").get(20)
        producer.close()
        consumer = KafkaConsumer(**kafka.client(kafka.password), auto_offset_reset="earliest")
        consumer.assign([TopicPartition(TOPIC, 0)])
        records = consumer.poll(timeout_ms=20_000).values()
        consumer.close()
        return [record.value for batch in records for record in batch]

    assert await asyncio.to_thread(report) == [b"load"]


def answer(stream: ssl.SSLSocket, api: int, version: int, body: bytes) -> int:
    """The error code that a request of Kafka's protocol is answered with (header version 1, no client id)."""
    request = struct.pack(">hhih", api, version, 7, -1) + body
    stream.sendall(struct.pack(">i", len(request)) + request)
    reply = b""
    while len(reply) < 10:
        reply += stream.recv(4096)
    _, _, code = struct.unpack(">iih", reply[:10])
    return int(code)


def authenticate(kafka: StaticKafka, password: str) -> int:
    """What the clients' listener says to the balancer's user with this password, by SASL/PLAIN."""
    context = ssl.create_default_context(cadata=kafka.authority.pem)
    port = kafka.nodes[1000].ports["CLIENTS"]
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as stream,
    ):
        assert answer(stream, 17, 1, struct.pack(">h5s", 5, b"PLAIN")) == 0
        token = f"\0{names.BALANCER_USER}\0{password}".encode()
        return answer(stream, 36, 0, struct.pack(">i", len(token)) + token)


def test_nobody_else_is_the_balancer(kafka: StaticKafka) -> None:
    assert authenticate(kafka, kafka.password) == 0
    assert authenticate(kafka, "guessed") == 58  # SASL_AUTHENTICATION_FAILED


def test_javas_own_trust_store_is_all_that_the_balancer_needs(kafka: StaticKafka) -> None:
    """As prepare.sh makes it and start.sh hands it over."""
    store = str(kafka.folder / "truststore")
    keytool = ("keytool", "-importcert", "-noprompt", "-alias", "agentmemory-1", "-keystore", store)
    certificate = str(kafka.nodes[1000].folder / "ca.crt")
    subprocess.run([*keytool, "-storepass", "changeit", "-file", certificate], check=True, capture_output=True)
    trust = [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=changeit"]
    assert kafka.ask_by_java(trust)
    assert not kafka.ask_by_java([])
