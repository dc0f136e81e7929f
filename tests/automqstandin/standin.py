"""AutoMQ's own calls in front of the real Apache Kafka that it is built on: what they answer follows the real brokers.

    with FrontedKafka(folder) as kafka:              # processes; a broker names its front as its address
        async with StandIn(kafka) as standin:        # the fronts, in this event loop
            admin = KafkaAdmin(standin.credentials())
            standin.state.held.add(1002); standin.calls

Fronts end with the loop they were opened in; the processes stay for the next test.
"""

import ssl
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.connection import Credentials
from e2e.stand import kafka_image
from tests.automqstandin.front import Call, Front
from tests.automqstandin.state import State
from tests.kafka.authority import Authority
from tests.kafka.realkafka import BROKER, CLUSTER, Node, RealKafka, free_port

OPEN_TO_ALL = "super.users=User:node;User:platform-operator;User:ANONYMOUS\n"
FRONTED = """
listener.security.protocol.map=CONTROLLER:SSL,REPLICATION:SSL,CLIENTS:SASL_SSL,OPERATOR:PLAINTEXT
listeners=REPLICATION://127.0.0.1:{admin},CLIENTS://127.0.0.1:{clients},OPERATOR://127.0.0.1:{operator}
advertised.listeners=REPLICATION://127.0.0.1:{admin},CLIENTS://127.0.0.1:{clients},OPERATOR://127.0.0.1:{front}
"""


class FrontedKafka(RealKafka):
    """A RealKafka whose brokers have one more listener, in the clear, under the address of their fronts."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, properties=OPEN_TO_ALL, home=kafka_image.automq_base())
        self.fronts: dict[int, int] = {}
        """Port of each broker's front."""

    def _add_broker(self, node_id: int) -> Node:
        ports = {"REPLICATION": free_port(), "CLIENTS": free_port(), "OPERATOR": free_port()}
        self.fronts[node_id] = free_port()
        named = {
            "admin": ports["REPLICATION"],
            "clients": ports["CLIENTS"],
            "operator": ports["OPERATOR"],
            "front": self.fronts[node_id],
        }
        return self._add(node_id, "broker", BROKER.format(**named) + FRONTED.format(**named), ports)


class StandIn:
    """The fronts of all brokers that there are when it is opened, and of those that `front` is called for."""

    def __init__(self, kafka: FrontedKafka) -> None:
        self._kafka = kafka
        self._admin = KafkaAdmin(kafka.credentials())
        self.state = State(self._admin)
        self.calls: list[Call] = []
        """Calls that change something, in the order in which they came."""
        self.drop: Callable[[Call], bool] = lambda call: False
        """Whether the answer to a call gets lost, with the connection."""
        self._fronts: dict[int, Front] = {}

    async def __aenter__(self) -> Self:
        self._context = _server_context(self._kafka.authority)
        for node_id in self._kafka.fronts:
            await self.front(node_id)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for front in self._fronts.values():
            await front.close()
        await self._admin.close()

    async def front(self, node_id: int) -> None:
        """Opens the front of a broker; fine when it is open."""
        if node_id not in self._fronts:
            upstream = self._kafka.nodes[node_id].ports["OPERATOR"]
            self._fronts[node_id] = Front(self.state, self.calls, upstream, lambda call: self.drop(call))
            await self._fronts[node_id].open(self._kafka.fronts[node_id], self._context)

    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self._kafka.fronts.values())

    def credentials(self) -> Credentials:
        """The operator's way in: TLS with the fronts, and whoever comes is a super user."""
        return Credentials(self.bootstrap(), self._kafka.authority.pem)


def _server_context(authority: Authority) -> ssl.SSLContext:
    pair = authority.node(f"{CLUSTER}-front", CLUSTER)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".pem"))
        file.write(pair.key + pair.cert)
        file.flush()
        context.load_cert_chain(file.name)
    return context
