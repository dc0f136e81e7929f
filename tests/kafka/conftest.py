"""The shared broker and what the tests of the admin calls have in common."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeVar

import pytest

from agentmemory.kafka.admin import KafkaAdmin
from tests.kafka.realkafka import RealKafka

T = TypeVar("T")


@pytest.fixture(scope="session")
def real_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    """A controller (id 0) and a broker (id 1000), started once for all tests."""
    with RealKafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


@pytest.fixture
async def admin(real_kafka: RealKafka) -> AsyncIterator[KafkaAdmin]:
    """The platform role, a super user."""
    made = KafkaAdmin(real_kafka.credentials())
    yield made
    await made.close()


async def eventually(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool], limit: float = 20.0) -> T:
    """What `look` sees once it is as wanted; AssertionError with the last sight after `limit` seconds."""
    seen = await look()
    try:
        async with asyncio.timeout(limit):
            while not wanted(seen):
                await asyncio.sleep(0.05)
                seen = await look()
    except TimeoutError:
        raise AssertionError(f"not within {limit} s; last seen: {seen}") from None
    return seen


async def set_and_take_away_whole_list(admin: KafkaAdmin) -> None:
    """The excluded brokers where no broker knows that list: it is set again and again, hidden, and taken away."""
    for _ in range(2):
        await admin.exclude_broker(7)
        await eventually(admin.excluded_brokers, lambda found: found is None)
    await admin.readmit_broker(7)
    await eventually(admin.excluded_brokers, lambda found: found == frozenset())
