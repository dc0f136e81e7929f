"""A real Apache Kafka on loopback for tests: KRaft controllers and brokers as processes, with the operator's topology.

CONTROLLER and REPLICATION speak mutual TLS (PEM), CLIENTS speaks SASL_SSL with SCRAM; StandardAuthorizer is on and
principals are mapped as the operator renders it: all nodes are `User:node`, the operator's roles have their own names.

    with RealKafka(folder) as kafka:          # a controller and a broker, up in some seconds
        kafka.credentials("platform-operator")  # for a KafkaAdmin, on the REPLICATION listener
        kafka.start_broker(1001)
"""

import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from agentmemory.kafka.connection import Credentials
from agentmemory.kafka.model import id_text
from e2e.stand import kafka_image
from e2e.stand.ports import free_ports
from tests.kafka.authority import Authority

CLUSTER = "testcluster"
START_LIMIT = 60.0
STOP_LIMIT = 15.0
SESSION_MS = 3000

COMMON = """
node.id={id}
process.roles={role}
log.dirs={data}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers={bootstrap}
controller.quorum.auto.join.enable={auto_join}
listener.security.protocol.map=CONTROLLER:SSL,REPLICATION:SSL,CLIENTS:SASL_SSL
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:node;User:platform-operator
ssl.principal.mapping.rules=RULE:^CN=[^,]+,OU=node,O={cluster}$/node/,\
RULE:^CN=(platform-operator|tenant-operator),OU=operator$/$1/,DEFAULT
ssl.keystore.type=PEM
ssl.keystore.location={folder}/tls.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.crt
ssl.client.auth=required
ssl.endpoint.identification.algorithm=https
broker.session.timeout.ms={session}
broker.heartbeat.interval.ms=500
"""
CONTROLLER = "listeners=CONTROLLER://127.0.0.1:{control}\n"
BROKER = """
listeners=REPLICATION://127.0.0.1:{admin},CLIENTS://127.0.0.1:{clients}
inter.broker.listener.name=REPLICATION
listener.name.clients.ssl.client.auth=none
sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
listener.name.clients.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.clients.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""
LOGGING = """
status = error
appender.console.type = Console
appender.console.name = out
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1}: %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = out
"""
HARMLESS = re.compile(r"\S+ \S+ (DEBUG|INFO|WARN) ")
JAVA = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.disable.jmx=true")
HEAP = "256m"


@dataclass
class Node:
    """One process; `ports` by listener."""

    id: int
    folder: Path
    ports: dict[str, int]
    command: list[str]
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def wait_listening(self, limit: float = START_LIMIT) -> None:
        """Until all ports take connections; RuntimeError with what the log says when the process dies or is slow."""
        deadline = time.monotonic() + limit
        for port in self.ports.values():
            while not _listens(port):
                died = self.process is None or self.process.poll() is not None
                if died or time.monotonic() > deadline:
                    said = last_words(self.log.read_text(errors="replace"))
                    raise RuntimeError(f"node {self.id} {'ended' if died else 'is not up'}; its log says:\n{said}")
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends the process and waits for it; SIGKILL after STOP_LIMIT seconds."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class RealKafka:
    """A context manager. Node ids as the operator gives them: controllers below 1000, brokers from 1000."""

    def __init__(
        self,
        folder: Path,
        brokers: int = 1,
        controllers: int = 1,
        heap: str = HEAP,
        properties: str = "",
        home: Path | None = None,
    ) -> None:
        """`heap`: of each broker, as Java writes it (`1g`); controllers and tools have HEAP. `properties`: of all.

        `home`: another Apache Kafka than the one that the operator runs.
        """
        self.folder = folder
        self._heap = heap
        self._properties = properties
        self.authority = Authority()
        self.cluster_id = id_text(uuid.uuid4()).replace("-", "A")
        self.nodes: dict[int, Node] = {}
        self._brokers, self._controllers = brokers, controllers
        self._home = home or kafka_image.home()
        self._quorum = ""

    def __enter__(self) -> Self:
        try:
            self._logging = self.folder / "log4j2.properties"
            self._logging.write_text(LOGGING)
            self._start(self._add_controller(0), "--standalone").wait_listening()
            others = [self._start(self._add_broker(1000 + n)) for n in range(self._brokers)]
            others += [self._start(self._add_controller(n), "-N") for n in range(1, self._controllers)]
            for node in others:
                node.wait_listening()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """Ends all processes at once; their data is not needed any more."""
        for node in self.nodes.values():
            node.stop(signal.SIGKILL)

    def start_broker(self, node_id: int) -> Node:
        """One more broker, or a stopped one again with its data and ports."""
        node = self.nodes.get(node_id)
        if node is None:
            node = self._start(self._add_broker(node_id))
        else:
            node.start()
        node.wait_listening()
        return node

    def start_controllers(self, *node_ids: int) -> None:
        """More controllers with empty disks: they join the quorum by themselves."""
        for node in [self._start(self._add_controller(node_id), "-N") for node_id in node_ids]:
            node.wait_listening()

    def bootstrap(self, listener: str = "REPLICATION") -> str:
        return ",".join(f"127.0.0.1:{n.ports[listener]}" for n in self.nodes.values() if listener in n.ports)

    def credentials(self, role: str = "platform-operator") -> Credentials:
        """Mutual TLS as one of the operator's roles."""
        pair = self.authority.operator(role)
        return Credentials(self.bootstrap(), self.authority.pem, cert_pem=pair.cert, key_pem=pair.key)

    def scram_credentials(self, user: str, password: str) -> Credentials:
        """A client's way in, on the CLIENTS listener with SCRAM-SHA-512."""
        return Credentials(self.bootstrap("CLIENTS"), self.authority.pem, username=user, password=password)

    def _add_controller(self, node_id: int) -> Node:
        ports = {"CONTROLLER": free_port()}
        self._quorum = self._quorum or f"127.0.0.1:{ports['CONTROLLER']}"
        return self._add(node_id, "controller", CONTROLLER.format(control=ports["CONTROLLER"]), ports)

    def _add_broker(self, node_id: int) -> Node:
        ports = {"REPLICATION": free_port(), "CLIENTS": free_port()}
        listeners = BROKER.format(admin=ports["REPLICATION"], clients=ports["CLIENTS"])
        return self._add(node_id, "broker", listeners, ports)

    def _add(self, node_id: int, role: str, listeners: str, ports: dict[str, int]) -> Node:
        folder = self.folder / f"{node_id}-{len(list(self.folder.iterdir()))}"  # a namesake starts with nothing
        folder.mkdir()
        pair = self.authority.node(f"{CLUSTER}-{node_id}", CLUSTER)
        (folder / "tls.pem").write_text(pair.key + pair.cert)
        (folder / "ca.crt").write_text(self.authority.pem)
        common = COMMON.format(
            id=node_id,
            role=role,
            data=folder / "data",
            bootstrap=self._quorum,
            auto_join=str(role == "controller").lower(),
            cluster=CLUSTER,
            folder=folder,
            session=SESSION_MS,
        )
        (folder / "server.properties").write_text(common + listeners + self._properties)
        heap = self._heap if role == "broker" else HEAP
        command = self._java("kafka.Kafka", str(folder / "server.properties"), heap=heap)
        self.nodes[node_id] = Node(node_id, folder, ports, command)
        return self.nodes[node_id]

    def _start(self, node: Node, *format_flags: str) -> Node:
        properties = str(node.folder / "server.properties")
        arguments = ("format", "-t", self.cluster_id, "-c", properties, *format_flags)
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", *arguments), capture_output=True, text=True, timeout=START_LIMIT
        )
        if done.returncode:
            raise RuntimeError(f"formatting node {node.id} failed:\n{done.stdout}{done.stderr}")
        node.start()
        return node

    def _java(self, main: str, *arguments: str, heap: str = HEAP) -> list[str]:
        # The class archive makes a start three times faster; it is for the jars in this order.
        shared = [f"-XX:SharedArchiveFile={self._home / 'kafka.jsa'}", "-Xshare:auto", "-Xlog:cds=off"]
        jars = ":".join(map(str, sorted((self._home / "libs").glob("*.jar"))))
        own = self._home / "config/log4j.properties"  # Kafka 3.9 has Log4j 1, and knows nothing of the other's file
        name = f"log4j.configuration={own.as_uri()}" if own.exists() else f"log4j2.configurationFile={self._logging}"
        logging = f"-D{name}"
        # The kernel ends it with us even when we are killed.
        bound = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        return [*bound, "java", "-Xms64m", f"-Xmx{heap}", *JAVA, *shared, logging, "-cp", jars, main, *arguments]


def last_words(log: str) -> str:
    """What a log says is wrong, then how it ends; both without stack frames and listed settings.

    Kafka's threads write on until the process is halted: hundreds of lines may come after the one that tells the cause.
    """
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith("\t")]
    wrong = [line for line in lines if not HARMLESS.match(line)]
    return "\n".join([*wrong[-25:], "...", *lines[-10:]])


def free_port() -> int:
    return free_ports(1)[0]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
