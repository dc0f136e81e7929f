"""What a client is in Kafka: a user, its credentials' fingerprints and its access rules. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from agentmemory.api.memoryclient import Authentication
from agentmemory.kafka.model import Acl, ScramMechanism

FEWEST, MOST = 4096, 16384
"""Kafka's own bounds for the iterations of a SCRAM credential (ScramMechanism.java)."""
PASSWORD_LENGTH = 40


@dataclass(frozen=True)
class User:
    """What Kafka has of one user: mechanisms with their iterations, and rules."""

    scram: Mapping[ScramMechanism, int]
    acls: frozenset[Acl]


def mechanism_of(authentication: Authentication) -> ScramMechanism:
    """Kafka's name of the mechanism."""
    return "SCRAM-SHA-512" if authentication.type == "ScramSha512" else "SCRAM-SHA-256"


def iterations_of(password: str) -> int:
    """The iteration count under which this password is stored: 4096 to 16384, drawn from the password itself.

    Kafka shows of a credential nothing but its iterations. Since they say which password it was made from, one look
    tells whether Kafka has the Secret's password: after a crash between the two writes, after the Secret was deleted,
    after somebody set another password by hand. What they give away (13 bits of a hash) is nothing against a random
    password of 238 bits.
    """
    digest = hashlib.sha256(b"agent-memory-operator/scram/" + password.encode()).digest()
    return FEWEST + int.from_bytes(digest[:8], "big") % (MOST - FEWEST + 1)
