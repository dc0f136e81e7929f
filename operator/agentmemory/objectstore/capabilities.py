"""What a server can do, by its own answers and never by its name.

A part that can be read is taken for Supported until a write is refused. Conditions of bucket policies are Supported only
when their effect was seen: some servers take every Deny as unconditional, others look at no policy for some identities.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agentmemory.objectstore.errors import Unsupported
from agentmemory.objectstore.model import BucketView, Capability, Missing, Presence
from agentmemory.objectstore.store import ObjectStore

Part = Literal[
    "Tags", "Encryption", "Versioning", "PublicAccessBlock", "Ownership", "Lifecycle", "ObjectLock", "Policy"
]
PARTS: dict[Part, str] = {
    "Tags": "tags",
    "Encryption": "encryption",
    "Versioning": "versioning",
    "PublicAccessBlock": "public_access_block",
    "Ownership": "ownership",
    "Lifecycle": "lifecycle",
    "ObjectLock": "object_lock",
    "Policy": "policy",
}
"""The parts of a bucket and the fields of BucketView that hold them."""
ConditionKey = Literal["aws:SecureTransport", "aws:SourceIp", "aws:SourceVpce", "aws:PrincipalArn"]
PREFIX = ".agentmemory-probe"
"""Of the keys that probes speak of. No object is ever there."""
SID = "AgentMemoryProbe"
"""How the statements of a probe begin, so that one that a crash left behind is known."""
WORDS = 512


@dataclass(frozen=True)
class _Test:
    """A condition that holds for nobody, and one that holds for everybody."""

    never: Mapping[str, Any]
    always: Mapping[str, Any]


_NOBODY_ADDRESS = ["192.0.2.1/32"]  # RFC 5737: for documentation, nobody has it
_NOBODY_ENDPOINT = ["vpce-00000000000000000"]
_NOBODY = ["arn:aws:iam::000000000000:user/agentmemory-nobody"]


def _test_of(key: ConditionKey, tls: bool) -> _Test:
    tests: dict[ConditionKey, _Test] = {
        "aws:SecureTransport": _Test(
            {"Bool": {"aws:SecureTransport": str(not tls).lower()}},
            {"Bool": {"aws:SecureTransport": str(tls).lower()}},
        ),
        "aws:SourceIp": _Test(
            {"IpAddress": {"aws:SourceIp": _NOBODY_ADDRESS}},
            {"NotIpAddress": {"aws:SourceIp": _NOBODY_ADDRESS}},
        ),
        "aws:SourceVpce": _Test(
            {"StringEquals": {"aws:SourceVpce": _NOBODY_ENDPOINT}},
            {"StringNotEquals": {"aws:SourceVpce": _NOBODY_ENDPOINT}},
        ),
        "aws:PrincipalArn": _Test(
            {"ArnEquals": {"aws:PrincipalArn": _NOBODY}},
            {"ArnNotEquals": {"aws:PrincipalArn": _NOBODY}},
        ),
    }
    return tests[key]


def condition_name(key: str) -> str:
    """The capability's name of a condition key: `PolicyCondition/aws:SourceIp`."""
    return f"PolicyCondition/{key}"


def of_parts(view: BucketView) -> tuple[Capability, ...]:
    """Which parts the server has, as reading a bucket showed."""
    return tuple(_of_part(name, getattr(view, field)) for name, field in PARTS.items())


def _of_part(name: str, value: object) -> Capability:
    if isinstance(value, Missing):
        return Capability(name, "Missing", value.reason[:WORDS])
    return Capability(name, "Supported")


def lacking(name: str, error: Unsupported) -> Capability:
    """What a refused write showed."""
    return Capability(name, "Missing", error.message[:WORDS])


def without_probes(policy: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The policy without statements of a probe; None when nothing is left."""
    if policy is None:
        return None
    kept = [one for one in _statements(policy) if not str(one.get("Sid", "")).startswith(SID)]
    return {**policy, "Statement": kept} if kept else None


def _statements(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = policy.get("Statement", [])
    return [found] if isinstance(found, Mapping) else list(found)


async def probe_conditions(
    store: ObjectStore, bucket: str, policy: Mapping[str, Any] | None, keys: Iterable[ConditionKey], tls: bool
) -> tuple[Capability, ...]:
    """Whether the server evaluates these condition keys; for a bucket of ours only.

    `policy` is the bucket's own, which holds all the while and stands alone again afterwards; `tls` tells whether we
    talk to the server by TLS. For some seconds statements that deny reading two keys below PREFIX are beside it.
    Nothing else is written, and no object. Raises what the store's calls raise, but Unsupported.
    """
    own = without_probes(policy)
    found: list[Capability] = []
    try:
        for key in keys:
            found.append(await _probe(store, bucket, own, key, tls))
    finally:
        await asyncio.shield(_restore(store, bucket, own))
    return tuple(found)


async def _restore(store: ObjectStore, bucket: str, policy: Mapping[str, Any] | None) -> None:
    try:
        await (store.delete_policy(bucket) if policy is None else store.put_policy(bucket, policy))
    except Unsupported:
        return  # no policy of ours was taken either


async def _probe(
    store: ObjectStore, bucket: str, own: Mapping[str, Any] | None, key: ConditionKey, tls: bool
) -> Capability:
    name, folder = condition_name(key), f"{PREFIX}/{key.replace(':', '-')}"
    test = _test_of(key, tls)
    added = [_deny(bucket, f"{folder}/{which}", getattr(test, which), which) for which in ("never", "always")]
    base = own or {"Version": "2012-10-17", "Statement": []}
    try:
        await store.put_policy(bucket, {**base, "Statement": [*_statements(base), *added]})
    except Unsupported as exc:
        return lacking(name, exc)
    looks = {which: await store.look(bucket, f"{folder}/{which}") for which in ("control", "never", "always")}
    return _verdict(name, looks)


def _deny(bucket: str, key: str, condition: Mapping[str, Any], which: str) -> Mapping[str, Any]:
    return {
        "Sid": f"{SID}{which.capitalize()}",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/{key}",
        "Condition": condition,
    }


def _verdict(name: str, looks: Mapping[str, Presence]) -> Capability:
    """`control` is a key that no statement names."""
    if looks["control"] == "Denied":
        return Capability(name, "Unknown", "this identity may not read objects (s3:GetObject, s3:ListBucket)")
    if looks["never"] == "Denied":
        return Capability(
            name, "Missing", "a Deny whose condition holds for nobody kept us out: conditions are ignored"
        )
    if looks["always"] != "Denied":
        return Capability(
            name,
            "Unknown",
            "a Deny whose condition holds for everybody did not keep us out: policies do not hold for this identity, "
            "or do not hold yet",
        )
    return Capability(name, "Supported", "a Deny kept us out exactly where its condition holds")
