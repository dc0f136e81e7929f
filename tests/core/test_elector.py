"""The rules of the Lease: one leader at a time, whatever the network and the clocks do."""

import asyncio
from dataclasses import dataclass, field

import pytest

from agentmemory.core.elector import Elector, LeaseRecord, Timing
from agentmemory.core.errors import Transient
from tests.fakekube.clock import FakeClock

TIMING = Timing(duration=15.0, deadline=10.0, period=2.0, attempt=0.05)


@dataclass
class Shared:
    """One Lease that several candidates see; faults on demand."""

    record: LeaseRecord | None = None
    fail_before: bool = False
    fail_after: bool = False
    hang: bool = False
    reads: int = 0
    writes: int = 0
    durations: list[float] = field(default_factory=list)

    async def read(self) -> LeaseRecord | None:
        self.reads += 1
        await self._trouble(self.fail_before)
        return self.record

    async def write(self, holder: str, transitions: int, duration: float, known: LeaseRecord | None) -> LeaseRecord:
        await self._trouble(self.fail_before)
        if known != self.record:
            raise Transient("Stale", "somebody was faster")
        self.writes += 1
        self.durations.append(duration)
        version = str(int(self.record.version) + 1 if self.record else 1)
        self.record = LeaseRecord(holder, transitions, version)
        await self._trouble(self.fail_after)
        return self.record

    async def _trouble(self, failing: bool) -> None:
        if self.hang:
            await asyncio.Event().wait()
        if failing:
            raise Transient("Unreachable", "no answer")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
def a(shared: Shared, clock: FakeClock) -> Elector:
    return Elector(shared, "a", clock, TIMING)


@pytest.fixture
def b(shared: Shared, clock: FakeClock) -> Elector:
    return Elector(shared, "b", clock, TIMING)


def holder(shared: Shared) -> tuple[str, int]:
    assert shared.record is not None
    return shared.record.holder, shared.record.transitions


def test_the_default_times_leave_a_gap() -> None:
    timing = Elector(Shared(), "a", FakeClock()).timing
    assert timing.attempt + timing.period < timing.deadline < timing.duration


async def test_a_lease_that_does_not_exist_is_made(a: Elector, shared: Shared) -> None:
    assert not a.held
    assert await a.attempt()
    assert a.held
    assert holder(shared) == ("a", 0)


async def test_one_renewal_is_one_call(a: Elector, shared: Shared) -> None:
    await a.attempt()
    shared.reads = shared.writes = 0
    assert await a.attempt()
    assert (shared.reads, shared.writes) == (0, 1)


async def test_a_second_candidate_waits(a: Elector, b: Elector, shared: Shared) -> None:
    await a.attempt()
    assert not await b.attempt()
    assert not b.held
    assert holder(shared) == ("a", 0)


async def test_held_ends_before_another_may_take_it(a: Elector, b: Elector, shared: Shared, clock: FakeClock) -> None:
    await a.attempt()
    await b.attempt()
    clock.jump(9.9)
    assert a.held
    clock.jump(0.1)
    assert not a.held
    assert not await b.attempt()
    clock.jump(5.0)
    assert await b.attempt()
    assert holder(shared) == ("b", 1)


async def test_a_renewal_restarts_the_wait_of_the_others(
    a: Elector, b: Elector, shared: Shared, clock: FakeClock
) -> None:
    await a.attempt()
    for _ in range(10):
        await b.attempt()
        clock.jump(8)
        assert await a.attempt()
    assert not await b.attempt()


async def test_the_first_sight_of_a_foreign_lease_starts_the_wait(a: Elector, b: Elector, clock: FakeClock) -> None:
    await a.attempt()
    clock.jump(3600)
    assert not await b.attempt()
    clock.jump(14.9)
    assert not await b.attempt()
    clock.jump(0.1)
    assert await b.attempt()


async def test_a_frozen_leader_sees_that_it_lost(a: Elector, b: Elector, clock: FakeClock) -> None:
    await a.attempt()
    await b.attempt()
    clock.jump(20)
    assert await b.attempt()
    assert not a.held
    assert not await a.attempt()
    assert not a.held


async def test_a_frozen_leader_whom_nobody_followed_may_go_on(a: Elector, clock: FakeClock) -> None:
    await a.attempt()
    clock.jump(20)
    assert not a.held
    assert await a.attempt()
    assert a.held


