"""The brokers behind the stand-in, once for all tests here, and the stand-in, once for each."""

from collections.abc import AsyncIterator, Iterator

import pytest

from agentmemory.kafka.admin import KafkaAdmin
from tests.automqstandin.standin import FrontedKafka, StandIn


@pytest.fixture(scope="package")
def fronted_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontedKafka]:
    """A controller (0) and a broker (1000)."""
    with FrontedKafka(tmp_path_factory.mktemp("fronted")) as kafka:
        yield kafka


@pytest.fixture
async def standin(fronted_kafka: FrontedKafka) -> AsyncIterator[StandIn]:
    """In front of them."""
    async with StandIn(fronted_kafka) as opened:
        yield opened


@pytest.fixture
async def admin(standin: StandIn) -> AsyncIterator[KafkaAdmin]:
    """The operator's way in."""
    made = KafkaAdmin(standin.credentials())
    yield made
    await made.close()
