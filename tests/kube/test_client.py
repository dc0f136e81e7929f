"""The client's verbs and their errors, the same on fakekube and on a real apiserver."""

import asyncio
from typing import Any

import pytest

from agentmemory.core.errors import Invalid
from agentmemory.core.key import Key, key_of
from agentmemory.kube import client as client_module
from agentmemory.kube.client import KubeClient
from agentmemory.kube.errors import AlreadyExists, NamespaceEnding, Stale
from tests.kube.conftest import Server
from tests.kube.objects import config_map, pool

Object = dict[str, Any]


def version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


async def test_get_of_nothing_is_none(kube: KubeClient, server: Server) -> None:
    assert await kube.get(Key("ConfigMap", server.namespace, "nothing")) is None
    assert await kube.get(Key("BrokerPool", server.namespace, "nothing")) is None


async def test_create_and_get(kube: KubeClient, server: Server) -> None:
    made = await kube.create(config_map(server.namespace, a="1"))
    assert made["metadata"]["uid"]
    assert await kube.get(key_of(made)) == made


async def test_create_of_a_taken_name(kube: KubeClient, server: Server) -> None:
    await kube.create(config_map(server.namespace))
    with pytest.raises(AlreadyExists, match="already exists"):
        await kube.create(config_map(server.namespace))


async def test_create_in_a_missing_namespace(kube: KubeClient) -> None:
    with pytest.raises(NamespaceEnding) as raised:
        await kube.create(config_map("no-such-namespace"))
    assert raised.value.reason == "NamespaceMissing"


async def test_create_in_a_terminating_namespace(kube: KubeClient, server: Server) -> None:
    await kube.create(pool(server.namespace, finalizers=["agentmemory.dev/cleanup"]))
    assert await kube.delete(Key("Namespace", "", server.namespace))
    with pytest.raises(NamespaceEnding) as raised:
        await kube.create(config_map(server.namespace))
    assert raised.value.reason == "NamespaceTerminating"


async def test_a_custom_object_starts_with_generation_and_default_status(kube: KubeClient, server: Server) -> None:
    made = await kube.create({**pool(server.namespace), "status": {"observedGeneration": 7}})
    assert made["metadata"]["generation"] == 1
    assert made["status"] == {"observedGeneration": -1}


async def test_generation_counts_changes_of_the_spec_only(kube: KubeClient, server: Server) -> None:
    key = key_of(await kube.create(pool(server.namespace)))
    labelled = await kube.merge_patch(key, {"metadata": {"labels": {"a": "b"}}})
    assert labelled is not None
    assert labelled["metadata"]["generation"] == 1
    stated = await kube.merge_patch(key, {"status": {"replicas": 2}}, subresource="status")
    assert stated is not None
    assert stated["metadata"]["generation"] == 1
    grown = await kube.merge_patch(key, {"spec": {"replicas": 4}})
    assert grown is not None
    assert grown["metadata"]["generation"] == 2


async def test_status_and_spec_are_written_apart(kube: KubeClient, server: Server) -> None:
    key = key_of(await kube.create(pool(server.namespace)))
    by_main = await kube.merge_patch(key, {"status": {"replicas": 9}})
    assert by_main is not None
    assert "replicas" not in by_main["status"]
    by_status = await kube.merge_patch(key, {"spec": {"replicas": 9}, "status": {"replicas": 2}}, subresource="status")
    assert by_status is not None
    assert (by_status["spec"]["replicas"], by_status["status"]["replicas"]) == (3, 2)


async def test_a_patch_that_changes_nothing_keeps_the_version(kube: KubeClient, server: Server) -> None:
    made = await kube.create(config_map(server.namespace, a="1"))
    same = await kube.merge_patch(key_of(made), {"data": {"a": "1"}})
    assert same is not None
    assert version(same) == version(made)


async def test_merge_patch_removes_with_null(kube: KubeClient, server: Server) -> None:
    made = await kube.create(config_map(server.namespace, a="1", b="2"))
    patched = await kube.merge_patch(key_of(made), {"data": {"a": None}})
    assert patched is not None
    assert patched["data"] == {"b": "2"}


async def test_merge_patch_of_nothing_is_none(kube: KubeClient, server: Server) -> None:
    assert await kube.merge_patch(Key("ConfigMap", server.namespace, "nothing"), {"data": {}}) is None


async def test_merge_patch_with_an_old_version_is_stale(kube: KubeClient, server: Server) -> None:
    made = await kube.create(config_map(server.namespace, a="1"))
    await kube.merge_patch(key_of(made), {"data": {"a": "2"}})
    with pytest.raises(Stale):
        await kube.merge_patch(key_of(made), {"data": {"a": "3"}}, resource_version=made["metadata"]["resourceVersion"])


async def test_merge_patch_of_another_incarnation_is_stale(kube: KubeClient, server: Server) -> None:
    made = await kube.create(config_map(server.namespace, a="1"))
    with pytest.raises(Stale):
        await kube.merge_patch(key_of(made), {"data": {"a": "3"}}, uid="00000000-0000-0000-0000-000000000000")


