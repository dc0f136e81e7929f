"""Settings and their differences: by tables."""

from typing import Any

import pytest

from agentmemory.api.types import Duration
from agentmemory.buckets import access, desired, drift
from agentmemory.buckets.drift import AWS_EVALUATES, SEEN, Conditions, Part
from agentmemory.objectstore.model import (
    BucketView,
    Encryption,
    LifecycleRule,
    Missing,
    ObjectLock,
    PublicAccessBlock,
)

from .worlds import MARK, around, bucket, view

ABORT = LifecycleRule(desired.ABORT_RULE, abort_days=7)
EXPIRE = LifecycleRule(desired.EXPIRE_RULE, expire_days=14)
THEIRS = LifecycleRule("theirs", prefix="tmp/", expire_days=1)
COLD = LifecycleRule("cold", others=("Transitions",))
ABORTS = LifecycleRule("aborts", abort_days=1)
YES = Conditions("Supported", SEEN)


@pytest.mark.parametrize(("text", "days"), [("24h", 1), ("25h", 2), ("168h", 7), ("167h59m", 7)])
def test_days_are_rounded_up(text: str, days: int) -> None:
    assert desired.days(Duration(text)) == days


def test_ours_and_the_users_tags_go_over_those_found() -> None:
    found = desired.tags(bucket(tags={"team": "memory"}), {"team": "x", "theirs": "1", **MARK})
    assert found == {"team": "memory", "theirs": "1", **MARK}


@pytest.mark.parametrize(
    ("declared", "found", "good"),
    [
        ({}, Encryption("AES256"), True),
        ({}, Encryption("AES256", bucket_key=True), True),
        ({}, None, False),
        ({}, Encryption("aws:kms", "k", bucket_key=True), False),
        ({"type": "None"}, None, True),
        ({"type": "None"}, Encryption("aws:kms", "k"), True),
        ({"type": "SSE-KMS", "kmsKeyId": "k"}, Encryption("aws:kms", "k", bucket_key=True), True),
        ({"type": "SSE-KMS", "kmsKeyId": "k"}, Encryption("aws:kms", "k"), False),
        ({"type": "SSE-KMS", "kmsKeyId": "k", "bucketKey": False}, Encryption("aws:kms", "k"), True),
        ({"type": "SSE-KMS", "kmsKeyId": "k"}, Encryption("aws:kms", "j", bucket_key=True), False),
        ({"type": "SSE-KMS", "kmsKeyId": "k"}, Encryption("aws:kms:dsse", "k", bucket_key=True), False),
    ],
)
def test_encryption(declared: dict[str, Any], found: Encryption | None, good: bool) -> None:
    assert is_good("Encryption", view(encryption=found), encryption=declared) is good


@pytest.mark.parametrize(
    ("purpose", "found", "wanted"),
    [
        ("Data", "Disabled", None),
        ("Data", "Suspended", None),
        ("Data", "Enabled", False),
        ("Ops", "Enabled", None),
        ("Audit", "Enabled", None),
        ("Audit", "Disabled", True),
        ("Audit", "Suspended", True),
    ],
)
def test_versioning(purpose: str, found: Any, wanted: bool | None) -> None:
    assert desired.versioning(bucket(purpose=purpose), found) is wanted


@pytest.mark.parametrize(
    ("spec", "found", "wanted"),
    [
        ({}, (), (ABORT,)),
        ({}, (THEIRS, ABORTS, COLD), (ABORT, ABORTS)),
        ({}, (LifecycleRule("off", enabled=False, expire_days=1),), (ABORT,)),
        ({"purpose": "Ops"}, (THEIRS, EXPIRE), (ABORT, THEIRS)),
        ({"purpose": "Ops", "lifecycle": {"expireAfter": "336h"}}, (THEIRS,), (ABORT, EXPIRE, THEIRS)),
        ({"purpose": "Audit"}, (COLD,), (ABORT, COLD)),
    ],
)
def test_lifecycle(spec: dict[str, Any], found: Any, wanted: Any) -> None:
    assert desired.lifecycle(bucket(**spec), found) == wanted


def test_others_rules_that_cannot_be_written_back_are_not_written_over() -> None:
    part = found_part("Lifecycle", view(lifecycle=(COLD,)), purpose="Ops")
    assert part.repair is None
    assert "cold" in part.unwritten
    assert is_good("Lifecycle", view(lifecycle=(COLD, ABORT)), purpose="Ops")
    assert not is_good("Lifecycle", view(lifecycle=(COLD, ABORT)))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Tags", {"tags": {}}),
        ("PublicAccessBlock", {"public_access_block": None}),
        ("PublicAccessBlock", {"public_access_block": PublicAccessBlock(restrict_public_buckets=False)}),
        ("Ownership", {"ownership": None}),
        ("Ownership", {"ownership": "ObjectWriter"}),
        ("Versioning", {"versioning": "Enabled"}),
        ("Lifecycle", {"lifecycle": ()}),
        ("Policy", {"policy": None}),
        ("Policy", {"policy": {"Statement": []}}),
    ],
)
def test_a_difference_has_a_call_that_mends_it(name: str, parts: dict[str, Any]) -> None:
    found = drift.parts(around(bucket()), good(**parts), YES)
    assert [part.name for part in found if part.repair is not None] == [name]


