"""The proxy in front of a real apiserver: TLS, the client certificate, real lists in the past, real watches."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from agentmemory.core.errors import Transient
from agentmemory.core.key import Key
from agentmemory.kube.client import KubeClient
from agentmemory.kube.resources import RESOURCES
from tests.faultproxy import DropAfter, DropEvent, EventMatch, FaultProxy, Match, Stale
from tests.kube.objects import config_map

pytestmark = pytest.mark.integration


@pytest.fixture
async def kube(real_proxy: FaultProxy) -> AsyncIterator[KubeClient]:
    async with KubeClient(await real_proxy.configuration(), manager="proxied") as made:
        yield made


@pytest.fixture
async def namespace(kube: KubeClient) -> str:
    name = f"proxied-{uuid4().hex[:8]}"
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


async def test_calls_are_counted_and_answers_lost(real_proxy: FaultProxy, kube: KubeClient, namespace: str) -> None:
    real_proxy.counts.clear()
    real_proxy.rules.add(Match(verb="create", kind="ConfigMap"), DropAfter())
    with pytest.raises(Transient):
        await kube.create(config_map(namespace, "a", x="1"))
    found = await kube.get(Key("ConfigMap", namespace, "a"))
    assert found is not None
    assert found["data"] == {"x": "1"}
    assert (await kube.apply(config_map(namespace, "b")))["metadata"]["name"] == "b"
    assert await kube.merge_patch(Key("ConfigMap", namespace, "b"), {"data": {"y": "1"}})
    assert await kube.delete(Key("ConfigMap", namespace, "b"))
    lines = {line.rpartition(" ")[0]: number for line, number in real_proxy.counts.table().items()}
    assert lines == {"patch ConfigMap": 2, "create ConfigMap": 1, "get ConfigMap": 1, "delete ConfigMap": 1}


async def test_reads_of_an_earlier_version(real_proxy: FaultProxy, kube: KubeClient, namespace: str) -> None:
    key = Key("ConfigMap", namespace, "a")
    await kube.create(config_map(namespace, "a", x="old"))
    _, version = await kube.list("ConfigMap", namespace)
    await kube.merge_patch(key, {"data": {"x": "new"}})
    await kube.create(config_map(namespace, "b"))
    past = await real_proxy.snapshot(["ConfigMap"], version=version)
    rule = real_proxy.rules.add(Match(verb={"get", "list"}), Stale(past), times=None)
    found = await kube.get(key)
    assert found is not None
    assert found["data"] == {"x": "old"}
    items, listed = await kube.list("ConfigMap", namespace)
    assert ([item["metadata"]["name"] for item in items if item["metadata"]["name"] in "ab"], listed) == (
        ["a"],
        version,
    )
    real_proxy.rules.remove(rule)
    assert await kube.get(Key("ConfigMap", namespace, "b")) is not None


async def test_a_snapshot_has_every_kind(real_proxy: FaultProxy, namespace: str) -> None:
    found = await real_proxy.snapshot()
    assert [kind for kind in RESOURCES if not found.has(kind)] == []
    code, obj = found.one("Namespace", "", namespace)
    assert (code, obj["kind"], obj["apiVersion"]) == (200, "Namespace", "v1")


async def test_an_event_is_dropped(real_proxy: FaultProxy, kube: KubeClient, namespace: str) -> None:
    real_proxy.events.add(EventMatch(kind="ConfigMap", namespace=namespace, name="b"), DropEvent())
    _, version = await kube.list("ConfigMap", namespace)
    for name in "abc":
        await kube.create(config_map(namespace, name))
    seen = []
    async with asyncio.timeout(30):
        async for type_, obj in kube.watch("ConfigMap", namespace, version):
            seen.append((type_, obj["metadata"]["name"]))
            if seen[-1][1] == "c":
                break
    assert [name for type_, name in seen if name in "abc"] == ["a", "c"]
