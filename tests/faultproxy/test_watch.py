"""Watches through the proxy: with faults on their events, cut, hung, stale."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agentmemory.core.errors import OperatorError, Transient
from agentmemory.core.key import Key
from agentmemory.kube.client import KubeClient
from agentmemory.kube.errors import Stale
from agentmemory.kube.watch import Target
from agentmemory.kube.watch_kopf import KopfWatch
from tests.fakekube.server import FakeKube
from tests.faultproxy import (
    CutStream,
    DelayEvent,
    DropEvent,
    DuplicateEvent,
    EventMatch,
    Expire,
    FaultProxy,
    Gate,
    Hang,
    Match,
    Refuse,
    Reorder,
)
from tests.faultproxy import Stale as StaleRead
from tests.kube.objects import config_map

from .conftest import until

Found = list[tuple[str, str]]


class Follower:
    """A watch of ConfigMaps: names and types as they come, and the error that ended it."""

    def __init__(self, client: KubeClient, version: str | None) -> None:
        self.found: Found = []
        self.error: BaseException | None = None
        self.task = asyncio.create_task(self._follow(client, version))

    async def _follow(self, client: KubeClient, version: str | None) -> None:
        try:
            async for type_, obj in client.watch("ConfigMap", "memory", version):
                self.found.append((type_, obj["metadata"].get("name", "")))
        except OperatorError as error:
            self.error = error


@asynccontextmanager
async def watching(client: KubeClient, proxy: FaultProxy, version: str | None = None) -> AsyncIterator[Follower]:
    """A follower whose stream is open."""
    follower = Follower(client, version)
    try:
        await until("the stream is open", lambda: proxy.streams)
        yield follower
    finally:
        follower.task.cancel()
        await asyncio.gather(follower.task, return_exceptions=True)


async def refused(client: KubeClient, version: str) -> BaseException | None:
    follower = Follower(client, version)
    await asyncio.wait_for(follower.task, 20)
    assert follower.found == []
    return follower.error


def make(fake: FakeKube, *names: str) -> None:
    for name in names:
        fake.cluster.create(config_map("memory", name))


def added(*names: str) -> Found:
    return [("ADDED", name) for name in names]


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (DropEvent(), "ac"),
        (DuplicateEvent(), "abbc"),
        (DelayEvent(0.1), "abc"),
        (Reorder(1), "acb"),
        (Reorder(9, within=0.05), "acb"),
    ],
)
async def test_a_fault_on_an_event(
    client: KubeClient, proxy: FaultProxy, fake: FakeKube, action: Any, expected: str
) -> None:
    proxy.events.add(EventMatch("ADDED", kind="ConfigMap", name="b"), action)
    async with watching(client, proxy, "1") as follower:
        make(fake, "a", "b", "c")
        await until("the events", lambda: len(follower.found) >= len(expected))
        make(fake, "z")
        await until("the last", lambda: ("ADDED", "z") in follower.found)
        assert follower.found == added(*expected, "z")


async def test_a_cut_stream(client: KubeClient, proxy: FaultProxy, fake: FakeKube) -> None:
    proxy.events.add(EventMatch(name="b"), CutStream())
    async with watching(client, proxy) as follower:
        make(fake, "a", "b")
        await follower.task
    assert isinstance(follower.error, Transient)
    assert follower.found == added("a")


async def test_streams_are_cut_by_hand(client: KubeClient, proxy: FaultProxy, fake: FakeKube) -> None:
    async with watching(client, proxy) as follower:
        make(fake, "a")
        await until("an event", lambda: follower.found)
        (stream,) = proxy.streams
        stream.cut()
        await follower.task
    assert isinstance(follower.error, Transient)
    assert (stream.call.kind, stream.sent) == ("ConfigMap", 1)


async def test_a_stream_hangs_from_an_event_on(client: KubeClient, proxy: FaultProxy, fake: FakeKube) -> None:
    rule = proxy.events.add(EventMatch(name="b"), Hang())
    async with watching(client, proxy) as follower:
        make(fake, "a", "b", "c")
        await until("hung", lambda: rule.hits)
        (stream,) = proxy.streams
        assert stream.sent == 1
        stream.resume()
        await until("the rest", lambda: len(follower.found) == 2)
        assert follower.found == added("a", "c")


async def test_a_stream_hangs_by_hand_and_goes_on(client: KubeClient, proxy: FaultProxy, fake: FakeKube) -> None:
    async with watching(client, proxy) as follower:
        make(fake, "a")
        await until("an event", lambda: follower.found)
        (stream,) = proxy.streams
        stream.hang()
        make(fake, "b")
        async with asyncio.timeout(10):
            await client.get(Key("ConfigMap", "memory", "b"))  # other calls go through
        assert follower.found == added("a")
        stream.resume()
        await until("the rest", lambda: len(follower.found) == 2)


async def test_a_stream_expires(client: KubeClient, proxy: FaultProxy, fake: FakeKube) -> None:
    proxy.events.add(EventMatch(name="b"), Expire())
    async with watching(client, proxy) as follower:
        make(fake, "a", "b")
        await follower.task
    assert isinstance(follower.error, Stale)


async def test_a_watch_is_refused(client: KubeClient, proxy: FaultProxy) -> None:
    proxy.rules.add(Match(verb="watch"), Refuse(410))
    assert isinstance(await refused(client, "5"), Stale)
    proxy.rules.add(Match(verb="watch"), Refuse(429, retry_after=1))
    assert isinstance(await refused(client, "5"), Transient)


async def test_the_apiservers_own_refusal_goes_through(client: KubeClient, proxy: FaultProxy, fake: FakeKube) -> None:
    make(fake, "a")
    fake.cluster.log.compact()
    assert isinstance(await refused(client, "1"), Stale)


async def test_a_watcher_that_leaves_is_not_kept(client: KubeClient, proxy: FaultProxy, fake: FakeKube) -> None:
    async with watching(client, proxy):
        await until("open at the apiserver", lambda: fake.watches == 1)
    await until("closed", lambda: fake.watches == 0 and not proxy.streams)


class Watched:
    """A KopfWatch of ConfigMaps through the proxy."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.found: Found = []
        self.starts = 0
        self._watch = KopfWatch(proxy.configuration, agent="watcher")
        self.task = asyncio.create_task(self._watch.run([Target("ConfigMap")], self._event, self._start))

    def _event(self, kind: str, type_: str | None, obj: dict[str, Any]) -> None:
        self.found.append((type_ or "", obj["metadata"]["name"]))

    def _start(self, _: Target, version: str | None) -> None:
        self.starts += 1

    def names(self) -> list[str]:
        return [name for _, name in self.found]


