"""Bucket policies that do not lock out their writer.

On AWS a policy adds to what an identity may do anyway. Other servers let a bucket's policy replace its owner's rights:
versitygw shuts out everybody whom the policy does not allow, the owner too, who then cannot even take it off again.
Such servers name principals by access key. So a policy is first tried with a statement that allows the writer's own key
what its owner may: AWS and its like refuse that principal (400, nothing has changed), and then the policy goes without
it. The statement is hidden where a policy is read.
"""

import json
from collections.abc import Mapping
from typing import Any

from agentmemory.objectstore.caller import Caller
from agentmemory.objectstore.errors import Unsupported

SID = "AgentMemoryKeepsIn"
Policy = Mapping[str, Any]


def put(caller: Caller, bucket: str, policy: Policy) -> None:
    """Writes the policy, with the writer's own statement where the server takes it."""
    keys = caller.location.credentials
    if keys is not None and caller.location.endpoint is not None:  # without an endpoint it is AWS
        try:
            _put(caller, bucket, _with_own(policy, bucket, keys.access_key_id))
            return
        except Unsupported:  # by the principal or by the policy itself: the next answer tells
            pass
    _put(caller, bucket, policy)


def hidden(policy: Policy | None) -> Policy | None:
    """The policy without the writer's statement; None when nothing else is in it."""
    if policy is None:
        return None
    statements = _statements(policy)
    others = [one for one in statements if one.get("Sid") != SID]
    if len(others) == len(statements):
        return policy
    return {**policy, "Statement": others} if others else None


def _put(caller: Caller, bucket: str, policy: Policy) -> None:
    caller.call("PutBucketPolicy", bucket, Policy=json.dumps(policy, separators=(",", ":")))


def _with_own(policy: Policy, bucket: str, access_key: str) -> Policy:
    own = {
        "Sid": SID,
        "Effect": "Allow",
        "Principal": {"AWS": [access_key]},
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    return {**policy, "Statement": [*_statements(policy), own]}


def _statements(policy: Policy) -> list[Mapping[str, Any]]:
    found = policy.get("Statement") or []
    return [found] if isinstance(found, Mapping) else list(found)
