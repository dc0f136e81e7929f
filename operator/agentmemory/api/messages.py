"""pydantic's errors in words for people: path, what is wrong, the way out."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from agentmemory.api.types import LABEL_PATTERN, SUBDOMAIN_PATTERN

MOST = 5
"""How many faults are told at once."""

_PATTERNS = {
    LABEL_PATTERN: "is not a DNS label; write lower-case letters, digits and inner hyphens only",
    SUBDOMAIN_PATTERN: "is not a DNS name; write lower-case letters, digits, inner hyphens and dots only",
}


def explain(error: ValidationError) -> str:
    """All faults (at most `MOST`) in one line: `spec.retention.time: '-5h' is not a duration; write ...`."""
    faults = error.errors(include_url=False)
    lines = [_fault(fault) for fault in faults[:MOST]]
    if len(faults) > MOST:
        lines.append(f"and {len(faults) - MOST} more")
    return "; ".join(lines)


def path_of(loc: tuple[int | str, ...]) -> str:
    """`("spec", "topics", 0, "name")` to `spec.topics[0].name`."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _fault(fault: ErrorDetails) -> str:
    context = fault.get("ctx", {})
    path = path_of(fault["loc"]) + str(context.get("path", ""))
    return f"{path.removeprefix('.') or 'object'}: {_what(fault, context)}"


def _what(fault: ErrorDetails, context: Mapping[str, Any]) -> str:
    value = fault["input"]
    match fault["type"]:
        case "missing":
            return "is required; add it"
        case "literal_error":
            return f"{value!r} is not known; write one of {context['expected']}"
        case "extra_forbidden":
            return "is not a known field; remove it or mend its spelling"
        case "string_pattern_mismatch":
            pattern = context["pattern"]
            return f"{_short(value)} {_PATTERNS.get(pattern, f'does not match {pattern}')}"
        case "value_error":
            return str(context["error"])
        case "rule":
            return str(context["message"])
        case _:
            message = fault["msg"]
            return f"{message[:1].lower()}{message[1:]} (found {_short(value)})"


def _short(value: Any) -> str:
    text = repr(value)
    if re.search(r"://.*[@?#]", text):
        return "what stands there (not repeated: a URL may hold a key)"
    return text if len(text) <= 64 else text[:60] + "..."
