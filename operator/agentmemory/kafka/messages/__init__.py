"""Kafka messages that kafka-python does not ship, by the schemas of Apache Kafka 4.3 (`clients/.../common/message`)."""

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


__all__ = ["RemoveRaftVoterRequest", "RemoveRaftVoterResponse", "UnregisterBrokerRequest", "UnregisterBrokerResponse"]
