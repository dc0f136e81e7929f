"""Kafka's errors in the operator's terms."""

import ssl

import kafka.errors as kafka_errors
import pytest

from agentmemory.core.errors import Denied, Invalid, OperatorError, Transient
from agentmemory.kafka.errors import from_code, from_exception, raise_for, tls_refusal


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (3, Transient, "UnknownTopicOrPartition"),
        (7, Transient, "RequestTimedOut"),
        (17, Invalid, "InvalidTopic"),
        (29, Denied, "TopicAuthorizationFailed"),
        (31, Denied, "ClusterAuthorizationFailed"),
        (36, Transient, "TopicAlreadyExists"),
        (37, Invalid, "InvalidPartitions"),
        (38, Transient, "InvalidReplicationFactor"),
        (40, Invalid, "InvalidConfig"),
        (41, Transient, "NotController"),
        (44, Invalid, "PolicyViolation"),
        (58, Denied, "SaslAuthenticationFailed"),
        (89, Transient, "ThrottlingQuotaExceeded"),
        (-1, Transient, "UnknownServerError"),
        (9999, Transient, "KafkaError9999"),
    ],
)
def test_kind_and_reason_of_a_code(code: int, kind: type[OperatorError], reason: str) -> None:
    error = from_code(code, "said Kafka", "topic a")
    assert type(error) is kind
    assert error.reason == reason
    assert error.message.startswith("topic a: said Kafka.")


def test_no_error_is_none() -> None:
    assert from_code(0, "", "topic a") is None
    raise_for(0, None, "topic a")


def test_an_error_is_raised() -> None:
    with pytest.raises(Invalid, match=r"^InvalidConfig: topic a: no\. Change the value"):
        raise_for(40, "no", "topic a")


def test_kafkas_description_stands_in_for_missing_words() -> None:
    error = from_code(44, None, "topic a")
    assert error is not None
    assert "do not satisfy the configured policy" in error.message


def test_a_dumped_request_becomes_the_right_that_is_missing() -> None:
    dump = "Request Request(processor=5, connectionId=1\n2, envelope=None) needs DESCRIBE permission."
    error = from_code(31, dump, "access rules")
    assert error is not None
    assert error.message.startswith("access rules: the principal needs DESCRIBE on the cluster.")


def test_retry_floors() -> None:
    floors = {code: getattr(from_code(code, "x", "x"), "retry_after", None) for code in (36, 38, 89, 7)}
    assert floors == {36: 0.2, 38: 5.0, 89: 1.0, 7: None}


def test_our_own_errors_stay() -> None:
    error = Invalid("X", "y")
    assert from_exception(error, "what", "servers") is error


@pytest.mark.parametrize(
    ("exc", "kind", "reason", "words"),
    [
        (kafka_errors.IncompatibleBrokerVersion("no such request"), Invalid, "UnsupportedVersion", "no such request"),
        (
            kafka_errors.SaslAuthenticationFailedError("SaslAuthenticationFailedError: bad password"),
            Denied,
            "SaslAuthenticationFailed",
            "x: bad password. Check user",
        ),
        (TimeoutError(), Transient, "KafkaTimedOut", "no answer from a:1"),
        (kafka_errors.KafkaTimeoutError("late"), Transient, "KafkaTimedOut", "no answer from a:1"),
        (kafka_errors.RequestTimedOutError("late"), Transient, "RequestTimedOut", "late"),
        (kafka_errors.KafkaConnectionError("111 ECONNREFUSED"), Transient, "KafkaUnreachable", "(111 ECONNREFUSED)"),
        (kafka_errors.Cancelled(), Transient, "KafkaUnreachable", "(Cancelled)"),
        (OSError(24, "too many open files"), Transient, "KafkaUnreachable", "too many open files"),
    ],
)
def test_exceptions(exc: Exception, kind: type[OperatorError], reason: str, words: str) -> None:
    error = from_exception(exc, "x", "a:1")
    assert type(error) is kind
    assert error.reason == reason
    assert words in error.message


def test_tls_refusals_are_found_inside_kafka_pythons_errors() -> None:
    alert = ssl.SSLError(1, "x")
    alert.reason = "SSLV3_ALERT_BAD_CERTIFICATE"
    as_argument = kafka_errors.KafkaConnectionError(alert)
    as_cause = kafka_errors.KafkaConnectionError("handshake")
    as_cause.__cause__ = alert
    for exc in (alert, as_argument, as_cause):
        assert tls_refusal(exc) == "sslv3 alert bad certificate"
        assert type(from_exception(exc, "x", "a:1")) is Denied
    assert tls_refusal(kafka_errors.KafkaConnectionError("reset")) is None
    reset = ssl.SSLError(1, "x")
    reset.reason = "UNEXPECTED_EOF_WHILE_READING"
    assert tls_refusal(reset) is None
