"""A reconciler's one finding as the four conditions that kstatus and `kubectl wait` read.

| phase | Accepted | Ready | Reconciling | Stalled |
| --- | --- | --- | --- | --- |
| Ready | True | True | False | False |
| Progressing | True | False | True | False |
| Stalled | True | False | False | True |
| Refused | False | False | False | True |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from agentmemory.core.errors import Conflict, Denied, Invalid, OperatorError, Transient

PhaseKind = Literal["Ready", "Progressing", "Stalled", "Refused"]

_TYPES = ("Accepted", "Ready", "Reconciling", "Stalled")
_TRUE: Mapping[PhaseKind, frozenset[str]] = {
    "Ready": frozenset({"Accepted", "Ready"}),
    "Progressing": frozenset({"Accepted", "Reconciling"}),
    "Stalled": frozenset({"Accepted", "Stalled"}),
    "Refused": frozenset({"Stalled"}),
}


@dataclass(frozen=True)
class Phase:
    """Where an object stands, with one word for programs and one sentence for people."""

    kind: PhaseKind
    reason: str
    message: str


def ready(message: str = "", reason: str = "Ready") -> Phase:
    """All is as declared."""
    return Phase("Ready", reason, message)


def progressing(reason: str, message: str) -> Phase:
    """Not yet as declared, and on the way without anybody's help."""
    return Phase("Progressing", reason, message)


def stalled(reason: str, message: str) -> Phase:
    """The declaration is good, but it cannot be reached until somebody changes something elsewhere."""
    return Phase("Stalled", reason, message)


def refused(reason: str, message: str) -> Phase:
    """The declaration itself cannot be kept; its author has to change it."""
    return Phase("Refused", reason, message)


def phase_of_error(error: Exception) -> Phase:
    """What a failed reconcile says to the object's author; never a stack trace."""
    match error:
        case Invalid(reason=reason, message=message):
            return refused(reason, message)
        case Denied(reason=reason, message=message) | Conflict(reason=reason, message=message):
            return stalled(reason, message)
        case Transient(reason=reason, message=message):
            return progressing(reason, message)
        case OperatorError() | _:
            return stalled("InternalError", "the operator met an error that it does not know; see the operator's log")


def to_conditions(
    phase: Phase, previous: Sequence[Mapping[str, Any]], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The four conditions; `lastTransitionTime` is `now` only where the status changed.

    Conditions of other types in `previous` (another controller's) are kept, after ours.
    """
    before = {condition["type"]: condition for condition in previous}
    ours = [_condition(type_, phase, before.get(type_), generation, now) for type_ in _TYPES]
    return ours + [dict(condition) for condition in previous if condition["type"] not in _TYPES]


def condition(conditions: Sequence[Mapping[str, Any]], type_: str) -> Mapping[str, Any] | None:
    """The condition of this type, or None."""
    return next((found for found in conditions if found["type"] == type_), None)


def is_ready(obj: Mapping[str, Any]) -> bool:
    """Whether an object says Ready of its present generation."""
    found = condition(obj.get("status", {}).get("conditions", ()), "Ready")
    return (
        found is not None
        and found["status"] == "True"
        and found.get("observedGeneration") == obj["metadata"].get("generation")
    )


def _condition(
    type_: str, phase: Phase, before: Mapping[str, Any] | None, generation: int, now: datetime
) -> dict[str, Any]:
    status = "True" if type_ in _TRUE[phase.kind] else "False"
    same = before is not None and before["status"] == status
    reason, message = _words(type_, phase)
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": before["lastTransitionTime"] if before is not None and same else timestamp(now),
        "observedGeneration": generation,
    }


def _words(type_: str, phase: Phase) -> tuple[str, str]:
    """Only a refusal speaks of acceptance; all else would make Accepted change its reason with every step."""
    if type_ == "Accepted" and phase.kind != "Refused":
        return "Accepted", ""
    return phase.reason, phase.message


def timestamp(now: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as Kubernetes writes times. `now` must be aware."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
