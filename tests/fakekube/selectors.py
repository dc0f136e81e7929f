"""Label and field selectors, in the syntax of `labelSelector` and `fieldSelector`."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from .answers import ApiError

Object = dict[str, Any]
Matcher = Callable[[Object], bool]
Term = Callable[[dict[str, str]], bool]

FIELDS = ("metadata.name", "metadata.namespace")
_COMMA = re.compile(r",(?![^(]*\))")
_SET = re.compile(r"(\S+)\s+(in|notin)\s*\(([^)]*)\)")
_EQUAL = re.compile(r"([^=!\s]+)\s*(==|=|!=)\s*([^=!\s]*)")
_EXISTS = re.compile(r"(!?)\s*([^=!\s]+)")


@lru_cache(maxsize=1000)
def matcher(labels: str | None, fields: str | None = None) -> Matcher:
    """A predicate: `a=b`, `a!=b`, `a in (b, c)`, `a notin (b)`, `a`, `!a`, joined by commas. Raises ApiError 400."""
    label_terms, field_terms = _terms(labels), _terms(fields)
    for text in _COMMA.split(fields or ""):
        name = re.split("[=!]", text)[0].strip()
        if name and name not in FIELDS:
            known = ", ".join(f'"{field}"' for field in FIELDS)
            raise ApiError(400, f'"{name}" is not a known field selector: only {known}')
    if not label_terms and not field_terms:
        return _everything

    def matches(obj: Object) -> bool:
        have = obj["metadata"].get("labels") or {}
        return all(term(have) for term in label_terms) and all(term(_fields(obj)) for term in field_terms)

    return matches


def selects_all(matches: Matcher) -> bool:
    """Whether it is the matcher of no selector."""
    return matches is _everything


def _everything(_: Object) -> bool:
    return True


def _fields(obj: Object) -> dict[str, str]:
    metadata = obj["metadata"]
    return {"metadata.name": metadata["name"], "metadata.namespace": metadata.get("namespace", "")}


def _terms(text: str | None) -> list[Term]:
    return [_term(part.strip()) for part in _COMMA.split(text or "") if part.strip()]


def _term(text: str) -> Term:
    if found := _SET.fullmatch(text):
        values = {value.strip() for value in found[3].split(",")}
        return _within(found[1], values, found[2] == "in")
    if found := _EQUAL.fullmatch(text):
        return _within(found[1], {found[3]}, found[2] != "!=")
    if found := _EXISTS.fullmatch(text):
        name, wanted = found[2], not found[1]
        return lambda have: (name in have) is wanted
    raise ApiError(400, f"unable to parse requirement: {text}")


def _within(name: str, values: set[str], wanted: bool) -> Term:
    return lambda have: (have.get(name) in values) is wanted
