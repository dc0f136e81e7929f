"""Keys, errors, outcomes, clock and backoff."""

import random
from datetime import UTC, datetime

import pytest

from agentmemory.core.backoff import Backoff
from agentmemory.core.clock import SystemClock
from agentmemory.core.errors import Bug, Conflict, Denied, Invalid, OperatorError, Transient
from agentmemory.core.key import Key, key_of


def test_a_key_reads_as_people_write_it() -> None:
    assert str(Key("TopicFamily", "team", "calls")) == "TopicFamily/team/calls"


def test_key_of_objects_with_and_without_namespace() -> None:
    assert key_of({"kind": "Pod", "metadata": {"name": "a", "namespace": "n"}}) == Key("Pod", "n", "a")
    assert key_of({"kind": "Node", "metadata": {"name": "a"}}) == Key("Node", "", "a")


def test_key_of_an_object_without_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        key_of({"metadata": {"name": "a"}})


@pytest.mark.parametrize("kind", [Invalid, Denied, Conflict, Bug])
def test_errors_carry_reason_and_message(kind: type[OperatorError]) -> None:
    error = kind("SomeReason", "what, where, the way out")
    assert (error.reason, error.message) == ("SomeReason", "what, where, the way out")
    assert str(error) == "SomeReason: what, where, the way out"
    assert error.args == ("what, where, the way out",)


def test_a_transient_error_may_say_when_to_come_back() -> None:
    assert Transient("Busy", "later").retry_after is None
    assert Transient("Busy", "later", 7.0).retry_after == 7.0


async def test_the_system_clock_is_aware_and_moves_on() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0)
    assert clock.monotonic() >= before
    assert clock.now().tzinfo is UTC
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 5


def test_backoff_doubles_up_to_its_cap_and_forgets() -> None:
    backoff = Backoff(base=1.0, cap=10.0, jitter=0.0)
    assert [backoff.next("k") for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    assert backoff.next("other") == 1
    assert backoff.failures("k") == 6
    backoff.forget("k")
    backoff.forget("never seen")
    assert backoff.failures("k") == 0
    assert backoff.next("k") == 1


def test_backoff_stays_finite_after_thousands_of_failures() -> None:
    backoff = Backoff(base=1.0, cap=10.0, jitter=0.0)
    assert [backoff.next("k") for _ in range(5000)][-1] == 10


def test_backoff_jitter_spreads_both_ways_and_respects_the_floor() -> None:
    backoff = Backoff(base=8.0, cap=8.0, jitter=0.25, rng=random.Random(1))
    delays = [backoff.next("k") for _ in range(200)]
    assert 6.0 <= min(delays) < 6.5
    assert 9.5 < max(delays) <= 10.0
    assert all(backoff.next("k", floor=60.0) == 60.0 for _ in range(5))


def test_a_first_failure_waits_a_fifth_of_a_second_by_default() -> None:
    assert Backoff(jitter=0.0).next("k") == 0.2
    assert Backoff(jitter=0.0).next("k", floor=0.1) == 0.2
