"""Status writes and owned objects, the same on fakekube and on a real apiserver."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentmemory.core.errors import Conflict, Transient
from agentmemory.core.key import key_of
from agentmemory.core.store import Store
from agentmemory.kube.client import KubeClient
from agentmemory.kube.errors import Stale
from agentmemory.kube.owned import ensure, hash_of, is_owned, spec_hash, with_hash
from agentmemory.kube.status import merge_diff, write_status
from tests.fakekube.patches import merge_patch
from tests.fakekube.toy import child
from tests.kube.conftest import Server
from tests.kube.objects import config_map, pool

Object = dict[str, Any]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def owner(kube: KubeClient, server: Server) -> Object:
    return await kube.create(pool(server.namespace))


async def test_a_status_is_written_once(kube: KubeClient, store: Store, owner: Object) -> None:
    store.put(owner)
    status = {"observedGeneration": 1, "replicas": 3, "selector": "a=b"}
    assert await write_status(kube, store, owner, status)
    stored = store.get(key_of(owner))
    assert stored is not None
    assert stored["status"] == status
    assert not await write_status(kube, store, stored, status)
    assert await kube.get(key_of(owner)) is not None


async def test_a_status_field_that_is_left_out_goes(kube: KubeClient, store: Store, owner: Object) -> None:
    await write_status(kube, store, owner, {"observedGeneration": 1, "replicas": 3, "selector": "a=b"})
    stored = store.get(key_of(owner))
    assert stored is not None
    assert await write_status(kube, store, stored, {"observedGeneration": 1, "replicas": 2})
    found = await kube.get(key_of(owner))
    assert found is not None
    assert found["status"] == {"observedGeneration": 1, "replicas": 2}


async def test_a_status_for_an_object_that_changed_is_stale(kube: KubeClient, store: Store, owner: Object) -> None:
    await kube.merge_patch(key_of(owner), {"spec": {"replicas": 9}})
    with pytest.raises(Stale):
        await write_status(kube, store, owner, {"observedGeneration": 1})


async def test_a_status_for_another_incarnation_is_stale(kube: KubeClient, store: Store, owner: Object) -> None:
    await kube.delete(key_of(owner))
    await kube.create(pool(key_of(owner).namespace))
    with pytest.raises(Stale):
        await write_status(kube, store, owner, {"observedGeneration": 1})


async def test_a_status_for_what_is_gone_is_dropped(kube: KubeClient, store: Store, owner: Object) -> None:
    await kube.delete(key_of(owner))
    assert not await write_status(kube, store, owner, {"observedGeneration": 1})


async def test_what_a_status_write_finds_gone_is_forgotten(kube: KubeClient, store: Store, owner: Object) -> None:
    """The watch never said so: a reconcile that goes on would make things for it, which are collected, without end."""
    store.put(owner)
    await kube.delete(key_of(owner))
    assert not await write_status(kube, store, owner, {"ready": True})
    assert store.get(key_of(owner)) is None


async def test_ensure_creates_updates_and_leaves_alone(kube: KubeClient, store: Store, owner: Object) -> None:
    uid = owner["metadata"]["uid"]
    wanted = child(owner)
    made = await ensure(kube, store, wanted, uid)
    assert is_owned(made, uid)
    assert hash_of(made) == spec_hash(wanted)
    assert await ensure(kube, store, wanted, uid) == made
    other = {**wanted, "data": {"other": "1"}}
    changed = await ensure(kube, store, other, uid)
    assert changed["data"] == {"other": "1"}
    assert hash_of(changed) == spec_hash(other)


async def test_ensure_keeps_what_others_put_into_the_metadata(kube: KubeClient, store: Store, owner: Object) -> None:
    uid = owner["metadata"]["uid"]
    made = await ensure(kube, store, child(owner), uid)
    await kube.merge_patch(
        key_of(made),
        {"metadata": {"labels": {"theirs": "1"}, "annotations": {"theirs": "2"}, "finalizers": ["example.com/theirs"]}},
    )
    changed = await ensure(kube, store, {**child(owner), "data": {"other": "1"}}, uid)
    assert changed["metadata"]["labels"]["theirs"] == "1"
    assert changed["metadata"]["annotations"]["theirs"] == "2"
    assert changed["metadata"]["finalizers"] == ["example.com/theirs"]
    await kube.delete(key_of(made))
    with pytest.raises(Transient, match="is being deleted"):
        await ensure(kube, store, child(owner), uid)


async def test_ensure_does_not_touch_a_foreign_object(kube: KubeClient, store: Store, owner: Object) -> None:
    key = key_of(owner)
    foreign = await kube.create(config_map(key.namespace, key.name, a="1"))
    with pytest.raises(Conflict, match="belongs to someone else"):
        await ensure(kube, store, child(owner), owner["metadata"]["uid"])
    assert await kube.get(key_of(foreign)) == foreign


async def test_ensure_of_a_watched_kind_trusts_the_store(kube: KubeClient, store: Store, owner: Object) -> None:
    store.mark_synced("ConfigMap")
    uid = owner["metadata"]["uid"]
    made = await ensure(kube, store, child(owner), uid)
    assert store.get(key_of(made)) is not None
    assert await ensure(kube, store, child(owner), uid) == store.get(key_of(made))


async def test_ensure_meets_an_object_that_the_store_does_not_know(
    kube: KubeClient, store: Store, owner: Object
) -> None:
    store.mark_synced("ConfigMap")
    uid = owner["metadata"]["uid"]
    made = await kube.create(with_hash(child(owner)))
    assert await ensure(kube, store, child(owner), uid) == made
    await kube.delete(key_of(made))
    foreign = await kube.create(config_map(*key_of(made)[1:]))
    with pytest.raises(Conflict):
        await ensure(kube, store, child(owner), uid)
    assert await kube.get(key_of(foreign)) == foreign


async def test_nothing_is_made_anew_for_an_owner_that_is_gone(kube: KubeClient, store: Store, owner: Object) -> None:
    """The watch never said so; the collector would take what was made, and it would be made again."""
    store.mark_synced(owner["kind"])
    store.put(owner)
    await write_status(kube, store, owner, {"observedGeneration": 1})
    made = await ensure(kube, store, child(owner), owner["metadata"]["uid"])
    await kube.delete(key_of(made))
    await kube.delete(key_of(owner))
    with pytest.raises(Transient, match="is gone"):
        await ensure(kube, store, child(owner), owner["metadata"]["uid"])
    await kube.create(pool(key_of(owner).namespace))  # another of the same name is not the owner either
    with pytest.raises(Transient, match="is gone"):
        await ensure(kube, store, child(owner), owner["metadata"]["uid"])
    assert await kube.get(key_of(made)) is None


async def test_unwatched_kinds_stay_out_of_the_store(kube: KubeClient, store: Store, owner: Object) -> None:
    secret = {**child(owner), "kind": "Secret", "data": {"a": "MQ=="}}
    await ensure(kube, store, secret, owner["metadata"]["uid"])
    assert store.list("Secret") == []


def test_the_hash_covers_all_but_itself() -> None:
    wanted = config_map("n", a="1")
    assert spec_hash(wanted) == spec_hash(with_hash(wanted))
    assert with_hash(with_hash(wanted)) == with_hash(wanted)
    assert spec_hash(wanted) != spec_hash(config_map("n", a="2"))
    assert spec_hash(wanted) != spec_hash(config_map("n", labels={"a": "b"}, a="1"))
    assert hash_of(wanted) is None


leaves = st.one_of(st.integers(0, 3), st.text(max_size=2), st.lists(st.integers(0, 2), max_size=2), st.booleans())
objects = st.recursive(
    st.dictionaries(st.sampled_from("abc"), leaves, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.one_of(leaves, inner), max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(objects, objects)
def test_the_merge_diff_leads_from_the_old_to_the_new(old: Object, new: Object) -> None:
    patched = merge_patch(old, merge_diff(old, new))
    assert merge_diff(patched, new) == {}
    assert patched == new


def test_equal_objects_need_no_patch() -> None:
    assert merge_diff({"a": {"b": 1}}, {"a": {"b": 1}}) == {}
