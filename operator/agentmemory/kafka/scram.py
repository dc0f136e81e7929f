"""SCRAM users: requests from our values, our values from answers. No I/O; salting costs some milliseconds of CPU."""

import hashlib
import os
from collections.abc import Iterable
from typing import Any

from kafka.protocol.admin import AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest

from agentmemory.core.errors import OperatorError
from agentmemory.kafka.errors import from_code, raise_for
from agentmemory.kafka.model import ScramMechanism

_CODES: dict[ScramMechanism, int] = {"SCRAM-SHA-256": 1, "SCRAM-SHA-512": 2}  # KIP-554
_HASHES: dict[ScramMechanism, str] = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
_NAMES = {code: name for name, code in _CODES.items()}
RESOURCE_NOT_FOUND = 91


def describe_request(users: Iterable[str]) -> Any:
    kind = DescribeUserScramCredentialsRequest.UserName
    return DescribeUserScramCredentialsRequest(users=[kind(name=user) for user in users])


def described(answer: Any) -> dict[str, dict[ScramMechanism, int] | OperatorError]:
    """Per user its mechanisms with their iterations; a user without any is left out. Kafka never shows passwords."""
    raise_for(answer.error_code, answer.error_message, "SCRAM users")
    return {
        item.user: from_code(item.error_code, item.error_message, f"SCRAM user {item.user}") or _mechanisms(item)
        for item in answer.results
        if item.error_code != RESOURCE_NOT_FOUND
    }


def _mechanisms(item: Any) -> dict[ScramMechanism, int]:
    return {_NAMES[info.mechanism]: info.iterations for info in item.credential_infos if info.mechanism in _NAMES}


def upsert_request(user: str, mechanism: ScramMechanism, password: str, iterations: int) -> Any:
    """The password leaves us salted and hashed only (RFC 5802), with a fresh salt."""
    salt = os.urandom(24)
    kind = AlterUserScramCredentialsRequest.ScramCredentialUpsertion
    upsertion = kind(
        name=user,
        mechanism=_CODES[mechanism],
        iterations=iterations,
        salt=salt,
        salted_password=hashlib.pbkdf2_hmac(_HASHES[mechanism], password.encode(), salt, iterations),
    )
    return AlterUserScramCredentialsRequest(deletions=[], upsertions=[upsertion])


def delete_request(user: str, mechanism: ScramMechanism) -> Any:
    kind = AlterUserScramCredentialsRequest.ScramCredentialDeletion
    return AlterUserScramCredentialsRequest(deletions=[kind(name=user, mechanism=_CODES[mechanism])], upsertions=[])


def raise_unless_altered(answer: Any, absent_is_fine: bool = False) -> None:
    """Raises what stands in the way of the first user; `absent_is_fine` for deletions."""
    for item in answer.results:
        if not (absent_is_fine and item.error_code == RESOURCE_NOT_FOUND):
            raise_for(item.error_code, item.error_message, f"SCRAM user {item.user}")
