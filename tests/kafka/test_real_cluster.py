"""Brokers and controllers that come and go, on real processes."""

import asyncio
import signal
import time

import pytest

from agentmemory.core.errors import Invalid, Transient
from agentmemory.core.key import Key
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.connection import KafkaPool
from agentmemory.kafka.model import NewTopicSpec, PartitionRef, or_raise
from tests.kafka.conftest import eventually
from tests.kafka.realkafka import RealKafka

pytestmark = pytest.mark.kafka


async def test_the_cluster_and_its_quorum(real_kafka: RealKafka, admin: KafkaAdmin) -> None:
    view = await admin.describe_cluster()
    assert view.cluster_id == real_kafka.cluster_id
    assert view.brokers[1000].port == real_kafka.nodes[1000].ports["REPLICATION"]
    assert view.in_service() == {1000}
    quorum = await admin.quorum()
    assert quorum.leader == 0
    assert [voter.id for voter in quorum.voters] == [0]
    assert [observer.id for observer in quorum.observers] == [1000]


async def test_a_broker_leaves(real_kafka: RealKafka, admin: KafkaAdmin) -> None:
    """Seen as the roller sees it: in sync, then fenced with its replicas behind, back again, and gone for good."""
    broker = real_kafka.start_broker(1001)
    await eventually(admin.describe_cluster, lambda view: view.in_service() == {1000, 1001})
    name = "acme.roll.events"
    or_raise(await admin.create_topics([NewTopicSpec(name, 2, 2, {"min.insync.replicas": "1"})]))
    tight = "acme.roll.tight"
    or_raise(await admin.create_topics([NewTopicSpec(tight, 1, 2, {"min.insync.replicas": "2"})]))
    await eventually(lambda: admin.list_topics("acme.roll."), lambda found: set(found) == {name, tight})
    await eventually(admin.in_sync, lambda sync: sync.in_sync)
    check = await admin.stop_check(1001)
    assert check.safe
    assert check.unavoidable == (PartitionRef(tight, 0),)

    broker.stop()
    await eventually(admin.describe_cluster, lambda view: view.brokers[1001].fenced is True)
    behind = (PartitionRef(name, 0), PartitionRef(name, 1), PartitionRef(tight, 0))
    sync = await eventually(admin.in_sync, lambda sync: len(sync.under_replicated) == 3)
    assert sync.under_replicated == behind
    check = await admin.stop_check(1000)
    assert set(check.blocked_by) == {PartitionRef(name, 0), PartitionRef(name, 1)}
    assert (await admin.stop_check(1001)).safe

    broker.start()
    await eventually(admin.in_sync, lambda sync: sync.in_sync)
    assert (await admin.describe_cluster()).in_service() == {1000, 1001}

    or_raise(await admin.delete_topics(names=[name, tight]))
    broker.stop()
    await eventually(admin.describe_cluster, lambda view: view.brokers[1001].fenced is True)
    await admin.unregister_broker(1001)
    await eventually(admin.describe_cluster, lambda view: set(view.brokers) == {1000})
    await admin.unregister_broker(1001)
    real_kafka.nodes.pop(1001)


async def test_the_connection_survives_a_broker_that_restarts(real_kafka: RealKafka, admin: KafkaAdmin) -> None:
    assert (await admin.describe_cluster()).in_service() == {1000}
    real_kafka.nodes[1000].stop()
    real_kafka.start_broker(1000)
    await eventually(admin.describe_cluster, lambda view: view.in_service() == {1000})


async def test_a_broker_that_hangs(real_kafka: RealKafka) -> None:
    """Calls end at their limit, each with an error of its own, and the next one works when the broker does again."""
    admin = KafkaAdmin(real_kafka.credentials(), limit=1.0)
    await admin.describe_cluster()
    process = real_kafka.nodes[1000].process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        start = time.monotonic()
        reads = [admin.describe_topics(["acme.hang"]) for _ in range(5)]
        outcomes = await asyncio.gather(
            *reads, admin.create_topics([NewTopicSpec("acme.hang", 1, 1)]), return_exceptions=True
        )
        assert time.monotonic() - start < 4
    finally:
        process.send_signal(signal.SIGCONT)
    *described, created = outcomes
    assert [type(outcome) for outcome in described] == [Transient] * 5
    assert isinstance(created, dict)
    assert isinstance(created["acme.hang"], Transient)

    async def works() -> bool:
        try:
            return (await admin.describe_cluster()).in_service() == {1000}
        except Transient:
            return False

    await eventually(works, bool)
    await admin.close()


async def test_the_pool_follows_new_credentials(real_kafka: RealKafka) -> None:
    pool, key = KafkaPool(), Key("MemoryCluster", "ns", "testcluster")
    old = await pool.get(key, real_kafka.credentials())
    assert (await old.describe_cluster()).in_service() == {1000}
    new = await pool.get(key, real_kafka.credentials())  # a certificate made anew
    assert new is not old
    assert (await new.describe_cluster()).in_service() == {1000}
    with pytest.raises(Transient, match="was replaced"):
        await old.describe_cluster()
    start = time.monotonic()
    calls = [asyncio.create_task(new.list_topics()) for _ in range(20)]
    await asyncio.sleep(0)
    await pool.close()
    assert time.monotonic() - start < 3
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(outcome, dict | Transient) for outcome in outcomes)


async def test_controllers_join_and_a_lost_one_is_taken_out(real_kafka: RealKafka, admin: KafkaAdmin) -> None:
    """A controller that comes back without its volume has a new directory id and joins as a new voter (KIP-853)."""
    with pytest.raises(Invalid, match="only voter"):
        await admin.remove_voter(real_kafka.cluster_id, 0, (await admin.quorum()).voters[0].directory_id)

    real_kafka.start_controllers(1, 2)
    quorum = await eventually(admin.quorum, lambda seen: {voter.id for voter in seen.voters} == {0, 1, 2})
    lost = quorum.voter(2)
    assert lost is not None
    real_kafka.nodes.pop(2).stop(signal.SIGKILL)
    await admin.remove_voter(real_kafka.cluster_id, 2, lost.directory_id)
    await eventually(admin.quorum, lambda seen: {voter.id for voter in seen.voters} == {0, 1})
    await admin.remove_voter(real_kafka.cluster_id, 2, lost.directory_id)

    real_kafka.start_controllers(2)
    quorum = await eventually(admin.quorum, lambda seen: {voter.id for voter in seen.voters} == {0, 1, 2})
    back = quorum.voter(2)
    assert back is not None
    assert back.directory_id != lost.directory_id

    with pytest.raises(Invalid, match="cluster id"):
        await admin.remove_voter("another-cluster", 2, back.directory_id)
