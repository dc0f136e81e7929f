"""Values keep how they were written, through pydantic, pickle and copy."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from agentmemory.api.types import CpuQuantity, Duration, Quantity
from agentmemory.domain import units

QUANTITIES = st.builds(
    lambda number, suffix: f"{number}{suffix}",
    st.integers(min_value=1, max_value=999),
    st.sampled_from(["", "k", "M", "G", "Ki", "Mi", "Gi", "Ti"]),
)


@given(QUANTITIES | st.integers(min_value=1, max_value=10**17))
def test_a_quantity_is_a_number_that_is_written_back_as_it_was(written: str | int) -> None:
    adapter = TypeAdapter(Quantity)
    found = adapter.validate_python(written)
    assert found == units.parse_quantity(str(written))
    assert found.text == str(written)
    assert adapter.dump_python(found, mode="json") == written
    assert adapter.validate_python(found) is found


@given(st.from_regex(units.DURATION_PATTERN.strip("^$"), fullmatch=True))
def test_a_duration_is_a_span_that_is_written_back_as_it_was(text: str) -> None:
    adapter = TypeAdapter(Duration)
    found = adapter.validate_python(text)
    assert found == units.parse_duration(text)
    assert adapter.dump_python(found, mode="json") == text
    assert found.milliseconds == units.milliseconds(units.parse_duration(text))


@pytest.mark.parametrize(
    "value", [Quantity("10Gi"), Quantity(1024), CpuQuantity("500m"), CpuQuantity(2), Duration("1h")]
)
def test_copies_keep_the_text(value: Quantity | CpuQuantity | Duration) -> None:
    for copied in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert copied == value
        assert copied.text == value.text
        assert repr(copied) == repr(value)


def test_values_calculate_as_plain_numbers_and_spans() -> None:
    assert Quantity("200Gi") // 12 == 200 * 2**30 // 12
    assert CpuQuantity("0.5") == 500
    assert Duration("1h") + Duration("30m") == Duration("90m")
    assert repr(Duration("1h")) == "Duration('1h')"
    assert repr(Quantity(1024)) == "Quantity(1024)"


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Quantity, True), (Quantity, 1.5), (Quantity, None), (CpuQuantity, 0.5), (CpuQuantity, "1Gi"), (Duration, 5)],
)
def test_what_is_neither_text_nor_an_integer_is_refused_with_an_example(kind: type, value: object) -> None:
    with pytest.raises(ValidationError, match="; write for example"):
        TypeAdapter(kind).validate_python(value)