async def test_update_replaces_and_checks_the_version(kube: KubeClient, server: Server) -> None:
    made = await kube.create(config_map(server.namespace, a="1", b="2"))
    replaced = await kube.update({**made, "data": {"c": "3"}})
    assert replaced["data"] == {"c": "3"}
    with pytest.raises(Stale):
        await kube.update(made)


async def test_update_of_another_incarnation_is_stale(kube: KubeClient, server: Server) -> None:
    made = await kube.create(config_map(server.namespace, a="1"))
    other = {**made["metadata"], "uid": "00000000-0000-0000-0000-000000000000"}
    with pytest.raises(Stale):
        await kube.update({**made, "metadata": other})


async def test_update_of_nothing_is_stale(kube: KubeClient, server: Server) -> None:
    with pytest.raises(Stale) as raised:
        await kube.update(config_map(server.namespace, name="nothing"))
    assert raised.value.reason == "Gone"


async def test_apply_creates_then_owns_its_fields(kube: KubeClient, server: Server) -> None:
    await kube.apply(config_map(server.namespace, a="1", b="2"))
    await kube.merge_patch(Key("ConfigMap", server.namespace, "c"), {"data": {"foreign": "x"}})
    applied = await kube.apply(config_map(server.namespace, a="1"))
    assert applied["data"]["a"] == "1"
    assert "b" not in applied["data"]
    again = await kube.apply(config_map(server.namespace, a="1"))
    assert version(again) == version(applied)


async def test_apply_with_a_foreign_uid_is_stale(kube: KubeClient, server: Server) -> None:
    wanted = config_map(server.namespace, a="1")
    wanted["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(Stale):
        await kube.apply(wanted)
    await kube.create(config_map(server.namespace))
    with pytest.raises(Stale):
        await kube.apply(wanted)


async def test_delete(kube: KubeClient, server: Server) -> None:
    made = await kube.create(config_map(server.namespace))
    key = key_of(made)
    with pytest.raises(Stale):
        await kube.delete(key, uid="00000000-0000-0000-0000-000000000000")
    with pytest.raises(Stale):
        await kube.delete(key, resource_version="1")
    assert await kube.delete(key, uid=made["metadata"]["uid"], resource_version=made["metadata"]["resourceVersion"])
    assert not await kube.delete(key)


async def test_a_finalizer_holds_a_deleted_object(kube: KubeClient, server: Server) -> None:
    key = key_of(await kube.create(pool(server.namespace, finalizers=["agentmemory.dev/cleanup"])))
    assert await kube.delete(key)
    held = await kube.get(key)
    assert held is not None
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["generation"] == 2
    with pytest.raises(Invalid):
        await kube.merge_patch(key, {"metadata": {"finalizers": ["agentmemory.dev/cleanup", "example.com/late"]}})
    assert await kube.merge_patch(key, {"metadata": {"finalizers": None}})
    assert await kube.get(key) is None


async def test_scale(kube: KubeClient, server: Server) -> None:
    key = key_of(await kube.create(pool(server.namespace)))
    scaled = await kube.merge_patch(key, {"spec": {"replicas": 5}}, subresource="scale")
    assert scaled is not None
    assert scaled["kind"] == "Scale"
    grown = await kube.get(key)
    assert grown is not None
    assert grown["spec"]["replicas"] == 5


async def test_list_pages_and_selects(kube: KubeClient, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAGE", 3)
    for number in range(7):
        labels = {"even": "true"} if number % 2 == 0 else {"odd": "true"}
        await kube.create(config_map(server.namespace, f"c{number}", labels))
    items, listed_at = await kube.list("ConfigMap", server.namespace)
    names = [item["metadata"]["name"] for item in items if item["metadata"]["name"].startswith("c")]
    assert names == [f"c{number}" for number in range(7)]
    assert all(item["kind"] == "ConfigMap" and item["apiVersion"] == "v1" for item in items)
    assert int(listed_at) >= max(version(item) for item in items)
    even, _ = await kube.list("ConfigMap", server.namespace, "even=true")
    assert [item["metadata"]["name"] for item in even] == ["c0", "c2", "c4", "c6"]


async def test_watch_sees_changes_through_a_selector(kube: KubeClient, server: Server) -> None:
    _, start = await kube.list("ConfigMap", server.namespace)
    made = await kube.create(config_map(server.namespace, "x", {"ours": "yes"}))
    await kube.create(config_map(server.namespace, "y"))
    await kube.merge_patch(key_of(made), {"data": {"a": "1"}})
    await kube.merge_patch(key_of(made), {"metadata": {"labels": {"ours": None}}})
    seen: list[tuple[str, str]] = []
    async with asyncio.timeout(20):
        async for type_, obj in kube.watch("ConfigMap", server.namespace, start, "ours=yes", seconds=15):
            if type_ != "BOOKMARK":
                seen.append((type_, obj["metadata"]["name"]))
            if type_ == "DELETED":
                break
    assert seen == [("ADDED", "x"), ("MODIFIED", "x"), ("DELETED", "x")]
