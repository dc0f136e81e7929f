"""Whether a bucket can be had as it is declared: pure checks, before and after the server was asked."""

from collections.abc import Callable
from typing import Literal

from agentmemory.api.conditions import Phase, progressing, refused, stalled
from agentmemory.api.labels import GROUP
from agentmemory.api.memorybucket import MemoryBucket
from agentmemory.buckets.world import World
from agentmemory.domain.aws import host_region, location_region
from agentmemory.objectstore.model import BucketView, Missing, ObjectLock

OWNER_TAG = f"{GROUP}/bucket"
"""Tag: `<namespace>/<name>` of the MemoryBucket that has the bucket."""
UID_TAG = f"{GROUP}/uid"
"""Tag: that object's uid."""
WITH_LOCK = "Audit"
Check = Callable[[World], Phase | None]


def owner_mark(bucket: MemoryBucket) -> str:
    """The value of OWNER_TAG."""
    return f"{bucket.metadata.namespace}/{bucket.metadata.name}"


def bucket_is_free(world: World) -> Phase | None:
    """Two objects of one bucket would undo each other's settings for ever."""
    if world.rival is None:
        return None
    return refused(
        "BucketTaken",
        f"MemoryBucket {world.rival.namespace}/{world.rival.name} has bucket {world.bucket.bucket_name} of the same "
        "server already; use that one, or write another spec.bucketName into a new object",
    )


def endpoint_is_of_region(world: World) -> Phase | None:
    """A host of AWS names its region."""
    endpoint, region = world.bucket.spec.s3.endpoint, world.bucket.spec.region
    if endpoint is None:
        return None
    found = host_region(_host(endpoint))
    if found is None or found == region:
        return None
    return refused(
        "RegionMismatch",
        f"spec.s3.endpoint {endpoint} serves {found}, and spec.region says {region}; leave the endpoint out "
        "(AWS's own of the region), or name the region's",
    )


def policy_lets_us_in(world: World) -> Phase | None:
    """The operator itself speaks to the server by this endpoint."""
    asked = "policy" in world.bucket.spec.model_fields_set and world.bucket.spec.policy.require_tls
    if world.over_tls or not asked:
        return None
    return refused(
        "PolicyLocksOut",
        f"spec.policy.requireTls would lock out whoever uses spec.s3.endpoint {world.bucket.spec.s3.endpoint}, the "
        "operator too; write https:// there, or spec.policy.requireTls: false",
    )


CHECKS: tuple[Check, ...] = (bucket_is_free, endpoint_is_of_region, policy_lets_us_in)


def judge(world: World) -> Phase | None:
    """The first finding of CHECKS, or None when the server can be asked."""
    return next((found for check in CHECKS if (found := check(world)) is not None), None)


Holding = Literal["Ours", "Free", "Another", "TakenOver"]


def holding(world: World, view: BucketView) -> Holding:
    """Whose the bucket is, by its tags; without a tag, by whether this object has had it before.

    Free also covers what has no tag and is not empty: whether that may be taken is for `judge_found` to say.
    """
    bucket = world.bucket
    tags = {} if isinstance(view.tags, Missing) else view.tags
    mark = tags.get(OWNER_TAG)
    if mark is None:
        return "Ours" if world.established else "Free"
    if mark != owner_mark(bucket):
        return "Another"
    if tags.get(UID_TAG, bucket.metadata.uid) != bucket.metadata.uid and world.established:
        return "TakenOver"
    return "Ours"


def judge_absent(world: World) -> Phase | None:
    """What is in the way of making the bucket that is not there."""
    bucket = world.bucket
    if world.established:
        return stalled(
            "BucketLost",
            f"bucket {bucket.bucket_name} is gone, with all that was in it; restore it, or delete this object and "
            "create it again to begin with an empty one",
        )
    if bucket.spec.creation == "Adopt":
        return progressing(
            "BucketNotFound",
            f"bucket {bucket.bucket_name} does not exist, and spec.creation Adopt makes none; create it, or write "
            "spec.creation: CreateOrAdopt",
        )
    return None


def judge_found(world: World, view: BucketView) -> Phase | None:
    """Why the bucket that is there cannot be this object's; nothing has been changed in it yet."""
    return _owner(world, view) or _region(world, view) or _lock(world, view) or _content(world, view)


def _owner(world: World, view: BucketView) -> Phase | None:
    whose, tags = holding(world, view), {} if isinstance(view.tags, Missing) else view.tags
    if whose == "Another":
        return stalled(
            "BucketOwnedByAnother",
            f"bucket {view.name} belongs to MemoryBucket {tags[OWNER_TAG]} by its tag {OWNER_TAG}; choose another "
            "spec.bucketName in a new object, or take the tag off if nobody uses the bucket any more",
        )
    if whose == "TakenOver":
        return stalled(
            "BucketTakenOver",
            f"bucket {view.name} was taken by another object of this name (tag {UID_TAG}), as another Kubernetes "
            "cluster may have; nothing is changed in it: take the tag off if it is to be this object's",
        )
    return None


def _region(world: World, view: BucketView) -> Phase | None:
    wanted = world.bucket.spec.region
    if location_region(view.region) == location_region(wanted):
        return None
    return refused(
        "RegionMismatch",
        f"bucket {view.name} is in {view.region}, and spec.region says {wanted}; a bucket cannot move: make a new "
        "object with the region where the bucket is, or with another spec.bucketName",
    )


def _lock(world: World, view: BucketView) -> Phase | None:
    purpose = world.bucket.spec.purpose
    if purpose == WITH_LOCK or not isinstance(view.object_lock, ObjectLock):
        return None
    return refused(
        "ObjectLockOnData",
        f"bucket {view.name} has Object Lock, which cannot be taken off and is for purpose {WITH_LOCK} only: what an "
        f"engine deletes from a bucket of purpose {purpose} would stay for ever, and nobody's data could be erased; "
        "take a bucket without it",
    )


def _content(world: World, view: BucketView) -> Phase | None:
    if holding(world, view) == "Ours":
        return None
    mark = f"tag it {OWNER_TAG}={owner_mark(world.bucket)} to give it to this object with what is in it"
    if world.bucket.spec.creation == "Create" and not world.begun:
        return refused(
            "BucketExists",
            f"bucket {view.name} exists already, and spec.creation Create takes none that is there; write "
            f"spec.creation: CreateOrAdopt, or {mark}",
        )
    if view.is_empty:
        return None
    return refused(
        "BucketNotEmpty",
        f"bucket {view.name} exists, is not empty and has no tag of ours; empty it, or {mark}"
        + ("; its server keeps no tags" if isinstance(view.tags, Missing) else ""),
    )


def _host(endpoint: str) -> str:
    return endpoint.partition("://")[2].partition(":")[0]
