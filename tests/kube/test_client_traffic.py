"""How the client paces itself: pauses that the apiserver asks for, calls in flight, credentials that expire."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from agentmemory.core.errors import Transient
from agentmemory.core.key import Key
from agentmemory.kube import client as client_module
from agentmemory.kube.client import KubeClient
from agentmemory.kube.errors import NotLeading
from agentmemory.kube.traffic import READS, WRITES
from tests.fakekube.answers import status
from tests.fakekube.client import configuration_for
from tests.fakekube.clock import FakeClock
from tests.fakekube.requests import Request
from tests.fakekube.server import FakeKube
from tests.kube.objects import config_map

KEY = Key("ConfigMap", "default", "c")


def later(seconds: int, code: int = 429) -> Any:
    return code, status(code, "slow down", details={"retryAfterSeconds": seconds})


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - answers come through real sockets
            await asyncio.sleep(0.001)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def kube(fake: FakeKube, clock: FakeClock) -> AsyncIterator[KubeClient]:
    fake.cluster.put(config_map("default", a="1"))
    fake.requests.clear()
    async with KubeClient(configuration_for(fake.url), clock=clock) as client:
        yield client


async def test_a_call_that_is_put_off_is_made_again_after_the_pause(
    fake: FakeKube, kube: KubeClient, clock: FakeClock
) -> None:
    fake.faults.before.append(lambda request: later(7) if request.number == 1 else None)
    write = asyncio.create_task(kube.merge_patch(KEY, {"data": {"a": "2"}}))
    await until(lambda: clock.sleeping == 1)
    await clock.advance(6.9)
    assert len(fake.requests) == 1
    await clock.advance(0.2)
    patched = await write
    assert patched is not None
    assert patched["data"] == {"a": "2"}
    assert [request.code for request in fake.requests] == [429, 200]


@pytest.mark.parametrize(("code", "again"), [(429, True), (503, False)])
async def test_a_write_is_made_again_only_when_it_had_no_effect_for_sure(
    fake: FakeKube, kube: KubeClient, clock: FakeClock, code: int, again: bool
) -> None:
    fake.faults.before.append(lambda request: later(1, code) if request.number == 1 else None)
    write = asyncio.create_task(kube.merge_patch(KEY, {"data": {"a": "2"}}))
    await until(lambda: write.done() or clock.sleeping == 1)
    assert write.done() is not again
    await clock.advance(1.1)
    await asyncio.wait([write])
    assert (write.exception() is None) is again
    assert len(fake.requests) == (2 if again else 1)


async def test_a_pause_that_is_too_long_is_the_queues_business(fake: FakeKube, kube: KubeClient) -> None:
    fake.faults.before.append(lambda request: later(30))
    with pytest.raises(Transient, match="slow down") as raised:
        await kube.get(KEY)
    assert (raised.value.reason, raised.value.retry_after) == ("TooManyRequests", 30.0)
    fake.faults.clear()
    with pytest.raises(Transient, match="asked for a pause of 30 s") as raised:
        await kube.get(KEY)
    assert raised.value.retry_after == 30.0
    assert len(fake.requests) == 1


async def test_pauses_one_after_the_other_end_the_patience(fake: FakeKube, kube: KubeClient, clock: FakeClock) -> None:
    fake.faults.before.append(lambda request: later(4))
    read = asyncio.create_task(kube.get(KEY))
    for _ in range(2):
        await until(lambda: clock.sleeping == 1)
        await clock.advance(4.1)
    with pytest.raises(Transient, match="slow down"):
        await read
    assert len(fake.requests) == 3


async def test_all_callers_share_the_pause(fake: FakeKube, kube: KubeClient, clock: FakeClock) -> None:
    fake.faults.before.append(lambda request: later(5) if request.number == 1 else None)
    first = asyncio.create_task(kube.get(KEY))
    await until(lambda: clock.sleeping == 1)
    others = [asyncio.create_task(kube.merge_patch(KEY, {"data": {"a": str(number)}})) for number in range(300)]
    events = kube.watch("ConfigMap", seconds=0)
    watch = asyncio.create_task(anext(events))
    await until(lambda: clock.sleeping == 2 + WRITES)
    assert len(fake.requests) == 1
    await clock.advance(5.1)
    await asyncio.gather(first, *others, watch)
    await events.aclose()


async def test_a_list_goes_on_with_the_page_that_was_put_off(
    fake: FakeKube, kube: KubeClient, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAGE", 1)
    for name in ("d", "e"):
        fake.cluster.put(config_map("default", name))
    put_off: set[str] = set()

    def hook(request: Request) -> Any:
        page = request.query.get("continue", "first")
        if page in put_off:
            return None
        put_off.add(page)
        return later(2)

    fake.faults.before.append(hook)
    listing = asyncio.create_task(kube.list("ConfigMap", "default"))
    for _ in range(3):
        await until(lambda: clock.sleeping == 1)
        await clock.advance(2.1)
    items, _ = await listing
    assert [item["metadata"]["name"] for item in items] == ["c", "d", "e"]
    assert [request.code for request in fake.requests] == [429, 200] * 3


@pytest.mark.parametrize(("verb", "limit"), [("patch", WRITES), ("get", READS)])
async def test_so_many_calls_are_in_flight_and_the_others_stand_in_line(
    fake: FakeKube, kube: KubeClient, verb: str, limit: int
) -> None:
    release = asyncio.Event()
    order: list[int] = []

    async def hold(request: Request) -> None:
        if request.verb == verb:
            order.append(int(request.name.removeprefix("n")))
            await release.wait()

    fake.faults.before.append(hold)

    def call(number: int) -> Any:
        key = Key("ConfigMap", "default", f"n{number}")
        return kube.get(key) if verb == "get" else kube.merge_patch(key, {"data": {}})

    calls = [asyncio.create_task(call(number)) for number in range(300)]
    await until(lambda: len(order) == limit)
    # The other line is free.
    other = kube.merge_patch(KEY, {"data": {"a": "2"}}) if verb == "get" else kube.get(KEY)
    assert await asyncio.wait_for(other, 5)
    assert len(order) == limit
    release.set()
    await asyncio.gather(*calls)
    # First in, first out: who came `limit` places later never went before.
    assert all(abs(place - number) <= limit for place, number in enumerate(order))


async def test_the_lease_is_looked_at_when_the_write_is_sent(fake: FakeKube, clock: FakeClock) -> None:
    leading = [True]
    fake.faults.before.append(lambda request: later(5) if request.verb == "get" else None)
    async with KubeClient(configuration_for(fake.url), clock=clock, guard=lambda: leading[0]) as client:
        read = asyncio.create_task(client.get(KEY))
        await until(lambda: clock.sleeping == 1)
        write = asyncio.create_task(client.merge_patch(KEY, {"data": {"a": "2"}}))
        await until(lambda: clock.sleeping == 2)
        leading[0] = False
        read.cancel()
        await clock.advance(5.1)
        with pytest.raises(NotLeading):
            await write
    assert fake.requests.writes() == []
