"""Resync: waits for rights and kinds, completes the store, repairs, spreads, and finds the watch dead."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from agentmemory.core.feed import Feed
from agentmemory.core.key import Key
from agentmemory.core.queue import KeyedQueue
from agentmemory.core.store import Store
from agentmemory.kube import resync
from agentmemory.kube.client import KubeClient
from agentmemory.kube.resync import Pace, Resync, is_as_new
from agentmemory.kube.watch import Target, WatchEnded
from tests.fakekube.answers import status
from tests.fakekube.client import configuration_for
from tests.fakekube.clock import FakeClock
from tests.fakekube.requests import Request
from tests.fakekube.server import FakeKube
from tests.kube.objects import config_map, pool

POOLS, MAPS = Target("BrokerPool"), Target("ConfigMap", "memory")
KEY = Key("BrokerPool", "memory", "p")


class Bench:
    """A Resync with everything it needs, its time in the test's hand."""

    def __init__(self, fake: FakeKube, kube: KubeClient, clock: FakeClock, targets: tuple[Target, ...]) -> None:
        self.fake = fake
        self.clock = clock
        self.store = Store()
        self.queue = KeyedQueue(self.clock)
        self.feed = Feed(self.store)
        self.resync = Resync(
            kube,
            self.feed,
            self.queue,
            targets,
            frozenset({"BrokerPool"}),
            self.clock,
            Pace(),
            random.Random(7),
        )

    def lists(self, kind: str = "BrokerPool") -> int:
        return len([one for one in self.fake.requests.of("list", kind) if one.query.get("limit") != "1"])

    async def advance(self, seconds: float, lists: int | None = None, kind: str = "BrokerPool") -> None:
        """Let time pass, then wait for so many answered lists."""
        await self.clock.advance(seconds)
        if lists is not None:
            await until(lambda: self.lists(kind) >= lists)
            await until(lambda: all(one.code for one in self.fake.requests))


async def until(holds: Any) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - answers come through real sockets
            await asyncio.sleep(0.001)


@asynccontextmanager
async def bench(fake: FakeKube, *targets: Target) -> AsyncIterator[Bench]:
    clock = FakeClock()
    async with KubeClient(configuration_for(fake.url), clock=clock) as kube:
        yield Bench(fake, kube, clock, targets or (POOLS,))


