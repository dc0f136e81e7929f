"""A FakeKafka that several processes share: `kafka_client.RemotePool` in each of them calls it."""

from agentmemory.kafka.connection import Credentials
from tests.fakekafka import FakeAdmin, FakeKafka

from .shared_server import SharedServer


class KafkaServer(SharedServer):
    """One cluster for all keys."""

    def __init__(self, kafka: FakeKafka) -> None:
        super().__init__()
        self.kafka = kafka

    def target(self, way: Credentials) -> FakeAdmin:
        return FakeAdmin(self.kafka, way)
