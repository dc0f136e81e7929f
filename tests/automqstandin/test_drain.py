"""The operator's drain on the wire: real brokers, a producer that writes, AutoMQ's answers; nothing is lost."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from agentmemory.core.errors import Transient
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.model import NewTopicSpec, or_raise
from tests.automqstandin.rig import Rig, names_of
from tests.automqstandin.standin import FrontedKafka, StandIn
from tests.automqstandin.traffic import Producer
from tests.brokers.shared_storage import objects_of, use_shared_storage
from tests.fakekube.fixture import World, world
from tests.kafka.conftest import eventually

__all__ = ["world"]

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

PARTITIONS = 12
ORDER = ["exclude", "reassign", "unregister", "readmit"]
Begin = Callable[[], Awaitable[Rig]]


@pytest.fixture
async def begin(
    world: World, fronted_kafka: FrontedKafka, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Begin]:
    """A pool of three with its brokers up."""
    use_shared_storage(monkeypatch)
    rigs: list[Rig] = []

    async def start() -> Rig:
        rigs.append(await Rig.rise(world, fronted_kafka, standin))
        return rigs[0]

    yield start
    for rig in rigs:
        await rig.close()


async def make_topic(admin: KafkaAdmin, name: str) -> str:
    """Partitions on all three brokers."""
    or_raise(await admin.create_topics([NewTopicSpec(name, PARTITIONS, 1)]))
    hosts = await eventually(admin.placements, lambda found: sum(ref.topic == name for ref in found) == PARTITIONS)
    assert {replicas[0] for ref, replicas in hosts.items() if ref.topic == name} == {1000, 1001, 1002}
    return name


async def hosts_of(admin: KafkaAdmin) -> set[int]:
    return {broker for replicas in (await admin.placements()).values() for broker in replicas}


async def test_three_become_two_and_nothing_is_lost(
    begin: Begin, standin: StandIn, admin: KafkaAdmin, fronted_kafka: FrontedKafka
) -> None:
    rig = await begin()
    topic = await make_topic(admin, "acme.drain.smooth")
    async with Producer(standin.bootstrap(), fronted_kafka.authority.pem, topic) as producer:
        await rig.until(lambda: len(producer.acknowledged) > 200)
        standin.state.held.add(1002)
        rig.scale(2)
        await rig.until(lambda: "its streams to be closed" in rig.said())
        assert await hosts_of(admin) == {1000, 1001}
        assert "unregister" not in [call.name for call in standin.calls]
        with pytest.raises(Transient) as refused:
            await admin.unregister_broker(1002)
        assert refused.value.reason == "UnregisterNodeWithOpenStreams"
        with pytest.raises(Transient):
            await admin.unregister_broker(1000)
        standin.calls[:] = [call for call in standin.calls if call.code == 0]
        standin.state.held.clear()
        await rig.until(rig.registered({1000, 1001}))
        written = len(producer.acknowledged)
        await rig.until(lambda: len(producer.acknowledged) > written + 100)
    steps = names_of(standin.calls)
    assert list(dict.fromkeys(name for name, *_ in steps)) == ORDER
    assert [step for step in steps if step[0] != "reassign"] == [
        ("exclude", 1002),
        ("unregister", 1002),
        ("readmit", 1002),
    ]
    assert rig.kubelet.stopped == [(1002, steps.index(("unregister", 1002)))]
    assert set(await admin.get_nodes()) == {1000, 1001}
    assert standin.state.excluded == ()
    assert objects_of(rig.world, 1002) == []
    assert producer.failed == []
    assert producer.acknowledged - await producer.read_back() == set()


@pytest.mark.parametrize("lists", [True, False], ids=["list known", "list unknown"])
async def test_the_operator_dies_after_each_of_its_writes(
    begin: Begin, standin: StandIn, admin: KafkaAdmin, fronted_kafka: FrontedKafka, lists: bool
) -> None:
    standin.state.lists = lists
    rig = await begin()
    topic = await make_topic(admin, f"acme.drain.deaths-{lists}")
    async with Producer(standin.bootstrap(), fronted_kafka.authority.pem, topic) as producer:
        await rig.until(lambda: len(producer.acknowledged) > 100)
        rig.mortal()
        rig.scale(2)
        await rig.until(rig.registered({1000, 1001}))
    assert rig.lives >= 8
    assert list(dict.fromkeys(call.name for call in standin.calls)) == ORDER
    assert set(await admin.get_nodes()) == {1000, 1001}
    await eventually(admin.excluded_brokers, lambda found: found == frozenset())
    assert objects_of(rig.world, 1002) == []
    assert producer.failed == []
    assert producer.acknowledged - await producer.read_back() == set()
