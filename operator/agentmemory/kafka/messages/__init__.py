"""Kafka messages that kafka-python does not ship, by the schemas of their makers (`clients/.../common/message`).

Apache Kafka 4.3: 64 and 81. AutoMQ 1.7.3: 514 and 600, which both brokers and controllers answer.
"""

from kafka.protocol.api_message import ApiMessage

_SCHEMAS = "agentmemory.kafka.messages"


class UnregisterBrokerRequest(ApiMessage, load_json=_SCHEMAS):  # type: ignore[call-arg, misc]
    """Forgets a broker that is gone for good (KIP-631, API key 64)."""


class UnregisterBrokerResponse(ApiMessage, load_json=_SCHEMAS):  # type: ignore[call-arg, misc]
    """Answer to UnregisterBrokerRequest."""


class RemoveRaftVoterRequest(ApiMessage, load_json=_SCHEMAS):  # type: ignore[call-arg, misc]
    """Takes a controller out of the quorum's voters (KIP-853, API key 81)."""


class RemoveRaftVoterResponse(ApiMessage, load_json=_SCHEMAS):  # type: ignore[call-arg, misc]
    """Answer to RemoveRaftVoterRequest."""


class AutomqGetNodesRequest(ApiMessage, load_json=_SCHEMAS):  # type: ignore[call-arg, misc]
    """How AutoMQ's nodes stand, all of them when none is named (API key 514)."""


class AutomqGetNodesResponse(ApiMessage, load_json=_SCHEMAS):  # type: ignore[call-arg, misc]
    """Answer to AutomqGetNodesRequest."""


class GetNextNodeIdRequest(ApiMessage, load_json=_SCHEMAS):  # type: ignore[call-arg, misc]
    """A node id that AutoMQ does not use (API key 600)."""


class GetNextNodeIdResponse(ApiMessage, load_json=_SCHEMAS):  # type: ignore[call-arg, misc]
    """Answer to GetNextNodeIdRequest."""


__all__ = [
    "AutomqGetNodesRequest",
    "AutomqGetNodesResponse",
    "GetNextNodeIdRequest",
    "GetNextNodeIdResponse",
    "RemoveRaftVoterRequest",
    "RemoveRaftVoterResponse",
    "UnregisterBrokerRequest",
    "UnregisterBrokerResponse",
]
