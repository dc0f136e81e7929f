"""Quantities and durations: what is written is what is meant, and nothing else is taken."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.domain import units

SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@given(st.integers(min_value=1, max_value=units.MAX_INT64))
def test_a_quantity_survives_being_written_and_read(value: int) -> None:
    if value < 10**18:
        assert units.parse_quantity(str(value)) == value
        assert units.parse_quantity(units.format_quantity(value)) == value


@given(st.integers(min_value=1, max_value=10_000), st.sampled_from(sorted(SUFFIXES)))
def test_a_suffix_multiplies(number: int, suffix: str) -> None:
    assert units.parse_quantity(f"{number}{suffix}") == number * SUFFIXES[suffix]
    assert units.parse_quantity(units.format_quantity(number * SUFFIXES[suffix])) == number * SUFFIXES[suffix]


@pytest.mark.parametrize(
    ("text", "value"),
    [("200Gi", 214_748_364_800), ("0.5Gi", 536_870_912), ("1.5k", 1500), ("0.1", 1), ("1.0001", 2), ("7Ei", 7 * 2**60)],
)
def test_known_quantities(text: str, value: int) -> None:
    assert units.parse_quantity(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "+1", "0Gi", "0.0", "1 Gi", "1gi", "Gi", "1KB", "1e3", "100m", "1.", ".5", "1Gi\n", "\u0661"],
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a positive quantity; write"):
        units.parse_quantity(text)


def test_the_largest_that_64_bits_hold_is_taken() -> None:
    assert units.parse_quantity("9223372036854.775807M") == units.MAX_INT64
    with pytest.raises(ValueError, match="64 bits"):
        units.parse_quantity("9223372036854.775808M")


@pytest.mark.parametrize("text", ["8Ei", "10E", "922337203685477580k"])
def test_more_than_64_bits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        units.parse_quantity(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1000, "1000"),
        (1536, "1536"),
        (2**10, "1Ki"),
        (5 * 2**20, "5Mi"),
        (1025 * 2**20, "1025Mi"),
        (2**30, "1Gi"),
        (3 * 2**40, "3Ti"),
        (1023 * 2**50, "1023Pi"),
        (7 * 2**60, "7Ei"),
    ],
)
def test_the_largest_exact_suffix_is_written(value: int, text: str) -> None:
    assert units.format_quantity(value) == text


@pytest.mark.parametrize("value", [0, -1])
def test_only_positive_quantities_are_written(value: int) -> None:
    with pytest.raises(ValueError, match="not a positive"):
        units.format_quantity(value)


@pytest.mark.parametrize(("text", "value"), [("500m", 500), ("2", 2000), ("0.5", 500), ("0.25", 250), ("1.125", 1125)])
def test_cpu(text: str, value: int) -> None:
    assert units.parse_cpu(text) == value


@pytest.mark.parametrize("text", ["0", "0m", "-1", "1.5m", "2Gi", "", "1\n", "0.0001"])
def test_what_is_no_cpu_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount of CPU; write"):
        units.parse_cpu(text)


@given(st.integers(min_value=0, max_value=99_999 * 3_600_000 + 3_599_999))
def test_a_duration_survives_being_written_and_read(value: int) -> None:
    span = timedelta(milliseconds=value)
    assert units.parse_duration(units.format_duration(span)) == span
    assert units.milliseconds(span) == value


@given(st.from_regex(units.DURATION_PATTERN.strip("^$"), fullmatch=True))
def test_whatever_the_pattern_lets_through_is_read(text: str) -> None:
    assert units.parse_duration(text) >= timedelta(0)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("720h", timedelta(days=30)),
        ("1h30m", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("1m5ms", timedelta(minutes=1, milliseconds=5)),
        ("0s", timedelta(0)),
    ],
)
def test_known_durations(text: str, span: timedelta) -> None:
    assert units.parse_duration(text) == span


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=5400), "1h30m"),
        (timedelta(days=30), "720h"),
        (timedelta(milliseconds=250), "250ms"),
        (timedelta(seconds=59, milliseconds=1), "59s1ms"),
        (timedelta(hours=99_999, minutes=59, seconds=59, milliseconds=999), "99999h59m59s999ms"),
    ],
)
def test_the_shortest_form_of_a_duration_is_written(span: timedelta, text: str) -> None:
    assert units.format_duration(span) == text


@pytest.mark.parametrize("text", ["", "5", "-5h", "+5h", "1d", "1.5h", "100000h", "1h1m1s1ms1h", "5 s", "5s\n", "5us"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write"):
        units.parse_duration(text)


@pytest.mark.parametrize("span", [timedelta(seconds=-1), timedelta(hours=100_000), timedelta(microseconds=1)])
def test_spans_without_a_form_are_not_written(span: timedelta) -> None:
    with pytest.raises(ValueError, match="GEP-2257"):
        units.format_duration(span)
