"""What Kafka's answers are taken for."""

import uuid

import pytest

from agentmemory.core.key import Key
from agentmemory.engines.sight import look, out_of_sync, slow_voters
from agentmemory.kafka.connection import Credentials
from agentmemory.kafka.model import BrokerView, PartitionRef, QuorumReplica, QuorumView, SyncView
from tests.fakekafka import FakeAdmin, FakeKafka, FakePool


async def admin_of(kafka: FakeKafka) -> FakeAdmin:
    return await FakePool(kafka).get(Key("MemoryCluster", "a", "b"), Credentials("kafka:9091", None))


async def test_a_look() -> None:
    kafka = FakeKafka(brokers=3)
    kafka.brokers[1001] = BrokerView("b", 9091, None, fenced=True)
    sight = await look(await admin_of(kafka))  # type: ignore[arg-type]
    assert sight.answers
    assert sight.quorum_works
    assert (sight.cluster_id, sight.leader) == ("fake", 0)
    assert sight.registered == {1000, 1002}
    assert sight.voters == {0, 1, 2}


async def test_no_answer_is_a_sight_too() -> None:
    kafka = FakeKafka()
    kafka.available = False
    sight = await look(await admin_of(kafka))  # type: ignore[arg-type]
    assert not sight.answers
    assert not sight.quorum_works
    assert sight.registered == frozenset()


def voter(node_id: int, caught_up: int | None) -> QuorumReplica:
    return QuorumReplica(node_id, str(uuid.UUID(int=node_id)), 0, caught_up, caught_up)


@pytest.mark.parametrize(
    ("times", "slow"),
    [
        ({0: 100_000, 1: 100_000, 2: 99_000}, set()),
        ({0: 100_000, 1: 89_000, 2: 100_000}, {1}),
        ({0: 100_000, 1: None, 2: 100_000}, {1}),
        ({0: None, 1: None, 2: None}, set()),
        ({0: 1_000, 1: 100_000, 2: 100_000}, set()),  # 0 leads
        ({}, set()),
    ],
)
def test_slow_voters(times: dict[int, int | None], slow: set[int]) -> None:
    view = QuorumView(0, 1, 1, tuple(voter(node_id, time) for node_id, time in times.items()), ())
    assert slow_voters(view) == slow


def test_out_of_sync() -> None:
    refs = tuple(PartitionRef("t", number) for number in range(4))
    assert out_of_sync(SyncView((), ())) == ""
    assert out_of_sync(SyncView(refs[:1], ())) == "partitions still copying: t-0"
    assert out_of_sync(SyncView(refs, refs)) == "partitions without a leader: t-0, t-1, t-2 and more"
