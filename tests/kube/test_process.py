"""The whole process against a real apiserver: streams, writes, Lease, a crash of the apiserver, missing rights."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from agentmemory.app import Process
from agentmemory.context import Context
from agentmemory.core.elector import Timing
from agentmemory.core.key import Key, key_of
from agentmemory.kube.client import KubeClient
from agentmemory.kube.config import from_file
from agentmemory.kube.resync import Pace
from agentmemory.settings import Role, Settings, Transport
from tests.fakekube.toy import Toy
from tests.kube.objects import pool

pytestmark = [pytest.mark.integration]


class NoKafka:
    """Stands in for KafkaPool."""

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
async def admin(real_kubeconfig: Path) -> AsyncIterator[KubeClient]:
    async with KubeClient(await from_file(real_kubeconfig), manager="a-user") as client:
        yield client


@pytest.fixture
async def namespace(admin: KubeClient) -> str:
    name = f"test-{uuid4().hex[:8]}"
    await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@asynccontextmanager
async def running(
    kubeconfig: Path, namespace: str, toys: list[Toy], watch: Transport = "list"
) -> AsyncIterator[Process]:
    def build(role: Role, ctx: Context) -> list[Any]:
        toys.append(Toy(ctx))
        return [toys[-1]]

    process = Process(
        Settings(role="platform", port=0, namespace=namespace, watch=watch),
        login=lambda: from_file(kubeconfig),
        build=build,
        kafka=NoKafka(),
        timing=Timing(duration=90.0, deadline=60.0),
        pace=Pace(retry=0.1),
    )
    task = asyncio.create_task(process.run())
    try:
        yield process
        process.stopping.set()
        await asyncio.wait_for(task, 20)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(kube: KubeClient, key: Key, holds: Callable[[Any], bool], seconds: float = 30) -> Any:
    """The object once it is as wanted."""
    async with asyncio.timeout(seconds):
        while True:
            found = await kube.get(key)
            if found is not None and holds(found):
                return found
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("watch", get_args(Transport))
async def test_works_survives_the_apiserver_and_stops(
    real_kubeconfig: Path, control_plane: Any, admin: KubeClient, namespace: str, watch: Transport
) -> None:
    toys: list[Toy] = []
    made = await admin.create(pool(namespace))
    key = key_of(made)
    async with running(real_kubeconfig, namespace, toys, watch):
        await until(admin, key, lambda obj: obj["status"].get("replicas") == 3)
        await until(admin, Key("ConfigMap", namespace, "p"), lambda obj: obj["data"] == {"replicas": "3"})
        await admin.merge_patch(key, {"spec": {"replicas": 4}})
        await until(admin, key, lambda obj: obj["status"]["replicas"] == 4)
        await admin.delete(Key("ConfigMap", namespace, "p"))
        await until(admin, Key("ConfigMap", namespace, "p"), lambda obj: obj["data"] == {"replicas": "4"})
        runs = toys[0].seen.count(key)
        assert runs <= 4  # made, edited, child deleted; once more when the status write met the edit

        await asyncio.to_thread(control_plane.kill_apiserver)
        await asyncio.to_thread(control_plane.start_apiserver)
        await admin.merge_patch(key, {"spec": {"replicas": 5}})
        await until(admin, key, lambda obj: obj["status"]["replicas"] == 5, seconds=60)
    lease = await admin.get(Key("Lease", namespace, "agent-memory-operator-platform"))
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == ""


async def test_a_user_without_rights_is_told_which(control_plane: Any, real_kubeconfig: Path, namespace: str) -> None:
    control_plane.pki.kubeconfig("nobody", control_plane.url, "nobody", "nobodies")
    with capture_logs() as logs:
        async with running(control_plane.pki.file("nobody.kubeconfig"), namespace, []):
            async with asyncio.timeout(20):
                while not any("pods" in entry.get("message", "") for entry in logs):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
    (message,) = [entry["message"] for entry in logs if "pods" in entry.get("message", "")]
    assert 'User "nobody" cannot list resource "pods"' in message
    assert "the operator's role lacks this right" in message
