"""AutoMQ's balancer as a client of the cluster: its user, its password and the one right that it has. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from agentmemory.engines.automq import names
from agentmemory.kafka.model import Acl, Operation

_WHO = f"User:{names.BALANCER_USER}"
_OPERATIONS: tuple[Operation, ...] = ("READ", "WRITE", "DESCRIBE")

PRINCIPALS: Mapping[str, frozenset[Acl]] = {
    _WHO: frozenset(Acl(_WHO, "TOPIC", names.BALANCER_TOPIC, "LITERAL", operation) for operation in _OPERATIONS)
}
"""The topic itself is made by the controller."""


def password(cluster: str, authority_key: str) -> str:
    """A function of the authority's private key: a Secret that went comes back as it was, and no node notices."""
    made = hmac.new(authority_key.encode(), f"{names.BALANCER_USER} of {cluster}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(made.digest()).rstrip(b"=").decode()
