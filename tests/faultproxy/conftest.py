"""A fake apiserver, a proxy in front of it, and clients of both sorts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from agentmemory.kube.client import KubeClient
from tests.fakekube.client import configuration_for
from tests.fakekube.server import FakeKube
from tests.faultproxy import FaultProxy
from tests.kube.conftest import real_kubeconfig

__all__ = ["real_kubeconfig"]


async def until(what: str, holds: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait for a condition. Fails with `what` when it does not come."""
    try:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s: {what}") from None


@pytest.fixture
async def fake() -> AsyncIterator[FakeKube]:
    """The apiserver behind the proxy, with the namespace `memory`."""
    async with FakeKube() as served:
        served.cluster.namespace("memory")
        yield served


@pytest.fixture
async def proxy(fake: FakeKube) -> AsyncIterator[FaultProxy]:
    """The proxy in front of `fake`."""
    async with FaultProxy(fake.url) as running:
        yield running


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[KubeClient]:
    """A client through the proxy, with a time limit that a test can wait for."""
    async with KubeClient(configuration_for(proxy.url), manager="tests", time_limit=10) as made:
        yield made


@pytest.fixture
async def real_proxy(real_kubeconfig: Path) -> AsyncIterator[FaultProxy]:
    """The proxy in front of a real apiserver."""
    async with await FaultProxy.of(real_kubeconfig) as running:
        yield running
