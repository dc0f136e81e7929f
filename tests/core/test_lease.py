"""The Lease's thread: it keeps, it stops on loss, on a hanging main loop and on request."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from agentmemory.core.elector import LeaseRecord, Timing
from agentmemory.core.errors import Transient
from agentmemory.core.lease import Lease, LeaseLost
from tests.core.test_elector import Shared
from tests.fakekube.clock import FakeClock

# The clock stands still; only the pause between two attempts is real.
BRISK = Timing(period=0.005)


def lease_over(shared: Any, clock: FakeClock, timing: Timing = BRISK) -> Lease:
    @asynccontextmanager
    async def open_api() -> AsyncIterator[Any]:
        yield shared

    return Lease(open_api, "a", clock, timing)


def block_until(holds: Callable[[], bool]) -> None:
    """Block the main loop until the other thread has done something."""
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end, "the thread did nothing"
        time.sleep(0.001)


async def until(holds: Callable[[], bool]) -> None:
    """Let the main loop run until the other thread has done something; it gives no signal."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def lease(shared: Shared, clock: FakeClock) -> AsyncIterator[Lease]:
    made = lease_over(shared, clock)
    yield made
    await made.stop()


async def running(lease: Lease) -> "asyncio.Task[None]":
    acquired = asyncio.Event()
    task = asyncio.create_task(lease.run(acquired.set))
    waiter = asyncio.create_task(acquired.wait())
    await asyncio.wait({task, waiter}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    assert acquired.is_set()
    return task


async def finish(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_renews_in_a_thread_of_its_own_and_releases(lease: Lease, shared: Shared) -> None:
    assert not lease.held
    task = await running(lease)
    assert lease.held
    # A thread that is no daemon would keep a process alive that is to end.
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "lease"] == [True]
    before = shared.writes
    block_until(lambda: shared.writes > before + 1)
    await finish(task)
    await lease.stop()
    assert not lease.held
    assert shared.record is not None
    assert shared.record.holder == ""
    assert not [thread for thread in threading.enumerate() if thread.name == "lease"]


async def test_loss_is_told(lease: Lease, shared: Shared) -> None:
    task = await running(lease)
    shared.record = LeaseRecord("thief", 1, "1000000")
    with pytest.raises(LeaseLost, match="another process"):
        await asyncio.wait_for(task, 5)
    assert not lease.held


async def test_a_hanging_main_loop_loses_the_lease(lease: Lease, shared: Shared, clock: FakeClock) -> None:
    task = await running(lease)
    clock.jump(9)  # without a heartbeat from the main loop, which is busy in this very line
    before = shared.writes
    block_until(lambda: shared.writes > before + 1)
    clock.jump(2)
    assert lease.held
    silent = shared.writes + 1  # one may have been under way
    clock.jump(9)
    assert not lease.held
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(task, 5)
    assert shared.writes <= silent


async def test_a_living_main_loop_keeps_the_lease(lease: Lease, shared: Shared, clock: FakeClock) -> None:
    task = await running(lease)
    for _ in range(60):
        await clock.advance(1.0)
        before = shared.writes
        await until(lambda before=before: shared.writes > before)  # type: ignore[misc]
        assert lease.held
    await finish(task)


async def test_the_lease_is_taken_with_the_given_times(shared: Shared, clock: FakeClock) -> None:
    lease = lease_over(shared, clock, Timing(duration=33.0, deadline=20.0, period=0.005))
    task = await running(lease)
    assert set(shared.durations) == {33.0}
    clock.jump(19.0)
    assert lease.held
    await finish(task)
    await lease.stop()


async def test_the_same_trouble_is_told_once_until_it_is_over(lease: Lease, shared: Shared) -> None:
    with capture_logs() as logs:
        task = await running(lease)
        for _ in range(2):
            shared.fail_before = True
            reads = shared.reads
            await until(lambda reads=reads: shared.reads > reads + 3)  # type: ignore[misc]
            shared.fail_before = False
            writes = shared.writes
            await until(lambda writes=writes: shared.writes > writes + 1)  # type: ignore[misc]
        await finish(task)
        await lease.stop()
    told = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [(entry["error"], entry["held"]) for entry in told] == [("Unreachable: no answer", True)] * 2


async def test_silence_is_told_as_such(shared: Shared, clock: FakeClock) -> None:
    shared.hang = True
    lease = lease_over(shared, clock, Timing(attempt=0.005, period=0.005))
    with capture_logs() as logs:
        lease.start()
        await until(lambda: shared.reads > 2)
        await asyncio.wait_for(lease.stop(), 5)
    told = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [(entry["error"], entry["held"]) for entry in told] == [("no answer in time", False)]


async def test_trouble_is_survived(lease: Lease, shared: Shared) -> None:
    task = await running(lease)
    shared.fail_before = True
    reads = shared.reads
    await until(lambda: shared.reads > reads + 2)
    assert lease.held
    shared.fail_before = False
    writes = shared.writes
    await until(lambda: shared.writes > writes)
    assert not task.done()
    await finish(task)


async def test_a_standby_can_be_stopped(shared: Shared, clock: FakeClock) -> None:
    shared.record = LeaseRecord("other", 0, "5")
    lease = lease_over(shared, clock)
    led = asyncio.Event()
    task = asyncio.create_task(lease.run(led.set))
    await until(lambda: shared.reads > 3)
    await finish(task)
    await lease.stop()
    assert not led.is_set()
    assert shared.record == LeaseRecord("other", 0, "5")


async def test_a_lease_that_cannot_be_opened_ends_the_wait() -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[Any]:
        raise Transient("Unreachable", "no address")
        yield

    led = asyncio.Event()
    lease = Lease(broken, "a", timing=BRISK)
    with pytest.raises(LeaseLost, match="no address"):
        await asyncio.wait_for(lease.run(led.set), 5)
    assert not led.is_set()
    await lease.stop()


async def test_a_release_that_fails_is_no_obstacle(shared: Shared, clock: FakeClock) -> None:
    lease = lease_over(shared, clock, Timing(period=5.0))
    task = await running(lease)
    shared.fail_before = True
    await finish(task)
    await asyncio.wait_for(lease.stop(), 5)
    assert shared.record is not None
    assert shared.record.holder == "a"


async def test_stop_at_once_after_start_and_stop_without_start(shared: Shared, clock: FakeClock) -> None:
    lease = lease_over(shared, clock)
    await lease.stop()
    lease.start()
    await asyncio.wait_for(lease.stop(), 5)
    await asyncio.wait_for(lease.lost(), 5)


def test_a_main_loop_that_is_gone_gets_no_news(shared: Shared, clock: FakeClock) -> None:
    lease = lease_over(shared, clock)

    async def start() -> None:
        lease.start()
        await lease.acquired()

    asyncio.run(start())
    shared.record = LeaseRecord("thief", 1, "1000000")
    thread = next(thread for thread in threading.enumerate() if thread.name == "lease")
    thread.join(5)
    assert not thread.is_alive()
