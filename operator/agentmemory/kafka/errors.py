"""Kafka's errors in the operator's terms: what kind it is, Kafka's own words, and the way out.

The reason of a condition is Kafka's own name of the error in CamelCase (`POLICY_VIOLATION` -> `PolicyViolation`).
"""

import re
import ssl
from collections.abc import Callable
from typing import Any, NamedTuple

import kafka.errors as kafka_errors

from agentmemory.core.errors import Denied, Invalid, OperatorError, Transient

_ASK_RIGHTS = "Give the operator's principal this right, or use credentials that have it."
_UPGRADE = "The broker is too old for this, or the address is a controller's: give the brokers' addresses."


# What Kafka says when a right on the cluster is missing: a dump of its request object and then the right.
_REQUEST_DUMP = re.compile(r"^Request Request\(.*\) needs (\w+) permission", re.DOTALL)


_NAMES = {-1: "UNKNOWN_SERVER_ERROR"}  # where kafka-python has no name that says anything


class _Rule(NamedTuple):
    make: Callable[[str, str], OperatorError]
    way_out: str


def _after(seconds: float) -> Callable[[str, str], OperatorError]:
    """A Transient that is worth its next try after so many seconds at the earliest."""
    return lambda reason, message: Transient(reason, message, retry_after=seconds)


# By Kafka's error code (org.apache.kafka.common.protocol.Errors). What is not here is Transient: a wrong guess then
# costs retries, whereas a wrong Invalid would leave the object lying.
_RULES: dict[int, _Rule] = {
    3: _Rule(Transient, "It is made again if it is wanted."),  # UNKNOWN_TOPIC_OR_PARTITION
    17: _Rule(Invalid, "Choose another name."),  # INVALID_TOPIC_EXCEPTION
    29: _Rule(Denied, _ASK_RIGHTS),  # TOPIC_AUTHORIZATION_FAILED
    30: _Rule(Denied, _ASK_RIGHTS),  # GROUP_AUTHORIZATION_FAILED
    31: _Rule(Denied, _ASK_RIGHTS),  # CLUSTER_AUTHORIZATION_FAILED
    33: _Rule(Denied, "Use a mechanism that the listener has enabled."),  # UNSUPPORTED_SASL_MECHANISM
    35: _Rule(Invalid, _UPGRADE),  # UNSUPPORTED_VERSION
    # Names are ours by construction, so an existing topic is one that this broker's metadata did not show yet, or
    # one that a request made whose answer got lost: looked at again, not fought over.
    36: _Rule(_after(0.2), "It is described again."),  # TOPIC_ALREADY_EXISTS
    37: _Rule(Invalid, "Partitions can only be added."),  # INVALID_PARTITIONS
    # Brokers may be on their way; retried slowly so that a grown pool heals it without an edit.
    38: _Rule(_after(5.0), "Add brokers, or lower the replication factor."),  # INVALID_REPLICATION_FACTOR
    39: _Rule(Invalid, ""),  # INVALID_REPLICA_ASSIGNMENT
    40: _Rule(Invalid, "Change the value that is named."),  # INVALID_CONFIG
    42: _Rule(Invalid, ""),  # INVALID_REQUEST
    44: _Rule(Invalid, "The cluster's policy forbids it: change the value, or ask who runs the cluster."),
    54: _Rule(Invalid, "Set authorizer.class.name on the cluster."),  # SECURITY_DISABLED
    58: _Rule(Denied, "Check user and password in the Secret of credentials."),  # SASL_AUTHENTICATION_FAILED
    73: _Rule(Invalid, "Set delete.topic.enable on the cluster, or keep the topic."),  # TOPIC_DELETION_DISABLED
    89: _Rule(_after(1.0), "Kafka slows down this principal's changes: wait."),  # THROTTLING_QUOTA_EXCEEDED
    93: _Rule(Invalid, "Choose other iterations or another mechanism."),  # UNACCEPTABLE_CREDENTIAL
    104: _Rule(Invalid, "The address leads to another cluster."),  # INCONSISTENT_CLUSTER_ID
}


def from_code(code: int, text: str | None, what: str) -> OperatorError | None:
    """The error of an answer's item; None when the code says that all went well. `what` names the item."""
    if code == 0:
        return None
    known = kafka_errors.kafka_errors.get(code)
    rule = _RULES.get(code, _Rule(Transient, ""))
    said = text or (known and known.description) or f"error {code}"
    return rule.make(_reason(code, known), _sentence(what, said, rule.way_out))


def raise_for(code: int, text: str | None, what: str) -> None:
    """Raises the error of a whole answer, if it is one."""
    error = from_code(code, text, what)
    if error is not None:
        raise error


def from_exception(exc: BaseException, what: str, servers: str) -> OperatorError:
    """The error of a call that got no answer. `servers` names the bootstrap addresses."""
    if isinstance(exc, OperatorError):
        return exc
    if isinstance(exc, kafka_errors.IncompatibleBrokerVersion):
        return Invalid("UnsupportedVersion", _sentence(what, _words(exc), _UPGRADE))
    if isinstance(exc, kafka_errors.BrokerResponseError) and exc.errno is not None:
        error = from_code(exc.errno, _words(exc), what)
        if error is not None:
            return error
    refusal = tls_refusal(exc)
    if refusal is not None:
        return Denied("TlsRefused", _sentence(what, f"no trust between {servers} and us: {refusal}", _TLS_WAY_OUT))
    if isinstance(exc, TimeoutError | kafka_errors.KafkaTimeoutError):
        return Transient("KafkaTimedOut", f"{what}: no answer from {servers} in time; it is tried again.")
    return Transient("KafkaUnreachable", f"{what}: no connection to {servers} ({_words(exc)}); it is tried again.")


_TLS_WAY_OUT = "Check ca.crt and the certificate's names and dates on both sides."


def tls_refusal(exc: BaseException) -> str | None:
    """What TLS objected to, when one side does not accept the other's certificate; None for any other failure.

    kafka-python wraps the TLS error into its own: as an argument, or as the cause.
    """
    chain: list[BaseException] = [exc]
    while chain:
        seen = chain.pop()
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen.verify_message
        if isinstance(seen, ssl.SSLError) and "ALERT" in str(seen.reason):
            return str(seen.reason).replace("_", " ").lower()
        chain += [arg for arg in seen.args if isinstance(arg, BaseException)]
        chain += [seen.__cause__] if seen.__cause__ is not None else []
    return None


def _words(exc: BaseException) -> str:
    """What the exception says, without its class, which kafka-python likes to put in front."""
    said = ", ".join(str(arg) for arg in exc.args).removeprefix(f"{type(exc).__name__}: ")
    return said or type(exc).__name__


def _sentence(what: str, said: str, way_out: str) -> str:
    said = _REQUEST_DUMP.sub(r"the principal needs \1 on the cluster", said.strip())
    ended = said if said.endswith((".", "!", "?")) else said + "."
    return f"{what}: {ended} {way_out}".rstrip()


def _reason(code: int, known: Any) -> str:
    """Kafka's name of the error in CamelCase."""
    if known is None:
        return f"KafkaError{code}"
    constant = _NAMES.get(code, known.message)
    return "".join(word.capitalize() for word in constant.split("_"))
