"""A bucket's policy: the operator's own statements among whatever else stands there. Pure.

Statements of ours are known by their Sid. All others are somebody else's and stay as they are. Ours only deny, so they
give nobody a right; a condition in them bites everybody where the server does not evaluate conditions, which is why
the caller asks for them only where it has seen the server do so (trial.py).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentmemory.api.memorybucket import MemoryBucket

Statement = dict[str, Any]

OURS = "AgentMemory"
"""What every Sid of ours begins with (letters and digits only, as IAM wants it)."""
TRIAL = OURS + "Trial"
PROBE = ".agent-memory-probe"
"""Folder of the keys that trial statements speak of; no object is ever there."""
VERSION = "2012-10-17"
PARTITIONS: Mapping[str, str] = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
# Whoever could do these would undo what a bucket is for; nobody needs them, the operator neither.
NEVER: Mapping[str, tuple[str, ...]] = {
    # Copies to another region leave the residency; a locked data bucket fills up for ever.
    "Data": ("s3:PutReplicationConfiguration", "s3:PutBucketObjectLockConfiguration"),
    "Ops": ("s3:PutReplicationConfiguration",),
    "Audit": ("s3:BypassGovernanceRetention",),
}
# What reads and writes objects. The source rule leaves the bucket's own settings out: who may change them must be able
# to mend this very policy from anywhere.
OBJECTS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:PutObject",
)


def never(bucket: MemoryBucket) -> Statement:
    """What nobody may do, without a condition: any server with bucket policies can keep it."""
    return _deny("Never", NEVER[bucket.spec.purpose], [_arn(bucket)])


def tls(bucket: MemoryBucket) -> Statement:
    """Nothing without TLS."""
    return _deny("Tls", ("s3:*",), [_arn(bucket), _arn(bucket, "*")], {"Bool": {"aws:SecureTransport": "false"}})


def sources(bucket: MemoryBucket) -> Statement | None:
    """Objects from the declared places only, or by a break-glass principal; None where no place is declared.

    One statement: conditions must all hold for it to bite, so either place lets in. (A request through a VPC endpoint
    has no `aws:SourceIp`, one from elsewhere no `aws:SourceVpce`; a missing key fulfils each `Not...` operator.)
    """
    policy = bucket.spec.policy
    condition: dict[str, dict[str, list[str]]] = {}
    if policy.source_vpc_endpoints:
        condition["StringNotEquals"] = {"aws:SourceVpce": sorted(policy.source_vpc_endpoints)}
    if policy.source_cidrs:
        condition["NotIpAddress"] = {"aws:SourceIp": sorted(policy.source_cidrs)}
    if not condition:
        return None
    condition["StringNotLike"] = _spared(policy.break_glass_principals)
    return _deny("Sources", OBJECTS, [_arn(bucket, "*")], condition)


def _spared(principals: Iterable[str]) -> dict[str, list[str]]:
    """An ARN is AWS's form; other servers know their users by name."""
    arns = sorted(name for name in principals if name.startswith("arn:"))
    names = sorted(name for name in principals if not name.startswith("arn:"))
    return ({"aws:PrincipalArn": arns} if arns else {}) | ({"aws:username": names} if names else {})


def trial(bucket: MemoryBucket, statement: Statement, *, over_tls: bool) -> list[Statement]:
    """Statements that speak of three keys without objects, to see what the server makes of conditions.

    `bites` must deny us (its condition holds), `passes` must not, and `spares` has the condition of `statement`: it
    denies us exactly if `statement` would.
    """
    holds, fails = ("true", "false") if over_tls else ("false", "true")
    conditions = {
        "bites": {"Bool": {"aws:SecureTransport": holds}},
        "passes": {"Bool": {"aws:SecureTransport": fails}},
        "spares": statement["Condition"],
    }
    return [
        _deny(f"Trial{name.capitalize()}", ("s3:GetObject",), [_arn(bucket, probe_key(name))], condition)
        for name, condition in conditions.items()
    ]


def probe_key(name: str) -> str:
    """The key that a trial statement speaks of."""
    return f"{PROBE}/{name}"


def document(found: Mapping[str, Any] | None, ours: Sequence[Statement]) -> dict[str, Any] | None:
    """The policy with exactly these statements of ours, others' kept as they are; None: no policy at all."""
    statements = [*foreign(found), *ours]
    if not statements:
        return None
    kept = {name: value for name, value in (found or {}).items() if name not in ("Version", "Statement")}
    return {"Version": (found or {}).get("Version", VERSION), **kept, "Statement": statements}


def foreign(found: Mapping[str, Any] | None) -> list[Statement]:
    """Somebody else's statements."""
    return [statement for statement in _statements(found) if not _is_ours(statement)]


def ours(found: Mapping[str, Any] | None) -> list[Statement]:
    """The operator's own."""
    return [statement for statement in _statements(found) if _is_ours(statement)]


def same(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two policies say the same: servers write one value for a list of one, and lists in any order."""
    return _plain(one) == _plain(other)


def _statements(found: Mapping[str, Any] | None) -> list[Statement]:
    listed = (found or {}).get("Statement") or []
    return [listed] if isinstance(listed, dict) else list(listed)


def _is_ours(statement: Mapping[str, Any]) -> bool:
    return str(statement.get("Sid", "")).startswith(OURS)


def _deny(
    sid: str, actions: Iterable[str], resources: list[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    made: Statement = {
        "Sid": OURS + sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": sorted(actions),
        "Resource": resources,
    }
    return made | ({"Condition": dict(condition)} if condition else {})


def _arn(bucket: MemoryBucket, keys: str = "") -> str:
    region = bucket.spec.region
    partition = next((name for prefix, name in PARTITIONS.items() if region.startswith(prefix)), "aws")
    return f"arn:{partition}:s3:::{bucket.bucket_name}" + (f"/{keys}" if keys else "")


def _plain(found: Mapping[str, Any] | None) -> list[str]:
    return sorted(json.dumps(_canonical(statement), sort_keys=True) for statement in _statements(found))


def _canonical(value: Any) -> Any:
    """`"x"` as `["x"]`, lists sorted, `{"AWS": "*"}` as `*`."""
    if isinstance(value, Mapping):
        if set(value) == {"AWS"} and value["AWS"] in ("*", ["*"]):
            return ["*"]
        return {name: _canonical(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return sorted(str(inner) for inner in value)
    return [str(value)]
