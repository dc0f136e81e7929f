"""Scenes over a fake apiserver and over a real one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kubernetes.aio.client import Configuration

from agentmemory.kube.config import from_file
from tests.fakekube.client import configuration_for
from tests.fakekube.server import FakeKube
from tests.faultproxy import FaultProxy
from tests.kube.conftest import real_kubeconfig

from .scene import Scene, opened

__all__ = ["real_kubeconfig"]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Two replicas over fakekube."""
    async with FakeKube() as fake:

        async def configuration() -> Configuration:
            return configuration_for(fake.url)

        async def proxy() -> FaultProxy:
            return FaultProxy(fake.url)

        async with opened(configuration, proxy, tmp_path) as made:
            yield made


@pytest.fixture
async def real_scene(real_kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Scene]:
    """Two replicas over a real apiserver."""

    async def configuration() -> Configuration:
        return await from_file(real_kubeconfig)

    async def proxy() -> FaultProxy:
        return await FaultProxy.of(real_kubeconfig)

    async with opened(configuration, proxy, tmp_path) as made:
        yield made
