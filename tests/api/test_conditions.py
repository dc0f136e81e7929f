"""Conditions as kstatus reads them: right for every phase, and still unless something changed."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.api import conditions
from agentmemory.api.conditions import Phase
from agentmemory.core.errors import Bug, Conflict, Denied, Invalid, OperatorError, Transient

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)

PHASES = st.sampled_from(
    [
        conditions.ready(),
        conditions.progressing("Starting", "2 of 3 brokers are registered"),
        conditions.stalled("NoCluster", "there is none"),
        conditions.refused("InvalidSpec", "spec.retention: ..."),
    ]
)


def statuses(found: list[dict[str, Any]]) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in found}


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (conditions.ready(), ("True", "True", "False", "False")),
        (conditions.progressing("Starting", "m"), ("True", "False", "True", "False")),
        (conditions.stalled("NoCluster", "m"), ("True", "False", "False", "True")),
        (conditions.refused("InvalidSpec", "m"), ("False", "False", "False", "True")),
    ],
)
def test_a_phase_is_four_conditions(phase: Phase, expected: tuple[str, ...]) -> None:
    found = conditions.to_conditions(phase, [], 4, NOW)
    assert tuple(statuses(found).values()) == expected
    assert tuple(statuses(found)) == ("Accepted", "Ready", "Reconciling", "Stalled")
    assert {condition["observedGeneration"] for condition in found} == {4}
    assert {condition["lastTransitionTime"] for condition in found} == {"2026-11-22T10:00:00Z"}


def test_reason_and_message_are_the_phases_but_acceptance_speaks_of_refusals_only() -> None:
    found = conditions.to_conditions(conditions.stalled("NoCluster", "make it"), [], 1, NOW)
    assert [(entry["reason"], entry["message"]) for entry in found] == [
        ("Accepted", ""),
        ("NoCluster", "make it"),
        ("NoCluster", "make it"),
        ("NoCluster", "make it"),
    ]
    refused = conditions.to_conditions(conditions.refused("TenantDenies", "ask"), [], 1, NOW)
    assert (refused[0]["reason"], refused[0]["message"]) == ("TenantDenies", "ask")


@given(PHASES, PHASES)
def test_the_time_moves_with_the_status_only(first: Phase, second: Phase) -> None:
    before = conditions.to_conditions(first, [], 1, NOW)
    after = conditions.to_conditions(second, before, 2, LATER)
    for old, new in zip(before, after, strict=True):
        changed = old["status"] != new["status"]
        assert new["lastTransitionTime"] == (conditions.timestamp(LATER) if changed else old["lastTransitionTime"])


@given(PHASES)
def test_saying_the_same_again_changes_nothing(phase: Phase) -> None:
    before = conditions.to_conditions(phase, [], 1, NOW)
    assert conditions.to_conditions(phase, before, 1, LATER) == before


def test_another_controllers_condition_stays() -> None:
    foreign = {"type": "Audited", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "t"}
    found = conditions.to_conditions(conditions.ready(), [foreign], 1, NOW)
    assert found[-1] == foreign
    assert len(found) == 5


def test_times_are_utc_with_whole_seconds() -> None:
    local = datetime(2026, 11, 22, 11, 30, 0, 999_999, tzinfo=timezone(timedelta(hours=1)))
    assert conditions.timestamp(local) == "2026-11-22T10:30:00Z"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Invalid("InvalidSpec", "m"), Phase("Refused", "InvalidSpec", "m")),
        (Denied("Forbidden", "m"), Phase("Stalled", "Forbidden", "m")),
        (Conflict("Foreign", "m"), Phase("Stalled", "Foreign", "m")),
        (Transient("KafkaUnreachable", "m"), Phase("Progressing", "KafkaUnreachable", "m")),
    ],
)
def test_an_error_becomes_a_phase(error: OperatorError, expected: Phase) -> None:
    assert conditions.phase_of_error(error) == expected


@pytest.mark.parametrize(
    "error", [Bug("Broken", "secret detail"), KeyError("secret detail"), OperatorError("R", "detail")]
)
def test_an_unforeseen_error_shows_no_details(error: Exception) -> None:
    phase = conditions.phase_of_error(error)
    assert (phase.kind, phase.reason) == ("Stalled", "InternalError")
    assert "detail" not in phase.message
    assert "operator's log" in phase.message


@pytest.mark.parametrize(
    ("phase", "seen", "expected"),
    [(conditions.ready(), 3, True), (conditions.ready(), 2, False), (conditions.progressing("R", "m"), 3, False)],
)
def test_ready_speaks_of_the_present_generation(phase: Phase, seen: int, expected: bool) -> None:
    status = {"conditions": conditions.to_conditions(phase, [], seen, NOW)}
    assert conditions.is_ready({"metadata": {"generation": 3}, "status": status}) is expected


def test_an_object_without_status_is_not_ready() -> None:
    assert not conditions.is_ready({"metadata": {"generation": 1}})
