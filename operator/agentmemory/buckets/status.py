"""A MemoryBucket's status from what was seen. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from agentmemory.api.base import EnforcementEntry
from agentmemory.api.conditions import Phase, ready, refused, stalled, to_conditions
from agentmemory.api.enforcement import enforced, to_list, unsupported, unverified
from agentmemory.buckets.drift import CONDITIONS, Conditions, Part
from agentmemory.buckets.world import World
from agentmemory.domain.aws import location_region
from agentmemory.objectstore.model import BucketView

Object = dict[str, Any]
LOCKS_OUT = "PolicyLocksOut"
OWN_ACCESS = "OwnAccess"
"""The capability that stands in the status, as Missing, while the declared policy would lock the operator out."""
_LONGEST = 512


def of_trouble(obj: Mapping[str, Any], world: World | None, phase: Phase, now: datetime) -> Object:
    """When the bucket was not looked at, or is not ours: the conditions and who uses it; all else as it was."""
    before, generation = obj.get("status") or {}, obj["metadata"].get("generation", 0)
    made: Object = {
        **before,
        "observedGeneration": generation,
        "conditions": to_conditions(phase, before.get("conditions") or [], generation, now),
    }
    if before.get("observedGeneration") != generation:
        made.pop("capabilities", None)  # what was found out belongs to the declaration that it was found out for
    if world is None:
        return made
    return _used_by(made | {"bucketName": world.bucket.bucket_name}, world)


def begun(obj: Mapping[str, Any], world: World, phase: Phase, now: datetime) -> Object:
    """Before the bucket is made: from here on it is known that it was not there before this object."""
    return of_trouble(obj, world, phase, now) | {"adopted": False}


def of_bucket(
    obj: Mapping[str, Any],
    world: World,
    view: BucketView,
    parts: Iterable[Part],
    conditions: Conditions,
    phase: Phase,
    now: datetime,
) -> Object:
    """The complete status once the bucket is ours and was looked at."""
    found, status = [*parts], world.bucket.status
    return of_trouble(obj, world, phase, now) | {
        "region": location_region(view.region),
        "adopted": True if status.adopted is None else status.adopted,
        "capabilities": capabilities(found, conditions),
        "enforcement": to_list(enforcement(world, found, conditions)),
    }


def _used_by(made: Object, world: World) -> Object:
    rest = {name: value for name, value in made.items() if name != "usedBy"}
    return rest | ({"usedBy": [*world.used_by[:16]]} if world.used_by else {})


def capabilities(parts: Iterable[Part], conditions: Conditions) -> list[Object]:
    """One entry for each part, and one for conditions; sorted by name."""
    entries = [_capability(part.name, "Missing" if part.lacks else "Supported", part.lacks) for part in parts]
    entries.append(_capability(CONDITIONS, conditions.state, conditions.reason))
    if conditions.locks_out:
        entries.append(_capability(OWN_ACCESS, "Missing", "the policy as it is declared denies the operator itself"))
    return sorted(entries, key=lambda entry: str(entry["name"]))


def _capability(name: str, state: str, reason: str) -> Object:
    return {"name": name, "state": state, "reason": reason[:_LONGEST]}


def refused_before(obj: Mapping[str, Any]) -> dict[str, str]:
    """Parts that the server lacked when this generation was last looked at, with its words."""
    return {entry["name"]: entry.get("reason", "") for entry in _known(obj) if entry["state"] == "Missing"}


def conditions_before(obj: Mapping[str, Any]) -> Conditions | None:
    """What was found out about conditions for this generation."""
    known = {entry["name"]: entry for entry in _known(obj)}
    if CONDITIONS not in known:
        return None
    return Conditions(known[CONDITIONS]["state"], known[CONDITIONS].get("reason", ""), OWN_ACCESS in known)


def was_looked_at(obj: Mapping[str, Any]) -> bool:
    """Whether the bucket has been as declared, or told why not, since the declaration last changed."""
    return bool(_known(obj))


def _known(obj: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    status = obj.get("status") or {}
    if status.get("observedGeneration") != obj["metadata"].get("generation"):
        return []
    return list(status.get("capabilities") or ())


def phase_of(world: World, parts: Iterable[Part], conditions: Conditions) -> Phase:
    """How it stands once everything that can be mended is."""
    found, name = {part.name: part for part in parts}, world.bucket.bucket_name
    if conditions.locks_out:
        return locked_out(world)
    wanting = [part.name for part in found.values() if part.repair is not None]
    if wanting:
        return stalled(
            "SettingsNotKept",
            f"bucket {name} does not keep what was written: {', '.join(wanting)}; look for who else changes it, or "
            "whether its server takes these settings",
        )
    if world.bucket.spec.object_lock is not None and found["ObjectLock"].lacks:
        return stalled(
            "ObjectLockMissing",
            f"bucket {name} cannot lock objects ({found['ObjectLock'].lacks}); take a server that can, or a bucket "
            "that was made with Object Lock",
        )
    lacking = sorted(part.name for part in found.values() if part.lacks)
    left = [f"{part.name} is left as it is: {part.unwritten}" for part in found.values() if part.unwritten]
    words = [f"bucket {name} is as declared", *([f"its server lacks {', '.join(lacking)}"] if lacking else []), *left]
    return ready("; ".join(words))


def locked_out(world: World) -> Phase:
    """The policy is good for whoever wrote it, and shuts out the operator."""
    named = ", ".join(world.bucket.spec.policy.break_glass_principals)
    return refused(
        LOCKS_OUT,
        f"spec.policy would lock the operator out of bucket {world.bucket.bucket_name}: a trial of its conditions on a "
        f"key of its own was denied, so it was not written; spec.policy.breakGlassPrincipals names {named}: add the "
        "operator's own identity (its role's ARN on AWS, its user's name elsewhere), or a source that it comes from",
    )


def enforcement(world: World, parts: Iterable[Part], conditions: Conditions) -> list[EnforcementEntry]:
    """What becomes of each declaration."""
    found, spec = {part.name: part for part in parts}, world.bucket.spec
    entries = [
        enforced("spec.region", "GetBucketLocation", "a bucket cannot move"),
        _entry("spec.purpose.publicAccess", "the four switches of the public access block", found["PublicAccessBlock"]),
        _entry("spec.purpose.ownership", "BucketOwnerEnforced: no access lists", found["Ownership"]),
        _entry("spec.purpose.policy", "Deny of what would undo the purpose, for everybody", found["Policy"]),
        _entry("spec.tags", "bucket tags; those of others stay", found["Tags"]),
        _entry(
            "spec.lifecycle.abortIncompleteMultipartUploads",
            "lifecycle rule agent-memory-abort-multipart",
            found["Lifecycle"],
        ),
        enforced(
            "spec.deletionPolicy",
            "the bucket stays when this object goes"
            if spec.deletion_policy == "Retain"
            else "a finalizer; never while a cluster uses the bucket",
        ),
    ]
    if spec.purpose != "Ops":
        kept = "off" if spec.purpose == "Data" else "on"
        entries.append(_versioning(f"versioning {kept}", found["Versioning"], data=spec.purpose == "Data"))
    if spec.encryption.type != "None":
        entries.append(_entry("spec.encryption", f"default encryption {spec.encryption.type}", found["Encryption"]))
    if spec.lifecycle.expire_after is not None:
        entries.append(_entry("spec.lifecycle.expireAfter", "lifecycle rule agent-memory-expire", found["Lifecycle"]))
    if spec.object_lock is not None:
        entries.append(_entry("spec.objectLock", "Object Lock with a default retention", found["ObjectLock"]))
    return entries + _conditional(world, found["Policy"], conditions)


def _entry(path: str, mechanism: str, part: Part) -> EnforcementEntry:
    if part.lacks:
        return unsupported(path, f"{part.name}: {part.lacks}"[:1024])
    if part.repair is not None:
        return unverified(path, mechanism, "it was written and the server does not show it")
    if part.unwritten:
        return unverified(path, mechanism, part.unwritten[:1024])
    return enforced(path, mechanism, part.note)


def _versioning(mechanism: str, part: Part, *, data: bool) -> EnforcementEntry:
    """A server without versioning keeps it off by that."""
    path = "spec.purpose.versioning"
    return enforced(path, "the server has no versioning") if data and part.lacks else _entry(path, mechanism, part)


def _conditional(world: World, part: Part, conditions: Conditions) -> list[EnforcementEntry]:
    policy = world.bucket.spec.policy
    entries = []
    if policy.require_tls and not world.over_tls:
        why = "the endpoint is plain http inside the Kubernetes cluster: who reaches the network can read along"
        entries.append(unsupported("spec.policy.requireTls", why))
    elif policy.require_tls:
        entries.append(_of_policy("spec.policy.requireTls", "Deny with aws:SecureTransport", part, conditions))
    if policy.source_vpc_endpoints:
        entries.append(_of_policy("spec.policy.sourceVpcEndpoints", "Deny with aws:SourceVpce", part, conditions))
    if policy.source_cidrs:
        entries.append(_of_policy("spec.policy.sourceCidrs", "Deny with aws:SourceIp", part, conditions))
    return entries


def _of_policy(path: str, mechanism: str, part: Part, conditions: Conditions) -> EnforcementEntry:
    if conditions.locks_out:
        return unverified(path, mechanism, "not written: it would lock the operator out")
    if conditions.state == "Supported":
        return _entry(path, mechanism, part)
    why = f"not written, since a Deny whose condition is passed over would shut out everybody: {conditions.reason}"
    return unsupported(path, why[:1024]) if conditions.state == "Missing" else unverified(path, mechanism, why[:1024])