def test_what_is_as_declared_needs_no_call() -> None:
    assert [part for part in drift.parts(around(bucket()), good(), YES) if part != Part(part.name)] == []


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Tags", "tags"),
        ("PublicAccessBlock", "public_access_block"),
        ("Ownership", "ownership"),
        ("Encryption", "encryption"),
        ("Versioning", "versioning"),
        ("Lifecycle", "lifecycle"),
        ("ObjectLock", "object_lock"),
        ("Policy", "policy"),
    ],
)
def test_what_the_server_lacks_is_said_in_its_words(name: str, field: str) -> None:
    assert found_part(name, view(**{field: Missing("501 NotImplemented")})) == Part(name, lacks="501 NotImplemented")


def test_what_was_refused_before_is_not_asked_again() -> None:
    found = drift.without((Part("Policy", lambda store: store.delete_policy("x")), Part("Tags")), {"Policy": "no"})
    assert found == (Part("Policy", lacks="no"), Part("Tags"))


@pytest.mark.parametrize(
    ("lock", "found", "good_as_it_is", "note"),
    [
        (None, None, True, ""),
        (None, ObjectLock("GOVERNANCE", 1), True, "Object Lock is on though"),
        ({"mode": "Governance", "days": 5}, ObjectLock("GOVERNANCE", 5), True, ""),
        ({"mode": "Governance", "days": 5}, ObjectLock("GOVERNANCE", 4), False, ""),
        ({"mode": "Compliance", "days": 5}, ObjectLock("GOVERNANCE", 5), False, ""),
        ({"mode": "Compliance", "days": 5}, ObjectLock(), False, ""),
        ({"mode": "Compliance", "days": 5}, None, False, ""),
    ],
)
def test_object_lock(lock: Any, found: Any, good_as_it_is: bool, note: str) -> None:
    part = found_part("ObjectLock", view(object_lock=found), purpose="Audit", objectLock=lock)
    assert (part.repair is None) is good_as_it_is
    assert part.note.startswith(note)


WALLED = {"sourceCidrs": ["10.0.0.0/8"], "breakGlassPrincipals": ["arn:aws:iam::1:role/r"]}
HTTP = {"endpoint": "http://s3.storage.svc"}


@pytest.mark.parametrize(
    ("spec", "conditions", "sids"),
    [
        ({}, YES, ["Never", "Tls"]),
        ({"policy": WALLED}, YES, ["Never", "Tls", "Sources"]),
        ({"policy": WALLED | {"requireTls": False}}, YES, ["Never", "Sources"]),
        ({"policy": WALLED}, Conditions("Supported", SEEN, locks_out=True), ["Never"]),
        ({"policy": WALLED}, Conditions("Missing", "x"), ["Never"]),
        ({}, Conditions("Unknown", "x"), ["Never"]),
        ({"s3": HTTP}, YES, ["Never"]),
    ],
)
def test_conditions_are_written_only_where_they_are_known_to_count(
    spec: dict[str, Any], conditions: Conditions, sids: list[str]
) -> None:
    found = drift.statements(around(bucket(**spec)), conditions)
    assert [one["Sid"] for one in found] == [access.OURS + sid for sid in sids]


AWS: dict[str, Any] = {"s3": {}}


@pytest.mark.parametrize(
    ("spec", "policy", "known", "assumed"),
    [
        ({}, None, None, None),
        ({}, None, YES, YES),
        ({}, Missing("501"), None, Conditions("Missing", "the server has no bucket policies")),
        ({}, "in place", None, YES),
        ({"s3": HTTP}, None, None, Conditions()),
        (AWS, None, None, Conditions("Supported", AWS_EVALUATES)),
        (AWS | {"policy": WALLED}, None, None, None),
        (AWS | {"policy": WALLED}, "in place", None, Conditions("Supported", AWS_EVALUATES)),
    ],
)
def test_what_is_known_of_conditions_without_a_trial(spec: Any, policy: Any, known: Any, assumed: Any) -> None:
    world = around(bucket(**spec))
    there = access.document(None, drift.statements(world, YES)) if policy == "in place" else policy
    assert drift.assumed(world, view(policy=there), known) == assumed


def good(**parts: Any) -> BucketView:
    """All as declared, the policy too."""
    policy = access.document(None, drift.statements(around(bucket()), YES))
    return view(**({"policy": policy} | parts))


def found_part(name: str, seen: BucketView, **spec: Any) -> Part:
    parts = drift.parts(around(bucket(**spec)), seen, YES)
    return next(part for part in parts if part.name == name)


def is_good(name: str, seen: BucketView, **spec: Any) -> bool:
    part = found_part(name, seen, **spec)
    return part.repair is None and not part.lacks