@asynccontextmanager
async def run(one: Bench) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(one.resync.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_available_waits_for_kinds_and_says_once_what_is_missing(fake: FakeKube) -> None:
    fake.hidden.add("BrokerPool")

    def forbid(request: Request) -> Any:
        return (403, status(403, 'cannot list resource "configmaps"')) if request.kind == "ConfigMap" else None

    fake.faults.before.append(forbid)
    async with bench(fake, POOLS, MAPS) as one:
        with capture_logs() as logs:
            task = asyncio.create_task(one.resync.available())
            for round_ in range(1, 4):
                await until(lambda: len(fake.requests.of("list", "ConfigMap")) >= round_)  # noqa: B023
                await until(lambda: one.clock.sleeping == 1)
                await one.clock.advance(5)
            assert not task.done()
            fake.hidden.clear()
            fake.faults.clear()
            await until(lambda: one.clock.sleeping == 1)
            await one.clock.advance(5)
            await asyncio.wait_for(task, 5)
    messages = [entry["message"] for entry in logs]
    assert len(messages) == 2
    assert "install the chart agent-memory-operator" in messages[0]
    assert 'cannot list resource "configmaps"' in messages[1]
    assert "install the chart's roles" in messages[1]


async def test_the_store_is_complete_when_every_stream_stands_and_was_listed(fake: FakeKube) -> None:
    fake.cluster.put(pool("memory"))
    fake.cluster.put(config_map("memory"))
    async with bench(fake, POOLS, MAPS) as one, run(one):
        assert one.resync.waiting_for() == "the watch of BrokerPool"
        one.resync.started(POOLS)
        await until(lambda: one.store.synced("BrokerPool"))
        assert one.resync.waiting_for() == "the watch of ConfigMap"
        assert not one.resync.synced.is_set()
        one.resync.started(MAPS)
        await asyncio.wait_for(one.resync.synced.wait(), 5)
        assert one.resync.waiting_for() is None
        assert one.store.get(KEY) is not None
        assert one.store.get(Key("ConfigMap", "memory", "c")) is not None


async def test_a_kind_in_two_namespaces_is_synced_when_both_are(fake: FakeKube) -> None:
    other = Target("ConfigMap", "other")
    async with bench(fake, MAPS, other) as one, run(one):
        one.resync.started(MAPS)
        await one.advance(0, lists=1, kind="ConfigMap")
        assert not one.store.synced("ConfigMap")
        one.resync.started(other)
        await asyncio.wait_for(one.resync.synced.wait(), 5)
        assert one.store.synced("ConfigMap")


@pytest.mark.parametrize("first", [True, False])
async def test_a_list_that_fails_is_tried_again_soon(fake: FakeKube, first: bool) -> None:
    async with bench(fake) as one, run(one):
        with capture_logs() as logs:
            if first:
                fake.faults.before.append(lambda request: 503)
            one.resync.started(POOLS)
            if not first:
                await asyncio.wait_for(one.resync.synced.wait(), 5)
                await until(lambda: one.clock.sleeping == 3)
                fake.faults.before.append(lambda request: 503)
                await one.clock.advance(96.1)
            await until(lambda: any(entry["event"] == "resync failed" for entry in logs))
        fake.faults.clear()
        fake.cluster.put(pool("memory"))
        await until(lambda: one.clock.sleeping == 2 + (not first))
        failed = one.lists()
        await one.advance(6.1, lists=failed + 1)
        await until(lambda: one.store.get(KEY) is not None)
        assert one.resync.synced.is_set()


async def test_a_list_that_is_put_off_for_long_is_tried_again_then(fake: FakeKube) -> None:
    later = (429, status(429, "slow down", details={"retryAfterSeconds": 40}))
    fake.faults.before.append(lambda request: later if request.number == 1 else None)
    async with bench(fake) as one, run(one):
        one.resync.started(POOLS)
        await one.advance(0, lists=1)
        await until(lambda: one.clock.sleeping == 2)
        await one.clock.advance(39.9)
        assert one.lists() == 1
        await one.advance(8.2, lists=2)
        await asyncio.wait_for(one.resync.synced.wait(), 5)


async def test_the_period_repairs(fake: FakeKube) -> None:
    for number in range(3):
        fake.cluster.put(pool("memory", f"p{number}"))
    async with bench(fake) as one, run(one):
        one.resync.started(POOLS)
        await asyncio.wait_for(one.resync.synced.wait(), 5)
        for obj in one.store.list("BrokerPool"):
            one.feed.event("BrokerPool", None, obj)
        fake.cluster.delete(Key("BrokerPool", "memory", "p0"))
        await until(lambda: one.clock.sleeping == 3)
        await one.advance(83, lists=1)
        assert one.lists() == 1
        await one.advance(13.1, lists=2)
        await until(lambda: one.store.get(Key("BrokerPool", "memory", "p0")) is None)
        assert len(one.queue) == 0  # what a change wakes is for the store's listener to queue


async def test_everything_is_replayed_spread_and_not_more_often_than_once_an_interval(
    fake: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that come due together share their calls to Kafka."""
    monkeypatch.setattr(resync, "TURN", 2)
    for number in range(20):
        fake.cluster.put(pool("memory", f"p{number}"))
    fake.cluster.put(config_map("memory"))
    async with bench(fake, POOLS, MAPS) as one, run(one):
        one.resync.started(POOLS)
        one.resync.started(MAPS)
        await asyncio.wait_for(one.resync.synced.wait(), 5)
        for obj in one.store.list("BrokerPool") + one.store.list("ConfigMap"):
            one.feed.event(obj["kind"], None, obj)
        await until(lambda: one.clock.sleeping == 4)
        await one.clock.advance(119.9)
        assert len(one.queue) == 0
        await until(lambda: one.clock.sleeping == 4)
        await one.clock.advance(12.2)
        await until(lambda: len(one.queue) == 20)
        assert {key.kind for key in one.queue._delayed} == {"BrokerPool"}
        due = [due for due, _ in one.queue._delayed.values()]
        assert 5 < max(due) - min(due) <= 10
        assert sorted(Counter(due).values()) == [2] * 10


async def test_a_stream_that_starts_afresh_is_compared_at_once(fake: FakeKube) -> None:
    fake.cluster.put(pool("memory"))
    async with bench(fake) as one, run(one):
        one.resync.started(POOLS)
        await asyncio.wait_for(one.resync.synced.wait(), 5)
        fake.cluster.delete(KEY)
        one.resync.started(POOLS)
        await until(lambda: one.store.get(KEY) is None)
        assert len(one.queue) == 0


async def test_a_store_that_the_stream_has_filled_is_listed_an_interval_later(fake: FakeKube) -> None:
    fake.cluster.put(pool("memory"))
    async with bench(fake) as one, run(one):
        one.feed.event("BrokerPool", None, fake.cluster.get(KEY) or {})
        version = str(fake.cluster.log.version)
        one.resync.started(POOLS, version)
        assert one.resync.synced.is_set()
        await one.resync.catch_up(version)
        await until(lambda: one.clock.sleeping == 3)
        assert one.lists() == 0
        fake.cluster.delete(KEY)
        await one.advance(96.1, lists=1)
        await until(lambda: one.store.get(KEY) is None)
        one.resync.started(POOLS, str(fake.cluster.log.version))
        await until(lambda: one.lists() == 2)  # what went meanwhile is told by nobody


async def test_a_dead_watch_is_noticed_within_two_minutes(fake: FakeKube) -> None:
    async with bench(fake) as one, run(one) as task:
        one.resync.started(POOLS)
        await asyncio.wait_for(one.resync.synced.wait(), 5)
        await until(lambda: one.clock.sleeping == 3)
        fake.cluster.put(pool("memory"))
        await one.advance(96.1, lists=2)
        await until(lambda: one.store.get(KEY) is not None)
        assert not task.done()
        await one.clock.advance(22.1)
        with pytest.raises(ExceptionGroup) as raised:
            await asyncio.wait_for(task, 5)
        assert raised.group_contains(WatchEnded, match="BrokerPool/memory/p")
        assert one.clock.monotonic() - 1000 < 120


async def test_a_new_leader_lists_until_the_lists_are_as_new_as_its_lease(fake: FakeKube) -> None:
    fake.cluster.put(pool("memory"))
    async with bench(fake, POOLS) as one:
        await one.resync.once(POOLS)
        old = fake.cluster.log.version
        await one.resync.catch_up(str(old))
        assert one.lists() == 1, "as new already"
        fake.cluster.delete(KEY)
        version = str(fake.cluster.log.version)
        catching_up = asyncio.create_task(one.resync.catch_up(version))
        await until(catching_up.done)
        await catching_up
        assert one.lists() == 2
        assert one.store.get(KEY) is None


async def test_a_list_that_is_older_than_the_lease_is_not_enough(fake: FakeKube) -> None:
    """An apiserver that lags answers with what was; a call that fails is made again too."""
    fake.cluster.put(pool("memory"))
    async with bench(fake, POOLS) as one:
        before = fake.cluster.get(KEY)
        stale = {"kind": "BrokerPoolList", "metadata": {"resourceVersion": str(fake.cluster.log.version)}}
        fake.cluster.delete(KEY)
        answers: list[Any] = [(200, stale | {"items": [before]}), 500]
        fake.faults.before.append(lambda request: answers.pop(0) if request.verb == "list" and answers else None)
        catching_up = asyncio.create_task(one.resync.catch_up(str(fake.cluster.log.version)))
        async with asyncio.timeout(5):
            while not catching_up.done():
                await one.clock.advance(5)
                await asyncio.sleep(0.001)
        await catching_up
        assert one.lists() == 3
        assert one.store.get(KEY) is None


@pytest.mark.parametrize(
    ("version", "other", "verdict"),
    [("5", "5", True), ("10", "9", True), ("9", "10", False), ("", "1", False), ("x", "9", True), ("1", "", True)],
)
def test_which_version_is_as_new(version: str, other: str, verdict: bool) -> None:
    assert is_as_new(version, other) is verdict
