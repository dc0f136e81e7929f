"""The arithmetic of erasure."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.families.erasure import (
    CLEANING,
    CLOCK_AHEAD,
    FILE_DELETE_DELAY,
    RETENTION_CHECK,
    SHORTEST_LAG,
    SHORTEST_SEGMENT,
    Bound,
    expiry,
    text,
    tombstone,
)

HOUR = timedelta(hours=1)
hours = st.integers(1, 99_999).map(lambda count: timedelta(hours=count))
delays = st.integers(60, 99_999 * 3600).map(lambda count: timedelta(seconds=count))


def test_the_sample_of_the_design() -> None:
    bound = expiry(720 * HOUR, 900 * HOUR, log_append_time=False)
    assert bound.arithmetic() == (
        "retention.time 720h + segment.ms 168h + producers' clocks ahead 1h + retention check 5m "
        "+ file.delete.delay.ms 1m = 889h6m"
    )
    assert bound.configs == {
        "segment.ms": str(168 * 3_600_000),
        "file.delete.delay.ms": "60000",
        "message.timestamp.after.max.ms": "3600000",
    }


def test_segments_shrink_to_keep_a_tight_promise() -> None:
    bound = expiry(720 * HOUR, 740 * HOUR, log_append_time=False)
    assert bound.total == 740 * HOUR
    assert bound.configs["segment.ms"] == str(int((18.9 * HOUR).total_seconds() * 1000))


def test_the_brokers_clock_is_not_ahead() -> None:
    bound = expiry(24 * HOUR, 48 * HOUR, log_append_time=True)
    assert "message.timestamp.after.max.ms" not in bound.configs
    assert "ahead" not in bound.arithmetic()


def test_tombstones() -> None:
    bound = tombstone(72 * HOUR, log_append_time=False)
    assert bound.total == 72 * HOUR
    assert bound.configs["max.compaction.lag.ms"] == str((72 - 2) * 3_600_000 - 60_000)
    assert bound.configs["delete.retention.ms"] == str(24 * 3_600_000)
    assert "message.timestamp.after.max.ms" not in tombstone(72 * HOUR, log_append_time=True).configs


@given(retention=hours, delay=delays, log_append=st.booleans())
def test_expiry_is_within_the_promise_whenever_it_can_be(
    retention: timedelta, delay: timedelta, log_append: bool
) -> None:
    bound = expiry(retention, delay, log_append)
    shortest = retention + SHORTEST_SEGMENT + RETENTION_CHECK + FILE_DELETE_DELAY
    shortest += timedelta() if log_append else CLOCK_AHEAD
    assert bound.total >= shortest
    assert (bound.total <= delay) == (shortest <= delay)
    assert int(bound.configs["segment.ms"]) >= 3_600_000


@given(delay=delays, log_append=st.booleans())
def test_tombstones_are_within_the_promise_whenever_they_can_be(delay: timedelta, log_append: bool) -> None:
    bound = tombstone(delay, log_append)
    shortest = SHORTEST_LAG + CLEANING + FILE_DELETE_DELAY + (timedelta() if log_append else CLOCK_AHEAD)
    assert (bound.total <= delay) == (shortest <= delay)


@pytest.mark.parametrize(
    ("length", "expected"), [(90 * timedelta(minutes=1), "1h30m"), (100_000 * HOUR + timedelta(seconds=1), "100001h")]
)
def test_text(length: timedelta, expected: str) -> None:
    assert text(length) == expected


def test_an_empty_bound_is_nothing() -> None:
    assert Bound((), {}).total == timedelta()