async def test_a_leader_that_meets_a_foreign_holder_stops_at_once(a: Elector, shared: Shared, clock: FakeClock) -> None:
    await a.attempt()
    shared.record = LeaseRecord("thief", 1, "77")
    with pytest.raises(Transient):
        await a.attempt()
    assert a.held  # a refused write alone proves nothing yet
    assert not await a.attempt()
    assert not a.held


async def test_failures_are_survived_until_the_deadline(a: Elector, shared: Shared, clock: FakeClock) -> None:
    await a.attempt()
    shared.fail_before = True
    for _ in range(4):
        clock.jump(2)
        with pytest.raises(Transient):
            await a.attempt()
        assert a.held
    clock.jump(2)
    assert not a.held


async def test_a_renewal_whose_answer_was_lost_is_found_again(a: Elector, shared: Shared, clock: FakeClock) -> None:
    await a.attempt()
    clock.jump(2)
    shared.fail_after = True
    with pytest.raises(Transient):
        await a.attempt()
    shared.fail_after = False
    assert await a.attempt()
    assert holder(shared) == ("a", 0)


async def test_the_deadline_counts_from_before_the_call(a: Elector, shared: Shared, clock: FakeClock) -> None:
    async def slow(holder: str, transitions: int, duration: float, known: LeaseRecord | None) -> LeaseRecord:
        clock.jump(4)
        return await Shared.write(shared, holder, transitions, duration, known)

    shared.write = slow  # type: ignore[method-assign]
    await a.attempt()
    clock.jump(5.9)
    assert a.held
    clock.jump(0.1)
    assert not a.held


async def test_an_attempt_has_a_time_limit(a: Elector, shared: Shared) -> None:
    shared.hang = True
    with pytest.raises(TimeoutError):
        await a.attempt()
    assert not a.held


async def test_release_hands_over_at_once(a: Elector, b: Elector, shared: Shared) -> None:
    await a.attempt()
    await a.release()
    assert not a.held
    assert holder(shared) == ("", 0)
    assert await b.attempt()
    assert holder(shared) == ("b", 1)


async def test_what_others_wrote_is_older_than_the_release_or_else_than_our_lease(
    a: Elector, b: Elector, shared: Shared, clock: FakeClock
) -> None:
    assert await a.attempt()
    assert a.taken_at == "1", "nobody is known to have let go"
    await a.release()
    released = shared.record
    assert released is not None
    await b.attempt()
    assert b.taken_at == released.version
    await b.attempt()
    assert b.taken_at == released.version, "a renewal changes nothing"
    await a.attempt()
    await clock.advance(15)
    assert await a.attempt()
    assert shared.record is not None
    assert a.taken_at == shared.record.version, "the other one hangs and may have written until now"


async def test_every_write_says_how_long_it_holds(a: Elector, b: Elector, shared: Shared, clock: FakeClock) -> None:
    await a.attempt()  # made
    await a.attempt()  # renewed
    clock.jump(TIMING.deadline)
    await a.attempt()  # read, and taken back
    await b.attempt()
    clock.jump(TIMING.duration)
    await b.attempt()  # taken over
    assert shared.durations == [TIMING.duration] * 4
    await b.release()  # whoever reads it need not wait
    assert shared.durations[4:] == [1.0]


async def test_a_release_has_a_time_limit(a: Elector, shared: Shared) -> None:
    await a.attempt()
    shared.hang = True
    release = asyncio.create_task(a.release())
    await asyncio.wait({release}, timeout=100 * TIMING.attempt)
    assert release.done()
    assert isinstance(release.exception(), TimeoutError)
    assert not a.held


async def test_release_of_nothing_writes_nothing(a: Elector, shared: Shared) -> None:
    await a.release()
    assert shared.writes == 0


async def test_a_release_that_fails_still_ends_the_leading(a: Elector, shared: Shared) -> None:
    await a.attempt()
    shared.fail_before = True
    with pytest.raises(Transient):
        await a.release()
    assert not a.held


async def test_a_race_for_a_released_lease_has_one_winner(a: Elector, b: Elector, shared: Shared) -> None:
    shared.record = LeaseRecord("", 3, "9")
    results = await asyncio.gather(a.attempt(), b.attempt(), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["bool", "bool"] or any(
        isinstance(result, Transient) for result in results
    )
    assert a.held != b.held
