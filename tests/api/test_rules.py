"""A rule is written once, and neither side can be forgotten."""

import pytest
from pydantic import TypeAdapter, ValidationError

from agentmemory.api.base import ClusterRef
from agentmemory.api.lists import ListMap, ListSet
from agentmemory.api.rules import Rule, duration_between, immutable, quantity_between
from agentmemory.api.types import Duration, Quantity


@pytest.mark.parametrize(
    ("cel", "check"),
    [("self > 1", None), ("self == oldSelf", lambda value: True)],
)
def test_a_rule_has_a_python_side_unless_it_compares_with_the_past(cel: str, check: object) -> None:
    with pytest.raises(ValueError, match="needs a Python check unless"):
        Rule(cel, "message", check)  # type: ignore[arg-type]


def test_a_rule_is_written_with_its_path_but_not_into_metadata() -> None:
    assert Rule("self.a", "m", bool, ".a").schema() == {"rule": "self.a", "message": "m", "fieldPath": ".a"}
    assert Rule("self.a", "m", bool, ".metadata.name").schema() == {"rule": "self.a", "message": "m"}


def test_an_immutable_reference_is_marked_so() -> None:
    rules = ClusterRef.model_json_schema()["x-kubernetes-validations"]
    assert rules == [
        {"rule": "self == oldSelf", "message": "clusterRef cannot change; make a new object and delete this one"}
    ]
    assert immutable("x", "y").keep(ClusterRef(name="any")) == ClusterRef(name="any")


@pytest.mark.parametrize(("value", "taken"), [("1m", True), ("59s999ms", False), ("1h", True), ("1h1ms", False)])
def test_bounds_of_durations_are_included(value: str, taken: bool) -> None:
    rule = duration_between("1m", "1h")
    assert rule.check is not None
    assert rule.check(Duration(value)) is taken


@pytest.mark.parametrize(("value", "taken"), [("1Ki", True), (1023, False), ("64Mi", True), ("64.1Mi", False)])
def test_bounds_of_quantities_are_included(value: str | int, taken: bool) -> None:
    rule = quantity_between("1Ki", "64Mi")
    assert rule.check is not None
    assert rule.check(Quantity(value)) is taken


def test_lists_refuse_what_repeats_and_name_it() -> None:
    with pytest.raises(ValueError, match="a, b stands there more than once; keep one"):
        ListSet().refuse_repeats(["b", "a", "c", "a", "b"])
    references = [ClusterRef(name="one"), ClusterRef(name="two")]
    assert ListMap("name").refuse_repeats(references) is references
    with pytest.raises(ValueError, match="one stands there more than once"):
        ListMap("name").refuse_repeats([references[0], references[0]])


def test_a_rule_on_a_field_is_checked_and_described() -> None:
    adapter = TypeAdapter(ClusterRef)
    with pytest.raises(ValidationError):
        adapter.validate_python({"name": ""})