@pytest.fixture
async def watched(proxy: FaultProxy) -> AsyncIterator[Callable[[], Watched]]:
    """Makes a Watched, ends it in the end."""
    made: list[Watched] = []

    def start() -> Watched:
        made.append(Watched(proxy))
        return made[-1]

    yield start
    for one in made:
        one.task.cancel()
    await asyncio.gather(*(one.task for one in made), return_exceptions=True)


async def test_a_stale_watch_begins_in_the_past_and_catches_up(
    proxy: FaultProxy, fake: FakeKube, watched: Callable[[], Watched]
) -> None:
    make(fake, "a", "b")
    old = await proxy.snapshot(["ConfigMap"])
    fake.cluster.delete(Key("ConfigMap", "memory", "a"))
    make(fake, "c")
    gate = Gate()
    proxy.rules.add(Match(verb="watch", agent="watcher"), StaleRead(old, until=gate))
    one = watched()
    await gate.arrived()
    await until("the past", lambda: len(one.found) == 2)
    assert sorted(one.names()) == ["a", "b"]
    assert one.starts == 1
    gate.release()
    await until("the present", lambda: {("DELETED", "a"), ("ADDED", "c")} <= set(one.found))


async def test_kopf_comes_back_after_a_cut(proxy: FaultProxy, fake: FakeKube, watched: Callable[[], Watched]) -> None:
    make(fake, "a")
    proxy.events.add(EventMatch(name="b"), CutStream())
    one = watched()
    await until("the first", lambda: one.found)
    make(fake, "b")
    await until("the second", lambda: "b" in one.names())
    assert proxy.counts.total(verb="watch", agent="watcher") == 2
