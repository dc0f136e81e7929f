"""What of a bucket is not as declared, part by part, and the one call that mends each. Pure: calls are made later."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from agentmemory.api.memorybucket import MemoryBucket
from agentmemory.buckets import access, desired
from agentmemory.buckets.world import World
from agentmemory.objectstore.model import BucketView, Missing, ObjectLock, State
from agentmemory.objectstore.store import ObjectStore

Repair = Callable[[ObjectStore], Awaitable[None]]
CONDITIONS = "PolicyConditions"
"""The capability: a condition in a policy's statement decides whether it bites."""
AWS_EVALUATES = "AWS's own service"


@dataclass(frozen=True)
class Conditions:
    """What is known of the server's way with conditions, and whether our own statement would keep us out."""

    state: State = "Unknown"
    reason: str = "no condition is needed so far"
    locks_out: bool = False


@dataclass(frozen=True)
class Part:
    """One part of the bucket. `repair` None: it is as declared, or nothing can be done about it (`lacks` says why)."""

    name: str
    repair: Repair | None = None
    lacks: str = ""
    """Why the part cannot be had, in the server's words or ours."""
    unwritten: str = ""
    """Why what differs was left as it is."""
    note: str = ""
    """What is worth knowing although the part is as declared."""


def parts(world: World, view: BucketView, conditions: Conditions) -> tuple[Part, ...]:
    """All parts, in the order in which they are mended: the mark of whose it is first, what may shut out last."""
    bucket = world.bucket
    return (
        _tags(bucket, view),
        _public_access(view),
        _ownership(view),
        _encryption(bucket, view),
        _versioning(bucket, view),
        _lifecycle(bucket, view),
        _object_lock(bucket, view),
        _policy(world, view, conditions),
    )


def without(found: tuple[Part, ...], refused: Mapping[str, str]) -> tuple[Part, ...]:
    """The parts when the server has refused these writes before (name to its words): not asked again."""
    return tuple(
        replace(part, repair=None, lacks=refused[part.name])
        if part.repair is not None and part.name in refused
        else part
        for part in found
    )


def _tags(bucket: MemoryBucket, view: BucketView) -> Part:
    if isinstance(view.tags, Missing):
        return Part("Tags", lacks=view.tags.reason)
    wanted = desired.tags(bucket, view.tags)
    same = wanted == dict(view.tags)
    return Part("Tags", None if same else lambda store: store.put_tags(view.name, wanted))


def _public_access(view: BucketView) -> Part:
    found = view.public_access_block
    if isinstance(found, Missing):
        return Part("PublicAccessBlock", lacks=found.reason)
    if found == desired.PUBLIC_ACCESS:
        return Part("PublicAccessBlock")
    return Part("PublicAccessBlock", lambda store: store.put_public_access_block(view.name, desired.PUBLIC_ACCESS))


def _ownership(view: BucketView) -> Part:
    found = view.ownership
    if isinstance(found, Missing):
        return Part("Ownership", lacks=found.reason)
    if found == desired.OWNERSHIP:
        return Part("Ownership")
    return Part("Ownership", lambda store: store.put_ownership(view.name, desired.OWNERSHIP))


def _encryption(bucket: MemoryBucket, view: BucketView) -> Part:
    found, wanted = view.encryption, desired.encryption(bucket)
    if isinstance(found, Missing):
        return Part("Encryption", lacks=found.reason)
    if wanted is None or desired.encrypted_as(found, wanted):
        return Part("Encryption")
    return Part("Encryption", lambda store: store.put_encryption(view.name, wanted))


def _versioning(bucket: MemoryBucket, view: BucketView) -> Part:
    found = view.versioning
    if isinstance(found, Missing):
        return Part("Versioning", lacks=found.reason)
    wanted = desired.versioning(bucket, found)
    if wanted is not None:
        return Part("Versioning", lambda store: store.put_versioning(view.name, wanted))
    left = bucket.spec.purpose == "Data" and found == "Suspended"
    return Part("Versioning", note="it was on once: old versions stay and cost until they are deleted" if left else "")


def _lifecycle(bucket: MemoryBucket, view: BucketView) -> Part:
    found = view.lifecycle
    if isinstance(found, Missing):
        return Part("Lifecycle", lacks=found.reason)
    wanted = desired.lifecycle(bucket, found)
    if set(wanted) == set(found):
        return Part("Lifecycle")
    if fixed := desired.unwritable(wanted):
        names = ", ".join(fixed)
        return Part("Lifecycle", unwritten=f"somebody's rules would be lost with it: {names}; add ours by hand")
    return Part("Lifecycle", lambda store: store.put_lifecycle(view.name, wanted))


def _object_lock(bucket: MemoryBucket, view: BucketView) -> Part:
    found, wanted = view.object_lock, desired.object_lock(bucket)
    if isinstance(found, Missing):
        return Part("ObjectLock", lacks=found.reason)
    if wanted is None or found == wanted:
        return Part("ObjectLock", note=_unasked(found) if wanted is None else "")
    mode, days = wanted.mode, wanted.days
    assert mode is not None
    assert days is not None
    return Part("ObjectLock", lambda store: store.put_object_lock(view.name, mode, days))


def _unasked(found: ObjectLock | None) -> str:
    return "" if found is None else "Object Lock is on though spec.objectLock does not ask for it"


def _policy(world: World, view: BucketView, conditions: Conditions) -> Part:
    found = view.policy
    if isinstance(found, Missing):
        return Part("Policy", lacks=found.reason)
    wanted = access.document(found, statements(world, conditions))
    if access.same(found, wanted):
        return Part("Policy")
    assert wanted is not None  # there is always a statement of ours
    return Part("Policy", lambda store: store.put_policy(view.name, wanted))


def statements(world: World, conditions: Conditions) -> list[access.Statement]:
    """Ours, with those that have a condition only where the server is known to look at it and lets us in."""
    always = [access.never(world.bucket)]
    if conditions.state != "Supported" or conditions.locks_out:
        return always
    return always + conditional(world)


def conditional(world: World) -> list[access.Statement]:
    """The statements that are asked for and have a condition. Without TLS nobody can be told to use it."""
    bucket = world.bucket
    tls = [access.tls(bucket)] if bucket.spec.policy.require_tls and world.over_tls else []
    sources = access.sources(bucket)
    return tls + ([sources] if sources else [])


def assumed(world: World, view: BucketView, known: Conditions | None) -> Conditions | None:
    """What can be said of conditions without a trial; None: it takes one. `known`: what was found out before."""
    wanted = conditional(world)
    if not wanted:
        return Conditions()
    if isinstance(view.policy, Missing):
        return Conditions("Missing", "the server has no bucket policies")
    in_place = access.document(view.policy, [access.never(world.bucket), *wanted])
    if world.is_aws and (access.sources(world.bucket) is None or access.same(view.policy, in_place)):
        return Conditions("Supported", AWS_EVALUATES)
    if access.same(view.policy, in_place):
        return Conditions("Supported", SEEN)
    return known


SEEN = "seen in a trial: a condition decides whether a statement bites"


def to_try(world: World) -> access.Statement:
    """The statement whose condition the trial takes: the one that could keep us out."""
    return access.sources(world.bucket) or access.tls(world.bucket)
