"""The list of excluded brokers: by append and subtract where the brokers know it as a list, set anew where not."""

from typing import Any, cast

import pytest
from kafka.protocol.admin import (
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    IncrementalAlterConfigsResponse,
)

from agentmemory.core.errors import Denied, OperatorError, Transient
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.broker_configs import APPEND, BROKER, DELETE, EXCLUDED, SET, SUBTRACT
from agentmemory.kafka.node_calls import NodeCalls
from agentmemory.kafka.session import Session
from tests.kafka.conftest import set_and_take_away_whole_list
from tests.kafka.realkafka import RealKafka

UNKNOWN_SERVER_ERROR, CLUSTER_AUTHORIZATION_FAILED, INVALID_CONFIG = -1, 31, 40
LISTS = {APPEND, SUBTRACT}


class Brokers:
    """Stands in for a Session: `refuse` says for each operation with which code, if any, it is answered."""

    def __init__(self, refuse: dict[int, int], value: str | None, shows: bool = True) -> None:
        self.refuse = refuse
        self.value = value
        self.shows = shows
        self.taken: list[tuple[int, str | None]] = []

    async def send(self, request: Any, what: str, *, again: bool) -> Any:
        if isinstance(request, DescribeConfigsRequest):
            return self._described()
        (change,) = request.resources[0].configs
        code = self.refuse.get(change.config_operation, 0)
        if code == 0:
            self.taken.append((change.config_operation, change.value))
        kind = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse
        result = kind(error_code=code, error_message=None, resource_type=BROKER, resource_name="")
        return IncrementalAlterConfigsResponse(throttle_time_ms=0, responses=[result])

    def _described(self) -> Any:
        kind = DescribeConfigsResponse.DescribeConfigsResult
        value = self.value if self.shows else None
        entry = kind.DescribeConfigsResourceResult(name=EXCLUDED, value=value)
        configs = [] if self.value is None else [entry]
        result = kind(error_code=0, error_message=None, resource_type=BROKER, resource_name="", configs=configs)
        return DescribeConfigsResponse(throttle_time_ms=0, results=[result])


def calls(brokers: Brokers) -> NodeCalls:
    made = NodeCalls()
    made._session = cast(Session, brokers)
    return made


def refusing(code: int) -> dict[int, int]:
    """Kafka 3.9 meets an unknown key with an exception of its own (-1), Kafka 4 with INVALID_CONFIG."""
    return dict.fromkeys(LISTS, code)


UNKNOWN_KEY = pytest.mark.parametrize("code", [INVALID_CONFIG, UNKNOWN_SERVER_ERROR])


async def test_a_list_that_is_known_is_changed_in_place() -> None:
    brokers = Brokers({}, "7")
    await calls(brokers).exclude_broker(8)
    await calls(brokers).readmit_broker(8)
    assert brokers.taken == [(APPEND, "8"), (SUBTRACT, "8")]


@UNKNOWN_KEY
async def test_others_stay_in_a_list_that_is_shown(code: int) -> None:
    brokers = Brokers(refusing(code), "7,8")
    await calls(brokers).exclude_broker(9)
    await calls(brokers).readmit_broker(8)
    assert brokers.taken == [(SET, "7,8,9"), (SET, "7")]


@UNKNOWN_KEY
@pytest.mark.parametrize(("value", "shows"), [(None, True), ("8", True), ("8", False), ("7,8", False)])
async def test_a_list_that_is_hidden_is_written_over_and_taken_away(code: int, value: str | None, shows: bool) -> None:
    """Whose turn it is to leave says so again with each of its steps: nobody is kept out for ever by what is hidden."""
    brokers = Brokers(refusing(code), value, shows)
    await calls(brokers).exclude_broker(8)
    await calls(brokers).readmit_broker(8)
    assert brokers.taken == [(SET, "8"), (DELETE, None)]


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (UNKNOWN_SERVER_ERROR, Transient, "UnknownServerError"),
        (CLUSTER_AUTHORIZATION_FAILED, Denied, "ClusterAuthorizationFailed"),
    ],
)
async def test_a_server_that_fails_at_setting_too_is_heard(code: int, kind: type[OperatorError], reason: str) -> None:
    brokers = Brokers({**refusing(UNKNOWN_SERVER_ERROR), SET: code, DELETE: code}, None)
    for change in (calls(brokers).exclude_broker, calls(brokers).readmit_broker):
        with pytest.raises(kind) as met:
            await change(8)
        assert met.value.reason == reason
    assert brokers.taken == []


@pytest.mark.parametrize("code", [CLUSTER_AUTHORIZATION_FAILED, 41])
async def test_other_refusals_are_no_reason_to_write_a_list_over(code: int) -> None:
    brokers = Brokers(refusing(code), "7")
    with pytest.raises(OperatorError):
        await calls(brokers).exclude_broker(8)
    assert brokers.taken == []


@pytest.mark.kafka
async def test_kafka_4_takes_it_as_a_whole_and_hides_it(real_kafka: RealKafka) -> None:
    """Kafka 3.9, on which AutoMQ is built, is asked in tests/automqstandin."""
    admin = KafkaAdmin(real_kafka.credentials())
    try:
        await set_and_take_away_whole_list(admin)
    finally:
        await admin.close()
