"""The queue: one state per key, order, fairness, delays, waiting workers."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from agentmemory.core.backoff import Backoff
from agentmemory.core.key import Key
from agentmemory.core.queue import Closed, KeyedQueue, Priority
from tests.fakekube.clock import FakeClock, settle


def key(name: str) -> Key:
    return Key("K", "n", name)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def queue(clock: FakeClock) -> AsyncIterator[KeyedQueue]:
    made = KeyedQueue(clock, Backoff(base=1.0, cap=60.0, jitter=0.0), patience=5.0, share=4)
    yield made
    made.close()


async def take(queue: KeyedQueue) -> str:
    assert queue.due(), "nothing is due"
    return (await queue.get()).name


async def run(queue: KeyedQueue) -> str:
    name = await take(queue)
    queue.done(key(name))
    return name


async def test_adds_are_deduplicated(queue: KeyedQueue) -> None:
    for _ in range(3):
        queue.add(key("a"))
    assert len(queue) == 1
    assert await run(queue) == "a"
    assert len(queue) == 0
    assert not queue.due()


async def test_urgent_before_patient_and_first_in_first_out(queue: KeyedQueue) -> None:
    queue.add(key("resync-1"), Priority.RESYNC)
    queue.add(key("child"), Priority.CHILD)
    queue.add(key("user-1"), Priority.USER)
    queue.add(key("resync-2"), Priority.RESYNC)
    queue.add(key("user-2"), Priority.USER)
    assert [await run(queue) for _ in range(5)] == ["user-1", "user-2", "child", "resync-1", "resync-2"]


async def test_a_more_urgent_add_moves_a_key_forward_and_never_back(queue: KeyedQueue) -> None:
    queue.add(key("a"), Priority.RESYNC)
    queue.add(key("b"), Priority.CHILD)
    queue.add(key("a"), Priority.USER)
    queue.add(key("a"), Priority.RESYNC)
    assert len(queue) == 2
    assert [await run(queue), await run(queue)] == ["a", "b"]


async def test_a_running_key_is_not_handed_out_again(queue: KeyedQueue) -> None:
    queue.add(key("a"))
    assert await take(queue) == "a"
    assert queue.running == 1
    queue.add(key("a"))
    assert not queue.due()
    queue.done(key("a"))
    assert queue.running == 0
    assert await run(queue) == "a"
    assert not queue.due()


async def test_adds_during_a_run_merge_to_the_earliest_and_most_urgent(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("a"))
    await take(queue)
    queue.add(key("a"), Priority.RESYNC, after=5)
    queue.add(key("a"), Priority.USER, after=30)
    queue.done(key("a"))
    queue.add(key("other"), Priority.CHILD, after=5)
    await clock.advance(5)
    assert [await run(queue), await run(queue)] == ["a", "other"]


async def test_adds_during_a_run_wait_for_the_earliest_of_their_times(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("a"))
    await take(queue)
    queue.add(key("a"), after=30)
    queue.add(key("a"), after=5)
    queue.add(key("a"), after=20)
    queue.done(key("a"))
    assert queue.next_due() == clock.monotonic() + 5
    await clock.advance(4.9)
    assert not queue.due()
    await clock.advance(0.1)
    assert await run(queue) == "a"
    assert len(queue) == 0


async def test_an_ask_that_is_repeated_keeps_its_place(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("a"))
    await clock.advance(1)
    queue.add(key("b"))
    queue.add(key("c"))
    queue.add(key("b"))
    queue.add(key("a"))
    assert [await run(queue) for _ in range(3)] == ["a", "b", "c"]


async def test_a_delayed_key_waits_for_its_time(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("a"), after=10)
    assert len(queue) == 1
    assert queue.next_due() == clock.monotonic() + 10
    await clock.advance(9.9)
    assert not queue.due()
    await clock.advance(0.1)
    assert await run(queue) == "a"
    assert queue.next_due() is None


async def test_the_earlier_delay_wins_whatever_the_order(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("a"), after=10)
    queue.add(key("a"), after=3)
    queue.add(key("b"), after=3)
    queue.add(key("b"), after=10)
    await clock.advance(3)
    assert sorted([await run(queue), await run(queue)]) == ["a", "b"]
    await clock.advance(10)
    assert not queue.due()


async def test_an_immediate_add_overrides_a_delay(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("a"), after=10)
    queue.add(key("a"))
    assert await run(queue) == "a"
    await clock.advance(20)
    assert not queue.due()


async def test_a_delayed_add_of_a_ready_key_changes_nothing(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("a"))
    queue.add(key("a"), after=10)
    assert len(queue) == 1
    assert await run(queue) == "a"
    await clock.advance(20)
    assert not queue.due()


async def test_failures_back_off_per_key_and_success_forgets(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("a"))
    delays = []
    for _ in range(3):
        await take(queue)
        delays.append(queue.retry(key("a")))
        await clock.advance(delays[-1])
    assert delays == [1, 2, 4]
    await run(queue)
    queue.add(key("a"))
    await take(queue)
    assert queue.retry(key("a")) == 1


async def test_a_failed_key_that_was_added_meanwhile_runs_at_once_but_keeps_its_count(queue: KeyedQueue) -> None:
    queue.add(key("a"))
    await take(queue)
    queue.add(key("a"))
    assert queue.retry(key("a")) == 1
    await take(queue)
    assert queue.retry(key("a")) == 2


async def test_retry_keeps_the_floor(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("a"))
    await take(queue)
    assert queue.retry(key("a"), floor=60) == 60
    await clock.advance(59)
    assert not queue.due()
    await clock.advance(1)
    assert queue.due()


async def test_again_comes_back_later_without_counting_as_failure(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("a"))
    for _ in range(3):
        await take(queue)
        queue.again(key("a"), 5)
        assert not queue.due()
        await clock.advance(5)
    await take(queue)
    assert queue.retry(key("a")) == 1


async def test_again_forgets_failures(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("a"))
    for _ in range(2):
        await take(queue)
        await clock.advance(queue.retry(key("a")))
    await take(queue)
    queue.again(key("a"), 1)
    await clock.advance(1)
    await take(queue)
    assert queue.retry(key("a")) == 1


async def test_a_flood_of_edits_does_not_starve_the_oldest(queue: KeyedQueue, clock: FakeClock) -> None:
    for number in range(10):
        queue.add(key(f"old-{number}"), Priority.RESYNC)
    await clock.advance(6)
    taken = []
    for number in range(40):
        queue.add(key(f"user-{number}"))
        taken.append(await run(queue))
    old = [index for index, name in enumerate(taken) if name.startswith("old")]
    assert len(old) == 10
    assert max(old) < 40
    assert all(later - earlier == 4 for earlier, later in pairwise(old))


@pytest.mark.parametrize(("waited", "place"), [(4.9, None), (5.0, 3), (60.0, 3)])
async def test_the_oldest_gets_the_fourth_take_once_it_waited_five_seconds(waited: float, place: int | None) -> None:
    clock = FakeClock()
    queue = KeyedQueue(clock)  # by default
    queue.add(key("old"), Priority.RESYNC)
    await clock.advance(waited)
    taken = []
    for number in range(7):
        queue.add(key(f"user-{number}"))
        taken.append(await run(queue))
    assert taken.count("old") == (0 if place is None else 1)
    if place is not None:
        assert taken.index("old") == place


async def test_before_the_patience_ends_edits_go_first(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("old"), Priority.RESYNC)
    await clock.advance(4.9)
    taken = []
    for number in range(12):
        queue.add(key(f"user-{number}"))
        taken.append(await run(queue))
    assert "old" not in taken


async def test_a_user_edit_overtakes_ten_thousand(queue: KeyedQueue, clock: FakeClock) -> None:
    for number in range(10_000):
        queue.add(key(str(number)), Priority.RESYNC)
    await clock.advance(60)
    queue.add(key("edit"))
    assert "edit" in [await run(queue) for _ in range(2)]


async def test_oldest_age(queue: KeyedQueue, clock: FakeClock) -> None:
    assert queue.oldest_age() == 0
    queue.add(key("a"), Priority.RESYNC)
    await clock.advance(3)
    queue.add(key("b"))
    assert queue.oldest_age() == 3
    # Moving forward does not make it younger.
    queue.add(key("a"))
    assert queue.oldest_age() == 3
    assert [await run(queue), await run(queue)] == ["a", "b"]


async def test_a_waiting_worker_is_woken_by_an_add(queue: KeyedQueue) -> None:
    worker = asyncio.create_task(queue.get())
    await settle()
    queue.add(key("a"))
    assert await worker == key("a")


async def test_a_worker_for_edits_takes_nothing_else(queue: KeyedQueue) -> None:
    queue.add(key("replayed"), Priority.RESYNC)
    queue.add(key("child"), Priority.CHILD)
    worker = asyncio.create_task(queue.get(Priority.USER))
    await settle()
    assert not worker.done()
    queue.add(key("edited"))
    assert await worker == key("edited")
    assert queue.is_urgent(key("edited"))
    assert await queue.get() == key("child")
    assert not queue.is_urgent(key("child"))
    queue.done(key("edited"))
    assert not queue.is_urgent(key("edited"))


async def test_a_wake_up_for_one_key_is_not_lost_on_another(queue: KeyedQueue) -> None:
    """The first worker is woken for the replay and takes the edit; the second must come for the replay."""
    workers = [asyncio.create_task(queue.get()) for _ in range(2)]
    edits = asyncio.create_task(queue.get(Priority.USER))
    await settle()
    queue.add(key("replayed"), Priority.RESYNC)
    queue.add(key("edited"))
    await settle()
    assert sorted(one.result().name for one in (*workers, edits) if one.done()) == ["edited", "replayed"]
    queue.close()
    await asyncio.gather(*workers, edits, return_exceptions=True)


async def test_workers_for_edits_leave_the_oldest_its_share(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("old"), Priority.RESYNC)
    await clock.advance(60)
    taken = []
    for number in range(8):
        queue.add(key(f"user-{2 * number}"))
        queue.add(key(f"user-{2 * number + 1}"))
        taken.append(await queue.get())
        taken.append(await queue.get(Priority.USER))
    assert taken.index(key("old")) == 2 * 3, "the fourth take of whoever takes all"


async def test_waiting_workers_are_woken_one_per_key(queue: KeyedQueue) -> None:
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await settle()
    queue.add(key("a"))
    queue.add(key("b"))
    await settle()
    assert sorted(worker.result().name for worker in workers if worker.done()) == ["a", "b"]
    queue.close()
    await asyncio.gather(*workers, return_exceptions=True)


async def test_a_waiting_worker_is_woken_when_a_delay_ends(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("late"), after=20)
    worker = asyncio.create_task(queue.get())
    await settle()
    # An earlier delay that comes in while the worker sleeps shortens the sleep; a later one does not prolong it.
    queue.add(key("early"), after=5)
    queue.add(key("latest"), after=50)
    await clock.advance(5)
    assert await worker == key("early")


async def test_the_sleep_follows_what_is_still_delayed(queue: KeyedQueue, clock: FakeClock) -> None:
    queue.add(key("a"), after=5)
    queue.add(key("b"), after=7)
    queue.add(key("a"))
    assert await run(queue) == "a"
    worker = asyncio.create_task(queue.get())
    await settle()
    assert clock.sleeping == 1
    await clock.advance(6.9)
    assert not worker.done()
    await clock.advance(0.1)
    assert await worker == key("b")
    assert clock.sleeping == 0


async def test_one_sleep_is_enough_for_all_delays(queue: KeyedQueue, clock: FakeClock) -> None:
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    for number in (50, 5, 5, 20, 1):
        queue.add(key(str(number)), after=number)
        await settle()
        assert clock.sleeping == 1
    await clock.advance(1)
    await clock.advance(4)
    await clock.advance(15)
    assert sorted(worker.result().name for worker in workers) == ["1", "20", "5"]


class Watched(FakeClock):
    """Counts how often somebody looks at it."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return super().monotonic()


