"""Label and field selectors, as far as operators use them."""

from collections.abc import Callable
from typing import Any

Object = dict[str, Any]
Matcher = Callable[[Object], bool]


def matcher(labels: str | None, fields: str | None = None) -> Matcher:
    """A predicate for `labelSelector` and `fieldSelector`: `a=b`, `a==b`, `a!=b`, `a`, `!a`, joined by commas."""
    label_terms = [term.strip() for term in (labels or "").split(",") if term.strip()]
    field_terms = [term.strip() for term in (fields or "").split(",") if term.strip()]

    def matches(obj: Object) -> bool:
        have = obj["metadata"].get("labels") or {}
        return all(_term(have, term) for term in label_terms) and all(_term(_fields(obj), term) for term in field_terms)

    return matches


def _fields(obj: Object) -> dict[str, str]:
    metadata = obj["metadata"]
    return {"metadata.name": metadata["name"], "metadata.namespace": metadata.get("namespace", "")}


def _term(have: dict[str, str], term: str) -> bool:
    if "!=" in term:
        name, value = term.split("!=", 1)
        return have.get(name.strip()) != value.strip()
    if "=" in term:
        name, value = term.replace("==", "=").split("=", 1)
        return have.get(name.strip()) == value.strip()
    if term.startswith("!"):
        return term[1:].strip() not in have
    return term in have
