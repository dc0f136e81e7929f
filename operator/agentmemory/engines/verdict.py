"""Several findings as one: what an object with many parts says of itself."""

from collections.abc import Sequence
from dataclasses import replace

from agentmemory.api.conditions import Phase, PhaseKind

NAMED = 3
"""Of many findings a condition tells so many."""
_GRAVITY: tuple[PhaseKind, ...] = ("Refused", "Stalled", "Progressing", "Ready")


def sum_up(findings: Sequence[Phase]) -> Phase | None:
    """The gravest finding, with the words of all (the first NAMED); None when there is none."""
    if not findings:
        return None
    ranked = sorted(findings, key=lambda finding: _GRAVITY.index(finding.kind))
    words = list(dict.fromkeys(finding.message for finding in ranked))
    more = [f"and {len(words) - NAMED} more"] if len(words) > NAMED else []
    return replace(ranked[0], message="; ".join(words[:NAMED] + more))
