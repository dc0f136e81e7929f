"""Faults on calls, over the wire, in front of fakekube."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agentmemory.core.errors import OperatorError, Transient
from agentmemory.core.key import Key
from agentmemory.kube.client import PAGE, KubeClient
from agentmemory.kube.config import from_file
from agentmemory.kube.errors import Stale
from tests.fakekube.client import configuration_for
from tests.fakekube.server import FakeKube
from tests.faultproxy import (
    READS,
    WRITES,
    Delay,
    DropAfter,
    DropBefore,
    FaultProxy,
    Match,
    Refuse,
)
from tests.faultproxy import Stale as StaleRead
from tests.kube.objects import config_map, pool

from .conftest import until

CREATES = Match(verb="create", kind="ConfigMap")
A = Key("ConfigMap", "memory", "a")


async def test_every_verb_goes_through(client: KubeClient, proxy: FaultProxy) -> None:
    made = await client.create(config_map("memory", "a", x="1"))
    assert await client.get(A) == made
    made["data"]["x"] = "2"
    updated = await client.update(made)
    patched = await client.merge_patch(A, {"data": {"y": "3"}})
    assert patched is not None
    assert patched["data"] == {"x": "2", "y": "3"}
    with pytest.raises(Stale):
        await client.update(updated)
    applied = await client.apply(config_map("memory", "b", z="1"))
    items, _ = await client.list("ConfigMap", "memory")
    assert {item["metadata"]["name"] for item in items} == {"a", "b"}
    assert await client.get(Key("ConfigMap", "memory", "c")) is None
    assert await client.delete(A, uid=made["metadata"]["uid"])
    assert applied["data"] == {"z": "1"}
    agent = "tests/"
    assert [proxy.counts.total(verb=verb, kind="ConfigMap", agent=agent) for verb in sorted(WRITES)] == [1, 1, 2, 2]
    assert [proxy.counts.total(verb=verb, agent=agent) for verb in sorted(READS)] == [2, 1, 0]
    assert [(record.call.verb, record.status) for record in proxy.records][:2] == [("create", 201), ("get", 200)]
    assert proxy.records[5].call.style == "apply"


async def test_a_list_goes_through_page_by_page(client: KubeClient, fake: FakeKube, proxy: FaultProxy) -> None:
    for number in range(501):
        fake.cluster.create(config_map("memory", f"c-{number}"))
    items, version = await client.list("ConfigMap", "memory")
    assert (len(items), version) == (501, str(fake.cluster.log.version))
    assert proxy.counts.total(verb="list") == -(-501 // PAGE)


async def test_the_kubeconfig_leads_here(client: KubeClient, proxy: FaultProxy, tmp_path: Path) -> None:
    await client.create(config_map("memory", "a"))
    async with KubeClient(await from_file(proxy.kubeconfig(tmp_path / "kubeconfig"))) as other:
        assert await other.get(A) is not None
    async with KubeClient(await proxy.configuration()) as other:
        assert await other.get(A) is not None


@pytest.mark.parametrize(("action", "effect"), [(DropBefore(), False), (DropAfter(), True)])
async def test_a_cut_comes_before_or_after_the_effect(
    client: KubeClient, proxy: FaultProxy, fake: FakeKube, action: Any, effect: bool
) -> None:
    hits: list[str] = []
    proxy.rules.add(CREATES, action, on_hit=lambda call: hits.append(call.name))
    with pytest.raises(Transient, match="cannot be reached"):
        await client.create(config_map("memory", "a"))
    assert (fake.cluster.find(A) is not None) is effect
    assert hits == ["a"]
    assert proxy.records[-1].status == 0
    await client.create(config_map("memory", "b"))
    assert hits == ["a"]


@pytest.mark.parametrize("code", [409, 410, 500, 503, 504])
async def test_a_refusal_has_no_effect(client: KubeClient, proxy: FaultProxy, fake: FakeKube, code: int) -> None:
    proxy.rules.add(CREATES, Refuse(code))
    with pytest.raises(OperatorError):
        await client.create(config_map("memory", "a"))
    assert fake.cluster.find(A) is None


async def test_a_refusal_says_when_to_come_back(proxy: FaultProxy) -> None:
    proxy.rules.add(Match(verb="get"), Refuse(429, retry_after=7))
    async with aiohttp.ClientSession() as session, session.get(f"{proxy.url}/api/v1/namespaces/memory") as answer:
        body = await answer.json()
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert (body["reason"], body["details"]) == ("TooManyRequests", {"retryAfterSeconds": 7})


async def test_a_delay_is_at_least_so_long(client: KubeClient, proxy: FaultProxy) -> None:
    proxy.rules.add(CREATES, Delay(0.2))
    started = asyncio.get_running_loop().time()
    await client.create(config_map("memory", "a"))
    assert asyncio.get_running_loop().time() - started >= 0.2
    assert proxy.records[-1].seconds >= 0.2


async def test_a_held_write_waits_for_its_release(client: KubeClient, proxy: FaultProxy, fake: FakeKube) -> None:
    gate = proxy.hold(CREATES)
    writing = asyncio.create_task(client.create(config_map("memory", "a")))
    call = await gate.arrived()
    assert (call.verb, call.name) == ("create", "a")
    assert fake.cluster.find(A) is None
    await client.create(config_map("memory", "b"))  # only the first is held
    gate.release()
    await writing
    assert fake.cluster.find(A) is not None


async def test_an_answer_can_be_held(client: KubeClient, proxy: FaultProxy, fake: FakeKube) -> None:
    gate = proxy.hold(CREATES, answered=True)
    writing = asyncio.create_task(client.create(config_map("memory", "a")))
    await gate.arrived()
    assert fake.cluster.find(A) is not None
    assert not writing.done()
    gate.release()
    await writing


async def test_a_held_write_arrives_though_its_sender_is_gone(proxy: FaultProxy, fake: FakeKube) -> None:
    gate = proxy.hold(CREATES)
    async with KubeClient(configuration_for(proxy.url), time_limit=0.2) as hasty:
        with pytest.raises(Transient, match="in time"):
            await hasty.create(config_map("memory", "a"))
    assert gate.held[0].name == "a"
    gate.release()
    await until("the effect", lambda: fake.cluster.find(A) is not None)


async def test_a_held_read_ends_with_its_sender(proxy: FaultProxy, fake: FakeKube) -> None:
    gate = proxy.hold(Match(verb="get", kind="ConfigMap"))
    async with KubeClient(configuration_for(proxy.url), time_limit=0.2) as hasty:
        with pytest.raises(Transient):
            await hasty.get(A)
    gate.release()
    async with KubeClient(configuration_for(proxy.url)) as patient:
        await patient.get(A)
    assert len(fake.requests.of("get", "ConfigMap")) == 1


async def test_reads_are_served_stale(client: KubeClient, proxy: FaultProxy, fake: FakeKube) -> None:
    await client.create(config_map("memory", "a", x="old"))
    fake.cluster.create(pool("memory"))
    old = await proxy.snapshot()
    await client.merge_patch(A, {"data": {"x": "new"}})
    await client.create(config_map("memory", "b"))
    await client.delete(Key("BrokerPool", "memory", "p"))
    rule = proxy.rules.add(Match(verb=READS), StaleRead(old), times=None)

    found = await client.get(A)
    assert found is not None
    assert found["data"] == {"x": "old"}
    assert await client.get(Key("ConfigMap", "memory", "b")) is None
    items, version = await client.list("ConfigMap", "memory")
    assert [item["metadata"]["name"] for item in items] == ["a"]
    assert version == old.version("ConfigMap") < str(fake.cluster.log.version)
    assert await client.list("ConfigMap", "elsewhere") == ([], version)
    assert len((await client.list("BrokerPool"))[0]) == 1

    proxy.rules.remove(rule)
    found = await client.get(A)
    assert found is not None
    assert found["data"] == {"x": "new"}


async def test_a_snapshot_obeys_selectors(client: KubeClient, proxy: FaultProxy, fake: FakeKube) -> None:
    labelled = config_map("memory", "a")
    labelled["metadata"]["labels"] = {"team": "x"}
    fake.cluster.create(labelled)
    fake.cluster.create(config_map("memory", "b"))
    proxy.rules.add(Match(verb="list"), StaleRead(await proxy.snapshot(["ConfigMap"])), times=None)
    items, _ = await client.list("ConfigMap", label_selector="team=x")
    assert [item["metadata"]["name"] for item in items] == ["a"]


async def test_an_apiserver_that_is_away_looks_like_a_cut(
    client: KubeClient, proxy: FaultProxy, fake: FakeKube
) -> None:
    await fake.stop()
    with pytest.raises(Transient, match="cannot be reached"):
        await client.get(A)


async def test_other_paths_go_through(proxy: FaultProxy, fake: FakeKube) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{proxy.url}/apis/agentmemory.dev/v1alpha1") as answer:
        assert answer.status == 200
        assert any(found["kind"] == "TopicFamily" for found in (await answer.json())["resources"])
    assert proxy.counts.total(verb="get", kind="") == 1


async def test_stopping_ends_what_is_held(fake: FakeKube) -> None:
    async with FaultProxy(fake.url) as proxy, KubeClient(configuration_for(proxy.url)) as client:
        gate = proxy.hold(CREATES)
        writing = asyncio.create_task(client.create(config_map("memory", "a")))
        await gate.arrived()
        await proxy.stop()
        with pytest.raises(Transient):
            await writing
    assert fake.cluster.find(A) is None


async def test_a_gate_says_when_nothing_came(proxy: FaultProxy) -> None:
    gate = proxy.hold(CREATES)
    with pytest.raises(TimeoutError):
        await gate.arrived(seconds=0.01)
    assert not gate.is_open
