"""Workers: outcomes and errors become what happens next; nothing stops them but the end."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from structlog.testing import capture_logs

from agentmemory.core.backoff import Backoff
from agentmemory.core.errors import Bug, Conflict, Denied, Invalid, Transient
from agentmemory.core.key import Key
from agentmemory.core.metrics import Metrics
from agentmemory.core.outcome import Again, Done, Outcome
from agentmemory.core.queue import KeyedQueue, Priority
from agentmemory.core.router import CURRENT, URGENT
from agentmemory.core.workers import Workers, work
from tests.fakekube.clock import FakeClock, settle

KEY = Key("K", "n", "a")


class Scripted:
    """Does what the test says; `runs` lists the keys."""

    kind = "K"

    def __init__(self, act: Callable[[Key], Any] = lambda key: Done()) -> None:
        self.act = act
        self.runs: list[Key] = []

    def owners(self, obj: dict[str, Any]) -> Iterable[Key]:
        return ()

    async def reconcile(self, key: Key) -> Outcome:
        self.runs.append(key)
        result = self.act(key)
        if asyncio.iscoroutine(result):
            result = await result
        if isinstance(result, Exception):
            raise result
        assert isinstance(result, Done | Again)
        return result


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> KeyedQueue:
    return KeyedQueue(clock, Backoff(base=1.0, jitter=0.0))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


async def step(queue: KeyedQueue, reconciler: Scripted, metrics: Metrics, workers: Workers | None = None) -> Workers:
    workers = workers or Workers(queue, {"K": reconciler}, metrics)
    queue.add(KEY)
    await workers.step(await queue.get())
    return workers


@pytest.mark.parametrize(
    ("result", "delay", "outcome"),
    [
        (Done(), None, "done"),
        (Again(7.0, "waiting"), 7.0, "again"),
        (Again(0.0, "one more step"), 0.0, "again"),
        (Invalid("Bad", "mend it"), None, "invalid"),
        (Transient("Busy", "later"), 1.0, "transient"),
        (Transient("Busy", "later", 9.0), 9.0, "transient"),
        (Denied("Forbidden", "no right"), 60.0, "denied"),
        (Conflict("NotOurs", "foreign"), 60.0, "conflict"),
        (Bug("Broken", "assumption"), 1.0, "bug"),
        (ValueError("what"), 1.0, "bug"),
        (TimeoutError("its own"), 1.0, "bug"),
    ],
)
async def test_every_result_has_its_consequence(
    queue: KeyedQueue, clock: FakeClock, metrics: Metrics, result: Any, delay: float | None, outcome: str
) -> None:
    await step(queue, Scripted(lambda key: result), metrics)
    assert queue.running == 0
    if delay is None:
        assert len(queue) == 0
    elif delay == 0:
        assert queue.due()
    else:
        assert queue.next_due() == clock.monotonic() + delay
    assert f'agentmemory_reconciles_total{{kind="K",outcome="{outcome}"}} 1.0' in metrics.text().decode()
    assert 'agentmemory_reconcile_seconds_count{kind="K"} 1.0' in metrics.text().decode()


async def test_the_same_error_is_logged_once_until_it_changes_or_goes(queue: KeyedQueue, metrics: Metrics) -> None:
    results: list[Any] = [
        ValueError("1"),
        ValueError("2"),
        Transient("Busy", "x"),
        Transient("Busy", "x"),
        Transient("Busy", "y"),
        Done(),
        Done(),
        Transient("Busy", "y"),
    ]
    reconciler = Scripted(lambda key: results.pop(0))
    workers = Workers(queue, {"K": reconciler}, metrics)
    with capture_logs() as logs:
        for _ in range(8):
            await step(queue, reconciler, metrics, workers)
    told = [(entry["event"], entry.get("message")) for entry in logs]
    assert told == [
        ("bug", None),
        ("transient", "x"),
        ("transient", "y"),
        ("recovered", None),
        ("transient", "y"),
    ]
    assert isinstance(logs[0]["exc_info"], ValueError)
    assert all("exc_info" not in entry for entry in logs[1:])


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ([Done(), Done()], []),
        ([Transient("Busy", "x"), Transient("Slow", "x")], [("transient", "Busy"), ("transient", "Slow")]),
        ([ValueError("1"), KeyError("1")], [("bug", None), ("bug", None)]),
        ([Bug("Broken", "x"), Bug("Broken", "x"), Done()], [("bug", None), ("recovered", None)]),
        ([Invalid("Bad", "x"), Invalid("Bad", "x")], [("invalid", "Bad")]),
        ([Denied("Bad", "x"), Conflict("Bad", "x"), Again(1, "")], [("denied", "Bad"), ("recovered", None)]),
    ],
)
async def test_what_is_news_and_what_is_not(
    queue: KeyedQueue, metrics: Metrics, results: list[Any], told: list[tuple[str, str | None]]
) -> None:
    left = list(results)
    reconciler = Scripted(lambda key: left.pop(0))
    workers = Workers(queue, {"K": reconciler}, metrics)
    with capture_logs() as logs:
        for _ in results:
            await step(queue, reconciler, metrics, workers)
    assert [(entry["event"], entry.get("reason")) for entry in logs if entry["log_level"] != "debug"] == told
    raised = [result for result in results if isinstance(result, Exception)]
    for entry in logs:
        assert entry["event"] != "bug" or entry["exc_info"] in raised


async def test_one_keys_bug_does_not_hide_anothers(queue: KeyedQueue, metrics: Metrics) -> None:
    reconciler = Scripted(lambda key: ValueError("x"))
    workers = Workers(queue, {"K": reconciler}, metrics)
    with capture_logs() as logs:
        for name in ("a", "b"):
            queue.add(Key("K", "n", name))
            await workers.step(await queue.get())
    assert [entry["key"] for entry in logs] == ["K/n/a", "K/n/b"]


async def test_a_reconcile_beyond_its_time_is_cut_off_and_retried(queue: KeyedQueue, metrics: Metrics) -> None:
    async def hang() -> Outcome:
        await asyncio.Event().wait()
        return Done()

    workers = Workers(queue, {"K": Scripted(lambda key: hang())}, metrics, time_limit=0.01)
    with capture_logs() as logs:
        await step(queue, Scripted(), metrics, workers)
    assert [(entry["reason"], entry["message"]) for entry in logs] == [
        ("TimedOut", "reconciling K/n/a took longer than 0.01 s")
    ]
    assert len(queue) == 1


async def test_the_time_limit_is_the_callers(queue: KeyedQueue, clock: FakeClock) -> None:
    ended = asyncio.Event()

    async def hang() -> Outcome:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return Done()

    queue.add(KEY)
    task = asyncio.create_task(work(queue, {"K": Scripted(lambda key: hang())}, concurrency=1, time_limit=0.01))
    await asyncio.wait_for(ended.wait(), 5)
    queue.close()
    await task


async def test_the_duration_of_a_reconcile_is_counted(queue: KeyedQueue, metrics: Metrics) -> None:
    began = time.perf_counter()
    await step(queue, Scripted(), metrics)
    most = time.perf_counter() - began
    line = next(line for line in metrics.text().decode().splitlines() if "reconcile_seconds_sum" in line)
    assert 0 <= float(line.split()[-1]) <= most


async def test_the_current_key_is_known_to_the_store_while_it_runs(queue: KeyedQueue, metrics: Metrics) -> None:
    seen: list[Key | None] = []

    def act(key: Key) -> Outcome:
        seen.append(CURRENT.get())
        return Done()

    await step(queue, Scripted(act), metrics)
    assert seen == [KEY]
    assert CURRENT.get() is None


async def test_a_users_edit_finds_a_free_worker(queue: KeyedQueue) -> None:
    """All that replay wait for something: the one that a user edited is looked at all the same, and is marked so."""
    gate = asyncio.Event()
    urgent: dict[str, bool] = {}

    async def act(key: Key) -> Outcome:
        urgent[key.name] = URGENT.get()
        await gate.wait()
        return Done()

    task = asyncio.create_task(work(queue, {"K": Scripted(act)}, concurrency=4))
    for number in range(10):
        queue.add(Key("K", "n", f"replayed-{number}"), Priority.RESYNC)
    await settle()
    assert len(urgent) == 4
    queue.add(Key("K", "n", "child"), Priority.CHILD)
    queue.add(Key("K", "n", "edited"), Priority.USER)
    await settle()
    assert len(urgent) == 5
    assert [name for name, asked in urgent.items() if asked] == ["edited"]
    gate.set()
    await settle(100)
    assert len(urgent) == 12
    queue.close()
    await task


async def test_concurrency_is_bounded_and_a_key_never_runs_twice_at_once(queue: KeyedQueue) -> None:
    running: set[Key] = set()
    most = 0
    gate = asyncio.Event()

    async def act(key: Key) -> Outcome:
        nonlocal most
        assert key not in running
        running.add(key)
        most = max(most, len(running))
        await gate.wait()
        running.discard(key)
        return Done()

    reconciler = Scripted(act)
    task = asyncio.create_task(work(queue, {"K": reconciler}, concurrency=3))
    for number in range(10):
        queue.add(Key("K", "n", str(number)))
    await settle()
    for number in range(4):
        queue.add(Key("K", "n", str(number)))
    await settle()
    assert most == 3 + 1, "and one for users' edits"
    gate.set()
    await settle(100)
    assert len(reconciler.runs) == 14
    assert most == 3 + 1
    queue.close()
    await task


async def test_close_lets_running_reconciles_end(queue: KeyedQueue) -> None:
    gate = asyncio.Event()

    async def act(key: Key) -> Outcome:
        await gate.wait()
        return Done()

    task = asyncio.create_task(work(queue, {"K": Scripted(act)}, concurrency=2))
    queue.add(KEY)
    await settle()
    queue.close()
    await settle()
    assert not task.done()
    gate.set()
    await asyncio.wait_for(task, 1)
    assert queue.running == 0


async def test_cancelled_workers_give_their_key_back(queue: KeyedQueue) -> None:
    async def act(key: Key) -> Outcome:
        await asyncio.Event().wait()
        return Done()

    task = asyncio.create_task(work(queue, {"K": Scripted(act)}, concurrency=1))
    queue.add(KEY)
    await settle()
    assert queue.running == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert queue.running == 0