async def test_a_key_costs_the_same_however_many_workers_wait() -> None:
    async def looks(workers: int, after: float) -> int:
        clock = Watched()
        queue = KeyedQueue(clock)
        waiting = [asyncio.create_task(queue.get()) for _ in range(workers)]
        await settle()
        before = clock.looks
        queue.add(key("a"), after=after)
        await clock.advance(after)
        assert sum(worker.done() for worker in waiting) == 1
        cost = clock.looks - before
        queue.close()
        await asyncio.gather(*waiting, return_exceptions=True)
        return cost

    for after in (0.0, 5.0):
        assert await looks(50, after) == await looks(3, after)


async def test_nothing_sleeps_when_nothing_is_delayed(queue: KeyedQueue, clock: FakeClock) -> None:
    worker = asyncio.create_task(queue.get())
    await settle()
    assert clock.sleeping == 0
    worker.cancel()


async def test_a_cancelled_worker_passes_its_wake_up_on(queue: KeyedQueue) -> None:
    first, second = (asyncio.create_task(queue.get()) for _ in range(2))
    await settle()
    queue.add(key("a"))
    first.cancel()
    assert await asyncio.wait_for(second, 1) == key("a")
    assert first.cancelled() or (await asyncio.gather(first, return_exceptions=True))


async def test_a_cancelled_waiter_is_forgotten(queue: KeyedQueue) -> None:
    first, second = (asyncio.create_task(queue.get()) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    assert first.cancelled()
    queue.add(key("a"))
    assert await asyncio.wait_for(second, 1) == key("a")


async def test_a_shut_queue_collects_and_opens(clock: FakeClock) -> None:
    queue = KeyedQueue(clock, opened=False)
    assert not queue.is_open
    workers = [asyncio.create_task(queue.get()) for _ in range(2)]
    queue.add(key("a"))
    queue.add(key("b"))
    queue.add(key("a"))
    await settle()
    assert not any(worker.done() for worker in workers)
    assert len(queue) == 2
    assert not queue.due()
    queue.open()
    assert sorted([(await worker).name for worker in workers]) == ["a", "b"]
    queue.pause()
    assert queue.is_open is False
    queue.add(key("c"))
    assert not queue.due()
    queue.close()


async def test_close_ends_waiting_and_future_gets_and_ignores_adds(queue: KeyedQueue) -> None:
    queue.add(key("late"), after=5)
    worker = asyncio.create_task(queue.get())
    await settle()
    queue.close()
    with pytest.raises(Closed):
        await worker
    queue.add(key("a"))
    with pytest.raises(Closed):
        await queue.get()


async def test_a_run_may_end_after_close(queue: KeyedQueue) -> None:
    queue.add(key("a"))
    await take(queue)
    queue.close()
    queue.retry(key("a"))
    assert queue.running == 0


async def test_defaults_work_with_the_real_clock() -> None:
    queue = KeyedQueue()
    queue.add(key("a"), after=0.001)
    assert await asyncio.wait_for(queue.get(), 5) == key("a")
    queue.close()


async def test_a_running_key_that_a_user_asked_for_again_is_awaited() -> None:
    queue = KeyedQueue()
    queue.add(key("replayed"), Priority.RESYNC)
    assert not queue.is_awaited(key("replayed"))
    await queue.get()
    queue.add(key("replayed"), Priority.CHILD)
    assert not queue.is_awaited(key("replayed"))
    queue.add(key("replayed"), Priority.USER)
    assert queue.is_awaited(key("replayed"))
    queue.done(key("replayed"))
    assert not queue.is_awaited(key("replayed"))
