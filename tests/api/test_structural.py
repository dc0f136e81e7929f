"""Schemas: what pydantic says that Kubernetes has no word for is gone, and what is left is bounded and described."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from agentmemory.api.base import SpecModel
from agentmemory.api.lists import ListSet
from agentmemory.api.rules import KEY, Rule
from agentmemory.api.structural import rules, structural_schema, violations, with_whole_lists, without_defaults
from agentmemory.api.types import DnsLabel, Quantity

POSITIVE = Rule("self.size > 0", "size must be positive", lambda inner: inner.size > 0)
TWICE = Rule("self.size < 9", "size must be small", lambda inner: inner.size < 9)


class Inner(SpecModel):
    """An inner
    object."""

    RULES = (POSITIVE,)

    size: int = Field(default=1, ge=0, le=10)
    """A size."""
    word: str | None = Field(default=None, max_length=5)
    """A word."""


class Outer(SpecModel):
    """An outer object."""

    inner: Annotated[Inner, TWICE] = Inner()
    """The inner one."""
    plain: Inner | None = None
    mode: Literal["A", "B"] = "A"
    """A mode."""
    names: Annotated[tuple[DnsLabel, ...], ListSet()] = Field(default=(), max_length=3)
    """Some names."""
    amount: Quantity | None = None
    """An amount."""


INNER = {
    "type": "object",
    "description": "An inner object.",
    KEY: [POSITIVE.schema()],
    "properties": {
        "size": {
            "type": "integer",
            "description": "A size.",
            "default": 1,
            "format": "int32",
            "minimum": 0,
            "maximum": 10,
        },
        "word": {"type": "string", "description": "A word.", "maxLength": 5},
    },
}


def test_references_are_inlined_and_what_kubernetes_does_not_know_is_gone() -> None:
    properties = structural_schema(Outer)["properties"]
    assert properties["plain"] == INNER
    assert properties["inner"] == {
        **INNER,
        "description": "The inner one.",
        "default": {"size": 1},
        KEY: [POSITIVE.schema(), TWICE.schema()],
    }
    assert properties["mode"] == {"type": "string", "description": "A mode.", "default": "A", "enum": ["A", "B"]}
    assert properties["amount"]["x-kubernetes-int-or-string"] is True
    assert properties["amount"]["anyOf"] == [{"type": "integer"}, {"type": "string"}]
    assert "default" not in properties["names"]
    assert properties["names"]["x-kubernetes-list-type"] == "set"


def test_rules_are_listed_with_their_paths() -> None:
    found = [(path, entry["rule"]) for path, entry in rules(structural_schema(Outer))]
    assert found == [(".inner", POSITIVE.cel), (".inner", TWICE.cel), (".plain", POSITIVE.cel)]


def test_a_status_has_no_defaults_inside() -> None:
    stripped = without_defaults(structural_schema(Outer))
    assert "default" not in str(stripped)
    assert stripped["properties"].keys() == structural_schema(Outer)["properties"].keys()


def test_the_lists_of_a_status_have_one_owner() -> None:
    listed = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object"},
    }
    inner = {"type": "object", "properties": {"list": listed}}
    made = with_whole_lists({"type": "object", "properties": {"a": listed, "conditions": listed, "inner": inner}})
    whole = {"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "object"}}
    assert made["properties"]["a"] == whole
    assert made["properties"]["inner"]["properties"]["list"] == whole
    by_name = {**listed, "items": {"type": "object", "x-kubernetes-map-type": "atomic"}}
    assert made["properties"]["conditions"] == by_name
    assert "x-kubernetes-map-type" not in listed["items"]


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "string"}, "needs maxLength"),
        ({"type": "array", "items": {"type": "integer"}}, "needs maxItems"),
        ({"type": "array", "maxItems": 3, "items": {"type": "string"}}, "[]: a string needs maxLength"),
        ({"type": "object"}, "needs properties"),
        ({"anyOf": [{"type": "integer"}]}, "has no type"),
        ({"type": "integer", "const": 1}, "const is not structural"),
        ({"type": "integer", "oneOf": []}, "oneOf is not structural"),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, ".a: has no description"),
        ({"type": "object", "properties": {}, "default": {"a": None}}, "default holds a null"),
        ({"type": "array", "maxItems": 1, "items": {"type": "integer"}, "default": [{"a": [None]}]}, "holds a null"),
    ],
)
def test_what_no_apiserver_would_take_or_price_is_found(schema: dict[str, Any], told: str) -> None:
    assert any(told in violation for violation in violations(schema, ""))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "enum": ["a"]},
        {"type": "string", "format": "date-time"},
        {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        {"type": "boolean", "default": False},
        {"type": "object", "properties": {}, "default": {"a": [1]}},
    ],
)
def test_what_is_bounded_is_let_through(schema: dict[str, Any]) -> None:
    assert list(violations(schema, "")) == []


def test_a_model_that_cannot_be_a_crd_is_named() -> None:
    class Loose(SpecModel):
        """Loose."""

        text: str
        """A text without a bound."""

    with pytest.raises(ValueError, match=r"Loose: \.text: a string needs maxLength, enum or format"):
        structural_schema(Loose)
