"""What is told of a bucket: by tables."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agentmemory.api.conditions import progressing, ready
from agentmemory.buckets import status
from agentmemory.buckets.drift import SEEN, Conditions, Part, parts
from agentmemory.buckets.world import World
from agentmemory.objectstore.model import Missing

from .worlds import Object, around, bucket, declared, view

NOW = datetime(2026, 1, 1, tzinfo=UTC)
YES = Conditions("Supported", SEEN)
WALLED = {"sourceCidrs": ["10.0.0.0/8"], "sourceVpcEndpoints": ["vpce-1"], "breakGlassPrincipals": ["x"]}


def obj(generation: int = 1, **told: Any) -> Object:
    found = declared()
    found["metadata"] |= {"uid": "uid-1", "generation": generation}
    return found | ({"status": told} if told else {})


def states(world: World, conditions: Conditions = YES, **seen: Any) -> dict[str, str]:
    found = parts(world, view(**seen), conditions)
    settled = [Part(part.name, None, part.lacks, part.unwritten, part.note) for part in found]
    return {entry.path: entry.state for entry in status.enforcement(world, settled, conditions)}


@pytest.mark.parametrize(
    ("spec", "more"),
    [
        ({}, {"spec.encryption", "spec.policy.requireTls", "spec.purpose.versioning"}),
        ({"purpose": "Ops", "lifecycle": {"expireAfter": "24h"}}, {"spec.lifecycle.expireAfter", "spec.encryption"}),
        ({"purpose": "Audit", "objectLock": {"mode": "Governance", "days": 1}}, {"spec.objectLock"}),
        ({"policy": WALLED}, {"spec.policy.sourceCidrs", "spec.policy.sourceVpcEndpoints"}),
    ],
)
def test_every_declaration_has_its_entry(spec: dict[str, Any], more: set[str]) -> None:
    found = states(around(bucket(**spec)))
    always = {"spec.region", "spec.tags", "spec.deletionPolicy", "spec.purpose.policy", "spec.purpose.ownership"}
    assert always | more <= found.keys()
    assert set(found.values()) == {"Enforced"}


def test_what_is_not_asked_for_has_none() -> None:
    found = states(around(bucket(encryption={"type": "None"}, policy={"requireTls": False})))
    assert not {"spec.encryption", "spec.policy.requireTls", "spec.objectLock"} & found.keys()


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        (YES, "Enforced"),
        (Conditions("Missing", "passed over"), "Unsupported"),
        (Conditions("Unknown", "root"), "Unverified"),
        (Conditions("Supported", SEEN, locks_out=True), "Unverified"),
    ],
)
def test_conditions_decide_over_the_walls(conditions: Conditions, state: str) -> None:
    found = states(around(bucket(policy=WALLED)), conditions)
    paths = ("spec.policy.requireTls", "spec.policy.sourceCidrs", "spec.policy.sourceVpcEndpoints")
    assert {found[path] for path in paths} == {state}


def test_a_server_without_versioning_keeps_it_off_but_not_on() -> None:
    lacking = {"versioning": Missing("501")}
    assert states(around(bucket()), **lacking)["spec.purpose.versioning"] == "Enforced"
    assert states(around(bucket(purpose="Audit")), **lacking)["spec.purpose.versioning"] == "Unsupported"


def test_plain_http_is_no_tls() -> None:
    world = around(bucket(s3={"endpoint": "http://s3.storage.svc"}))
    assert states(world, Conditions())["spec.policy.requireTls"] == "Unsupported"


def test_what_does_not_stay_written_is_told() -> None:
    world, found = around(bucket()), parts(around(bucket()), view(ownership="ObjectWriter"), YES)
    phase = status.phase_of(world, found, YES)
    assert (phase.kind, phase.reason) == ("Stalled", "SettingsNotKept")
    assert "Ownership" in phase.message
    entries = {entry.path: entry.state for entry in status.enforcement(world, found, YES)}
    assert entries["spec.purpose.ownership"] == "Unverified"


def test_rules_that_are_left_are_told() -> None:
    left = [Part(part.name) for part in parts(around(bucket()), view(), YES) if part.name != "Lifecycle"]
    left.append(Part("Lifecycle", unwritten="rule cold would be lost"))
    phase = status.phase_of(around(bucket()), left, YES)
    assert (phase.kind, phase.message.endswith("Lifecycle is left as it is: rule cold would be lost")) == (
        "Ready",
        True,
    )
    entries = {entry.path: entry.state for entry in status.enforcement(around(bucket()), left, YES)}
    assert entries["spec.lifecycle.abortIncompleteMultipartUploads"] == "Unverified"


def test_what_was_found_out_holds_for_its_generation() -> None:
    known = status.capabilities([Part("Policy", lacks="no"), Part("Tags")], Conditions("Unknown", "root"))
    before = obj(observedGeneration=1, capabilities=known)
    assert status.refused_before(before) == {"Policy": "no"}
    assert status.conditions_before(before) == Conditions("Unknown", "root")
    assert status.was_looked_at(before)
    changed = obj(2, observedGeneration=1, capabilities=known)
    assert status.refused_before(changed) == {}
    assert status.conditions_before(changed) is None
    assert not status.was_looked_at(changed)
    trouble = progressing("NoAnswer", "x")
    assert "capabilities" not in status.of_trouble(changed, None, trouble, NOW)
    assert status.of_trouble(before, None, trouble, NOW)["capabilities"] == known


def test_a_lock_out_outlives_the_condition_that_told_it() -> None:
    known = status.capabilities([], Conditions("Supported", SEEN, locks_out=True))
    found = status.conditions_before(obj(observedGeneration=1, capabilities=known))
    assert found == Conditions("Supported", SEEN, locks_out=True)


def test_the_region_is_told_as_it_was_found() -> None:
    world = around(bucket(region="eu-west-1"), used_by=("agents",))
    made = status.of_bucket(obj(), world, view(region="EU"), parts(world, view(), YES), YES, ready(), NOW)
    assert (made["region"], made["adopted"], made["usedBy"]) == ("eu-west-1", True, ["agents"])
    begun = status.begun(obj(), world, progressing("Creating", "x"), NOW)
    assert begun["adopted"] is False
    assert "region" not in begun
