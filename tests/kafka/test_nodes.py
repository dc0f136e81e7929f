"""AutoMQ's messages and words: by its own schemas, and what its refusals become."""

from typing import Any

import pytest

from agentmemory.core.errors import OperatorError, Transient
from agentmemory.kafka import broker_configs, nodes, reassign
from agentmemory.kafka.messages import (
    AutomqGetNodesResponse,
    GetNextNodeIdResponse,
    UnregisterBrokerResponse,
)
from agentmemory.kafka.model import PartitionRef, PartitionView, TopicView
from agentmemory.kafka.nodes import ACTIVE, FENCED, NodeView

# As AutoMQ 1.7.3 writes it, by hand from clients/src/main/resources/common/message/AutomqGetNodesResponse.json:
# no error, no throttling, two nodes (compact arrays and strings: length plus one), no tagged fields.
NODES = bytes.fromhex(
    "0000"
    "00000000"
    "03"
    "000003e8" "0000019abcde0000" "02" "77" "07" "414354495645" "01" "01" "00"
    "000003e9" "0000000000000001" "01" "07" "46454e434544" "00"
    "02" "10" "434952435549545f425245414b4552" "05" "4f50454e" "00" "00"
    "00"
)  # fmt: skip
TAGGED = NODES[:-1] + bytes.fromhex("01" "00" "21" + "00" * 33)  # fmt: skip
REF = PartitionRef("t", 1)


@pytest.mark.parametrize("data", [NODES, TAGGED], ids=["plain", "with the router's epoch"])
def test_nodes_as_they_are_written(data: bytes) -> None:
    found = nodes.node_views(AutomqGetNodesResponse.decode(data, version=0))
    assert found == {
        1000: NodeView(1000, ACTIVE, 0x19ABCDE0000, True),
        1001: NodeView(1001, FENCED, 1, False, {"CIRCUIT_BREAKER": "OPEN"}),
    }
    assert [view.locked for view in found.values()] == [False, True]


def test_the_request_names_nodes_or_means_all() -> None:
    assert nodes.nodes_request([]).encode(version=0) == bytes.fromhex("01" "00")  # fmt: skip
    assert nodes.nodes_request([1000]).encode(version=0) == bytes.fromhex("02" "000003e8" "00")  # fmt: skip
    assert nodes.next_id_request("abc").encode(version=0) == bytes.fromhex("04" "616263" "00")  # fmt: skip


def test_a_free_id() -> None:
    answer = GetNextNodeIdResponse(error_code=0, throttle_time_ms=0, node_id=1007)
    assert nodes.next_id(answer) == 1007


def test_an_error_of_a_whole_answer() -> None:
    with pytest.raises(OperatorError) as met:
        nodes.node_views(AutomqGetNodesResponse(error_code=31, throttle_time_ms=0, nodes=[]))
    assert met.value.reason == "ClusterAuthorizationFailed"
    with pytest.raises(OperatorError):
        nodes.next_id(GetNextNodeIdResponse(error_code=-1, throttle_time_ms=0, node_id=0))


@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [
        (-1, "", "UnregisterNodeWithOpenStreams"),
        (-1, None, "UnregisterNodeWithOpenStreams"),
        (-1, "disk on fire", "UnknownServerError"),
        (515, "", "NodeLocked"),
        (515, "Node 1002 is locked", "NodeLocked"),
        (41, None, "NotController"),
    ],
)
def test_what_a_refused_unregistration_says(code: int, said: str | None, reason: str) -> None:
    answer = UnregisterBrokerResponse(throttle_time_ms=0, error_code=code, error_message=said)
    with pytest.raises(Transient) as met:
        nodes.raise_unless_unregistered(answer, 1002)
    assert met.value.reason == reason
    assert "broker 1002" in met.value.message


@pytest.mark.parametrize("code", [0, 102])
def test_a_broker_that_is_forgotten_is_fine(code: int) -> None:
    answer = UnregisterBrokerResponse(throttle_time_ms=0, error_code=code, error_message=None)
    nodes.raise_unless_unregistered(answer, 1002)


@pytest.mark.parametrize(
    ("tags", "locked"),
    [({}, False), ({"CIRCUIT_BREAKER": "CLOSED"}, False), ({"CIRCUIT_BREAKER": "HALF"}, True), ({"X": "OPEN"}, False)],
)
def test_locked(tags: dict[str, str], locked: bool) -> None:
    assert NodeView(1, ACTIVE, 0, False, tags).locked is locked


@pytest.mark.parametrize(
    ("text", "ids"),
    [(None, set()), ("", set()), ("7", {7}), ("7, 8,", {7, 8}), ("a,9,-1", {9})],
)
def test_a_list_of_brokers(text: str | None, ids: set[int]) -> None:
    assert broker_configs.members(text) == ids


def test_a_change_of_a_list_says_what_comes_and_goes() -> None:
    request: Any = broker_configs.change_list_request("k", ["7"], [])
    (resource,) = request.resources
    assert (resource.resource_type, resource.resource_name) == (broker_configs.BROKER, "")
    assert [(one.name, one.config_operation, one.value) for one in resource.configs] == [("k", 2, "7")]
    (resource,) = broker_configs.change_list_request("k", ["7"], ["8", "9"]).resources
    assert [(one.config_operation, one.value) for one in resource.configs] == [(2, "7"), (3, "8,9")]


def test_moves_are_grouped_by_topic() -> None:
    other = PartitionRef("a", 0)
    request: Any = reassign.alter_request({REF: [1000], PartitionRef("t", 0): (1001, 1000), other: [1000]}, 9000)
    found = [
        (topic.name, [(part.partition_index, part.replicas) for part in topic.partitions]) for topic in request.topics
    ]
    assert found == [("a", [(0, [1000])]), ("t", [(0, [1001, 1000]), (1, [1000])])]
    assert request.timeout_ms == 9000


def test_replicas_of_every_partition() -> None:
    parts = tuple(PartitionView(number, 1000, (1000 + number,), ()) for number in range(2))
    found = reassign.placements([TopicView("t", "id", parts)])
    assert found == {PartitionRef("t", 0): (1000,), REF: (1001,)}
