"""Pacing: how much at once, how much a second, and that turns are kept."""

from hypothesis import given
from hypothesis import strategies as st

from agentmemory.core.pacer import FORGOTTEN, Pacer
from tests.fakekube.clock import FakeClock


def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    pacer = Pacer(FakeClock(), rate=10, burst=20)
    assert [round(pacer.ask(n, 10), 3) for n in range(5)] == [0, 0, 0, 1, 2]
    assert pacer.waiting() == 2


async def test_who_waits_keeps_its_turn() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, rate=10, burst=10)
    assert pacer.ask("a", 10) == 0
    assert pacer.ask("b", 10) == 0
    assert pacer.ask("c", 10) == 1
    assert pacer.ask("c", 10) == 1, "asking again takes no second turn"
    assert pacer.ask("d", 10) == 2
    await clock.advance(1)
    assert pacer.ask("d", 10) == 1, "nobody overtakes"
    assert pacer.ask("c", 10) == 0
    assert pacer.waiting() == 1


async def test_more_than_a_burst_is_let_in_and_delays_the_others() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, rate=10, burst=10)
    assert pacer.ask("big", 1000) == 0
    assert pacer.ask("small", 1) == 99
    await clock.advance(99)
    assert pacer.ask("small", 1) == 0


async def test_a_turn_that_nobody_comes_for_is_dropped() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, rate=1, burst=1)
    assert [pacer.ask(name, 1) for name in "ab"] == [0, 0]
    assert pacer.ask("gone", 1) == 1
    await clock.advance(FORGOTTEN)
    assert pacer.ask("x", 1) == 0
    assert pacer.waiting() == 1
    await clock.advance(1)
    assert pacer.ask("y", 1) == 0
    assert pacer.waiting() == 0


@given(st.floats(0.5, 100), st.floats(1, 100), st.lists(st.tuples(st.floats(0, 5), st.floats(0.5, 20)), max_size=40))
async def test_never_more_than_the_rate_and_a_burst(rate: float, burst: float, asks: list[tuple[float, float]]) -> None:
    """Work that begins within any span fits rate * span + burst + the last piece."""
    clock = FakeClock()
    pacer = Pacer(clock, rate, burst)
    begun: list[tuple[float, float]] = []
    for number, (pause, units) in enumerate(asks):
        await clock.advance(pause)
        begun.append((clock.monotonic() + pacer.ask(number, units), units))
    for first, (start, _) in enumerate(begun):
        total = 0.0
        for end, units in begun[first:]:
            assert total <= rate * (end - start) + burst + 1e-6
            total += units
