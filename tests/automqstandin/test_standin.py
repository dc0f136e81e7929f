"""The calls of AutoMQ on the wire, by the operator's own codecs and errors."""

import pytest

from agentmemory.core.errors import Invalid, OperatorError, Transient
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.broker_configs import EXCLUDED, change_list_request
from agentmemory.kafka.model import NewTopicSpec, PartitionRef, or_raise
from agentmemory.kafka.nodes import ACTIVE, FENCED
from tests.automqstandin.front import Call
from tests.automqstandin.standin import FrontedKafka, StandIn
from tests.kafka.conftest import eventually, set_and_take_away_whole_list

pytestmark = pytest.mark.kafka

TOPIC = "acme.standin.events"
REF = PartitionRef(TOPIC, 0)


async def test_nodes_follow_the_real_brokers(fronted_kafka: FrontedKafka, standin: StandIn, admin: KafkaAdmin) -> None:
    """A broker comes, hosts, is drained and stops: each call that a drain makes, as AutoMQ answers it."""
    before = set(await admin.get_nodes())
    new = await admin.next_node_id(fronted_kafka.cluster_id)
    assert new not in before
    broker = fronted_kafka.start_broker(new)
    await standin.front(new)
    nodes = await eventually(admin.get_nodes, lambda found: set(found) == {*before, new})
    assert nodes[new].state == ACTIVE
    assert (await admin.describe_cluster()).brokers[new].port == fronted_kafka.fronts[new]

    or_raise(await admin.create_topics([NewTopicSpec(TOPIC, 1, 1)]))
    await eventually(admin.placements, lambda found: REF in found)
    or_raise({"moved": (await admin.reassign({REF: [new]}))[REF]})
    await eventually(admin.placements, lambda found: found[REF] == (new,))
    assert await admin.list_reassignments() == {}
    assert (await admin.get_nodes([new]))[new].open_streams

    with pytest.raises(Transient) as refused:
        await admin.unregister_broker(new)
    assert refused.value.reason == "UnregisterNodeWithOpenStreams"

    or_raise({"moved": (await admin.reassign({REF: [1000]}))[REF]})
    await eventually(admin.placements, lambda found: found[REF] == (1000,))
    broker.stop()
    await eventually(admin.get_nodes, lambda found: found[new].state == FENCED and not found[new].open_streams)
    standin.state.locked.add(new)
    with pytest.raises(Transient) as refused:
        await admin.unregister_broker(new)
    assert refused.value.reason == "NodeLocked"
    assert (await admin.get_nodes())[new].locked
    standin.state.locked.clear()
    await admin.unregister_broker(new)
    await eventually(admin.get_nodes, lambda found: set(found) == before)
    await admin.unregister_broker(new)
    or_raise(await admin.delete_topics(names=[TOPIC]))
    unregistered = [call for call in standin.calls if call.name == "unregister"]
    assert [call.code for call in unregistered] == [-1, 515, 0, 0]


async def test_the_list_of_excluded_brokers(standin: StandIn, admin: KafkaAdmin) -> None:
    standin.state.excluded = ("7",)
    await admin.exclude_broker(1001)
    await admin.exclude_broker(1001)
    assert await admin.excluded_brokers() == {7, 1001}
    await admin.readmit_broker(1001)
    await admin.readmit_broker(1001)
    assert await admin.excluded_brokers() == {7}
    assert standin.calls == [Call("exclude", (1001,)), Call("exclude", (1001,))] + [Call("readmit", (1001,))] * 2


async def test_a_refused_move_names_its_partition(admin: KafkaAdmin) -> None:
    none = PartitionRef("acme.standin.none", 3)
    error = (await admin.reassign({none: [1000]}))[none]
    assert isinstance(error, OperatorError)
    assert "acme.standin.none-3" in error.message


async def test_apache_kafka_says_that_it_does_not_know_the_calls(fronted_kafka: FrontedKafka) -> None:
    """Past the fronts: what is not in ApiVersions is not sent."""
    admin = KafkaAdmin(fronted_kafka.credentials())
    try:
        for call in (admin.get_nodes(), admin.next_node_id("x")):
            with pytest.raises(Invalid) as unknown:
                await call
            assert unknown.value.reason == "UnsupportedVersion"
        assert await admin.excluded_brokers() == frozenset()
    finally:
        await admin.close()


async def test_a_list_that_brokers_do_not_know_is_set_and_taken_away_as_a_whole(fronted_kafka: FrontedKafka) -> None:
    """Past the fronts: Kafka 3.9 meets an append to a setting that it does not know with -1, and hides what is set."""
    admin = KafkaAdmin(fronted_kafka.credentials())
    try:
        with pytest.raises(Transient) as refused:
            await admin._alter(change_list_request(EXCLUDED, ["7"], []))
        assert refused.value.reason == "UnknownServerError"
        await set_and_take_away_whole_list(admin)
    finally:
        await admin.close()
