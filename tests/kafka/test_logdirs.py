"""Sizes of replicas by broker: from the answer, and from two real brokers that each answer for themselves."""

import pytest
from kafka.protocol.admin import DescribeLogDirsResponse

from agentmemory.core.errors import Denied, OperatorError
from agentmemory.kafka import logdirs
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.model import NewTopicSpec, PartitionRef, or_raise
from tests.kafka.conftest import eventually
from tests.kafka.realkafka import RealKafka

RESULT = DescribeLogDirsResponse.DescribeLogDirsResult
TOPIC = RESULT.DescribeLogDirsTopic
PART = TOPIC.DescribeLogDirsPartition


def part(index: int, size: int, *, future: bool = False) -> object:
    return PART(partition_index=index, partition_size=size, offset_lag=0, is_future_key=future)


def answer(error: int = 0, directory_error: int = 0) -> object:
    topics = [TOPIC(name="t", partitions=[part(0, 7), part(1, 5), part(1, 3, future=True)])]
    results = [RESULT(error_code=directory_error, log_dir="/d", topics=topics)]
    return DescribeLogDirsResponse(error_code=error, results=results)


def test_each_replica_counts_once() -> None:
    assert logdirs.sizes(answer(), "x") == {PartitionRef("t", 0): 7, PartitionRef("t", 1): 5}


@pytest.mark.parametrize(("made", "kind"), [(answer(error=31), Denied), (answer(directory_error=56), OperatorError)])
def test_a_refusal_is_raised(made: object, kind: type[OperatorError]) -> None:
    with pytest.raises(kind):
        logdirs.sizes(made, "x")


@pytest.mark.kafka
async def test_each_broker_answers_for_itself(real_kafka: RealKafka, admin: KafkaAdmin) -> None:
    real_kafka.start_broker(1001)
    await eventually(admin.describe_cluster, lambda view: 1001 in view.in_service())
    or_raise(await admin.create_topics([NewTopicSpec("acme.sizes.one", 4, 1)]))
    hosted = {}
    for node_id in (1000, 1001):
        topics = await eventually(lambda: admin.list_topics("acme.sizes."), lambda found: bool(found))
        parts = topics["acme.sizes.one"].partitions
        hosted[node_id] = {PartitionRef("acme.sizes.one", part.id) for part in parts if node_id in part.replicas}
        sizes = await eventually(lambda n=node_id: admin.log_sizes(n), lambda s, n=node_id: hosted[n] <= s.keys())
        assert not {ref for ref in sizes if ref.topic == "acme.sizes.one"} - hosted[node_id]
    assert sum(map(len, hosted.values())) == 4
    assert all(hosted.values())
    or_raise(await admin.delete_topics(names=["acme.sizes.one"]))
    real_kafka.nodes.pop(1001).stop()
    await admin.unregister_broker(1001)
    await eventually(admin.describe_cluster, lambda view: set(view.brokers) == {1000})
