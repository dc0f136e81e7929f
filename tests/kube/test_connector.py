"""Whoever closes a client has no connection left: not even one whose server keeps silent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop
from kubernetes.aio.client import Configuration

from agentmemory.core.key import Key
from agentmemory.kube.client import KubeClient
from agentmemory.kube.connector import Connector
from agentmemory.kube.watch import Target
from agentmemory.kube.watch_kopf import KopfWatch
from tests.fakekube.server import FakeKube
from tests.kube.objects import config_map
from tests.kube.tlsfront import TlsFront


@pytest.fixture
def front(fake: FakeKube, tmp_path: Path) -> Iterator[TlsFront]:
    fake.cluster.namespace("memory")
    fake.cluster.create(config_map("memory", "a"))
    with TlsFront(fake.url, tmp_path) as running:
        yield running


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - threads change it
            await asyncio.sleep(0.01)


async def until_none_is_left(front: TlsFront) -> None:
    """Far less than what a TLS goodbye may take."""
    await until(lambda: front.accepted and front.ended == front.accepted)


async def leave_a_stream(front: TlsFront) -> None:
    client = KubeClient(front.configuration())
    events = client.watch("ConfigMap", "memory", "1")
    await anext(events)
    await events.aclose()
    assert await client.get(Key("ConfigMap", "memory", "a"))
    assert front.ended == 0, "its server has not answered the goodbye"
    await client.close()
    await until_none_is_left(front)


async def test_a_stream_that_was_left(front: TlsFront) -> None:
    await leave_a_stream(front)


def test_the_same_on_the_operators_own_loop(tmp_path: Path) -> None:
    async def served() -> None:
        async with FakeKube() as fake:
            fake.cluster.namespace("memory")
            fake.cluster.create(config_map("memory", "a"))
            with TlsFront(fake.url, tmp_path) as front:
                await leave_a_stream(front)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(served())


async def test_kopfs_streams(front: TlsFront) -> None:
    async def login() -> Configuration:
        return front.configuration()

    seen: list[str] = []
    watch = KopfWatch(login).run([Target("ConfigMap")], lambda *found: seen.append(found[0]), lambda *_: None)
    task = asyncio.create_task(watch)
    await until(lambda: seen)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until_none_is_left(front)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=Connector()) as made:
        yield made


async def test_a_connection_is_known_once_and_until_it_ends(fake: FakeKube, session: aiohttp.ClientSession) -> None:
    fake.cluster.namespace("memory")
    for _ in range(3):
        async with session.get(f"{fake.url}/api/v1/namespaces/memory") as answer:
            assert answer.status == 200
    connector = session.connector
    assert isinstance(connector, Connector)
    assert len(connector._open) == 1
    watch = await session.get(f"{fake.url}/api/v1/namespaces", params={"watch": "true"})
    watch.close()
    await until(lambda: not connector._open)
