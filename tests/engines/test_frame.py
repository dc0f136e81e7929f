"""What families and clients share: the frame, the credentials handed over, outages, wakes, events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.api.base import TenantRef
from agentmemory.core.errors import Denied, Invalid, Transient
from agentmemory.core.key import Key
from agentmemory.core.store import Store
from agentmemory.engines import handover, lifecycle, outage
from agentmemory.engines.frame import CLUSTER_CHECKS, TENANT_CHECKS, Frame, look
from agentmemory.engines.outage import Outages, Unanswered, unanswered
from agentmemory.engines.wake import Changes, FrameWatch, readiness_of, tenant_of
from agentmemory.kafka.credentials import Credentials
from agentmemory.kube.errors import Stale
from agentmemory.kube.events import warn
from tests import teams
from tests.fakekube.fixture import World
from tests.teams import CLUSTER_KEY, FAMILY_KEY, PLATFORM, TEAM, TENANT_KEY

REF = TenantRef(namespace=PLATFORM, name="support")


@pytest.fixture
async def platform() -> AsyncIterator[World]:
    """A fake API server with a team on it."""
    async with World.open() as world:
        world.put(teams.handover(), teams.cluster(), teams.tenant(), teams.family())
        world.pump()
        yield world


def stored(obj: dict[str, Any], version: int = 1, **metadata: Any) -> dict[str, Any]:
    return {**obj, "metadata": {"uid": obj["kind"], "resourceVersion": str(version), **obj["metadata"], **metadata}}


# --- frame ---


def test_look_follows_the_references() -> None:
    store = Store()
    assert look(store, REF, TEAM) == Frame(REF, TEAM)
    store.put(stored(teams.tenant()))
    frame = look(store, REF, TEAM)
    assert (frame.segment, frame.cluster_key, frame.cluster) == ("agents", CLUSTER_KEY, None)
    assert look(store, REF, "elsewhere").segment is None
    store.put(stored(teams.cluster()))
    assert look(store, REF, TEAM).cluster is not None


@pytest.mark.parametrize(
    ("broken", "words"),
    [(teams.tenant(surprise=1), "MemoryTenant memory-system/support"), (teams.cluster(surprise=1), "MemoryCluster")],
)
def test_look_tells_what_cannot_be_read(broken: dict[str, Any], words: str) -> None:
    store = Store()
    for obj in (teams.tenant(), teams.cluster(), broken):
        store.put(stored(obj, version=2 if obj is broken else 1))
    frame = look(store, REF, TEAM)
    assert frame.unreadable is not None
    assert words in frame.unreadable
    assert "spec.surprise" in frame.unreadable
    assert TENANT_CHECKS[0](frame) is not None


def test_checks_on_an_empty_frame_do_not_crash() -> None:
    frame = Frame(REF, TEAM)
    assert [check(frame) is not None for check in TENANT_CHECKS] == [False, True, True, True]
    assert CLUSTER_CHECKS[1](frame) is None


# --- handover ---


def test_pack_and_unpack() -> None:
    for credentials in (
        teams.CREDENTIALS,
        Credentials("k:9092", None, username="u", password="p", mechanism="SCRAM-SHA-256"),
        Credentials("k:9092", "CA", username="u", password="p"),
    ):
        assert handover.unpack(handover.pack(credentials)) == credentials
    assert handover.key_in_secret(CLUSTER_KEY) == "memory-system.agents.json"


@given(
    st.one_of(st.text(), st.sampled_from(["[]", "{}", '{"bootstrap": 1}', "null", '{"bootstrap": "k:1", "cert": "c"}']))
)
def test_unpack_refuses_nonsense(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        handover.unpack(text)
    assert refused.value.reason == "InvalidCredentials"


async def test_credentials_are_read_once_and_again_when_forgotten(platform: World) -> None:
    found = handover.Handover(platform.ctx.kube, "agent-memory-system", platform.clock)
    reads = platform.fake.requests
    assert await found.credentials(CLUSTER_KEY) == teams.CREDENTIALS
    await asyncio.gather(*(found.credentials(CLUSTER_KEY) for _ in range(20)))
    assert len(reads) == 1
    found.forget()
    await found.credentials(CLUSTER_KEY)
    assert len(reads) == 1, "not again within the pause"
    await platform.clock.advance(handover.PAUSE)
    await found.credentials(CLUSTER_KEY)
    await found.credentials(CLUSTER_KEY)
    assert len(reads) == 2
    await platform.clock.advance(handover.BELIEVED)
    await found.credentials(CLUSTER_KEY)
    assert len(reads) == 3


async def test_credentials_that_are_not_there(platform: World) -> None:
    found = handover.Handover(platform.ctx.kube, "agent-memory-system", platform.clock)
    other = Key("MemoryCluster", PLATFORM, "other")
    with pytest.raises(Unanswered) as pending:
        await found.credentials(other)
    assert pending.value.reason == "KafkaCredentialsPending"
    assert pending.value.cluster == other
    nowhere = handover.Handover(platform.ctx.kube, "nowhere", platform.clock)
    with pytest.raises(Unanswered):
        await nowhere.credentials(other)


async def test_credentials_that_are_no_text(platform: World) -> None:
    key = Key("Secret", "agent-memory-system", handover.SECRET)
    platform.edit(key, {"data": {handover.key_in_secret(CLUSTER_KEY): "/w==", "other": "!"}})
    with pytest.raises(Invalid, match="cannot be read"):
        await handover.Handover(platform.ctx.kube, key.namespace, platform.clock).credentials(CLUSTER_KEY)


# --- outage ---


def test_only_a_missing_answer_is_an_outage() -> None:
    denied, lost = Denied("ClusterAuthorizationFailed", "no"), Transient("KafkaTimedOut", "connection 7 of 9")
    assert unanswered(CLUSTER_KEY, denied) is denied
    found = unanswered(CLUSTER_KEY, lost)
    assert isinstance(found, Unanswered)
    assert found.__cause__ is lost
    assert "7" not in found.message, "the same words each time"
    assert "memory-system/agents" in found.message


def test_all_that_wait_share_one_rate_and_one_end() -> None:
    woken: list[Key] = []
    outages = Outages(lambda key, after: woken.append(key))
    error = Unanswered("KafkaUnavailable", "x", CLUSTER_KEY)
    keys = [FAMILY_KEY._replace(name=str(number)) for number in range(1000)]
    assert outages.wait(keys[0], error).after == outage.PAUSE
    for key in keys:
        last = outages.wait(key, error)
    assert last.after == 1000 / outage.RATE
    outages.over(CLUSTER_KEY._replace(name="other"))
    assert woken == []
    outages.over(CLUSTER_KEY)
    assert sorted(woken) == sorted(keys)
    outages.over(CLUSTER_KEY)
    assert len(woken) == 1000


# --- lifecycle ---


async def test_hold_and_release(platform: World) -> None:
    kube, store = platform.ctx.kube, platform.store
    obj = await lifecycle.hold(kube, store, platform.get(FAMILY_KEY))
    assert lifecycle.has_finalizer(obj)
    assert store.get(FAMILY_KEY) == obj
    platform.fake.requests.clear()
    assert await lifecycle.hold(kube, store, obj) is obj
    assert list(platform.fake.requests) == []
    obj = await lifecycle.release(kube, store, obj)
    assert not lifecycle.has_finalizer(obj)
    assert await lifecycle.release(kube, store, obj) is obj
    assert store.get(FAMILY_KEY) == obj


async def test_finalizers_of_others_stay(platform: World) -> None:
    platform.edit(FAMILY_KEY, {"metadata": {"finalizers": ["x/y"]}})
    kube, store = platform.ctx.kube, platform.store
    obj = await lifecycle.hold(kube, store, platform.get(FAMILY_KEY))
    assert obj["metadata"]["finalizers"] == ["x/y", lifecycle.FINALIZER]
    obj = await lifecycle.release(kube, store, obj)
    assert obj["metadata"]["finalizers"] == ["x/y"]


async def test_hold_and_release_of_what_is_gone_or_changed(platform: World) -> None:
    kube, store = platform.ctx.kube, platform.store
    seen = platform.get(FAMILY_KEY)
    held = await lifecycle.hold(kube, store, seen)
    with pytest.raises(Stale):
        await lifecycle.release(kube, store, {**held, "metadata": {**held["metadata"], "resourceVersion": "1"}})
    platform.edit(FAMILY_KEY, {"metadata": {"finalizers": None}})
    platform.delete(FAMILY_KEY)
    with pytest.raises(Stale, match="was deleted"):
        await lifecycle.hold(kube, store, seen)
    assert await lifecycle.release(kube, store, held) is held


async def test_a_fresh_look(platform: World) -> None:
    kube, store = platform.ctx.kube, platform.store
    held = await lifecycle.hold(kube, store, platform.get(FAMILY_KEY))
    await lifecycle.confirm_unchanged(kube, held)
    with pytest.raises(Stale, match="not waiting"):
        await lifecycle.confirm_ending(kube, held)
    platform.delete(FAMILY_KEY)
    await lifecycle.confirm_ending(kube, held)
    with pytest.raises(Stale, match="not waiting"):
        await lifecycle.confirm_ending(kube, {**held, "metadata": {**held["metadata"], "uid": "another"}})
    with pytest.raises(Stale, match="changed since"):
        await lifecycle.confirm_unchanged(kube, held)
    platform.edit(FAMILY_KEY, {"metadata": {"finalizers": None}})
    for look_again in (lifecycle.confirm_ending, lifecycle.confirm_unchanged):
        with pytest.raises(Stale):
            await look_again(kube, held)


async def test_namespaces_that_end(platform: World) -> None:
    kube, store = platform.ctx.kube, platform.store
    assert await lifecycle.namespace_is_ending(kube, store, "nowhere")
    assert not await lifecycle.namespace_is_ending(kube, store, TEAM)
    platform.edit(FAMILY_KEY, {"metadata": {"finalizers": ["x/y"]}})
    platform.delete(f"Namespace//{TEAM}")
    assert await lifecycle.namespace_is_ending(kube, store, TEAM)
    platform.fake.faults.before.append(lambda request: 403)
    assert not await lifecycle.namespace_is_ending(kube, store, TEAM)
    store.put(platform.get(f"Namespace//{TEAM}"))
    store.mark_synced("Namespace")
    assert await lifecycle.namespace_is_ending(kube, store, TEAM), "watched: no call"


# --- warnings ---


async def test_the_same_warning_is_one_event(platform: World) -> None:
    obj, now = platform.get(FAMILY_KEY), platform.clock.now()
    for _ in range(2):
        await warn(platform.ctx.kube, obj, "TopicsMadeAnew", "lost", now)
    await warn(platform.ctx.kube, obj, "TopicsMadeAnew", "lost too", now)
    events = platform.cluster.list("Event", TEAM)
    assert sorted(event["message"] for event in events) == ["lost", "lost too"]
    assert all(event["involvedObject"]["name"] == FAMILY_KEY.name for event in events)


async def test_a_warning_that_cannot_be_posted_fails_nobody(platform: World) -> None:
    platform.fake.faults.before.append(lambda request: 403)
    await warn(platform.ctx.kube, platform.get(FAMILY_KEY), "X", "x", platform.clock.now())
    assert platform.cluster.list("Event") == []


# --- wake ---


def test_changes_tell_each_change_once() -> None:
    store = Store()
    changes = Changes(store, readiness_of)
    tenant = {**teams.tenant(), "status": teams.ACCEPTED}
    assert not changes.matter(stored(teams.cluster())), "gone, and nobody knew it"
    store.put(stored(tenant))
    assert changes.matter(stored(tenant))
    assert not changes.matter(stored(tenant))
    store.put(stored({**tenant, "status": {"conditions": teams.conditions(Ready="False")}}, version=2))
    assert changes.matter(stored(tenant)), "what the store has counts, not what is shown"
    store.drop(TENANT_KEY)
    assert changes.matter(stored(tenant))
    assert not changes.matter(stored(tenant))


def test_frames_wake_those_inside() -> None:
    store = Store()
    watch = FrameWatch(store, "TopicFamily")
    ready = {"conditions": [{**one, "observedGeneration": 1} for one in teams.conditions(Ready="True")]}
    inside = stored({**teams.family(), "status": ready}, generation=1)
    waiting = stored(teams.family("waiting"), uid="w")
    outside = stored(teams.family("outside", tenantRef={"namespace": PLATFORM, "name": "sales"}), uid="o")
    for obj in (inside, waiting, outside, stored(teams.family("odd", tenantRef="?"), uid="odd")):
        store.put(obj)
    store.put(stored(teams.tenant()))
    both = [FAMILY_KEY, FAMILY_KEY._replace(name="waiting")]
    assert watch.owners(stored(teams.tenant())) == both
    assert watch.owners(stored(teams.tenant())) == []
    assert watch.owners(inside) == []
    cluster = {**teams.cluster(), "status": teams.running()}
    store.put(stored(cluster))
    assert watch.owners(cluster) == both
    store.put(stored({**cluster, "status": teams.running(brokers=1)}, version=2))
    assert watch.owners(cluster) == []
    store.put(stored({**cluster, "status": teams.running(ready="False")}, version=3))
    assert watch.owners(cluster) == both[1:], "readiness matters to those that wait"
    store.drop(CLUSTER_KEY)
    assert watch.owners(cluster) == both
    store.put(stored(teams.cluster("unused"), uid="u"))
    assert watch.owners(stored(teams.cluster("unused"), uid="u")) == []


def test_tenant_of_odd_objects() -> None:
    assert tenant_of({}) == Key("MemoryTenant", "", "")
    assert tenant_of({"spec": {"tenantRef": {"name": "a"}}}) == Key("MemoryTenant", "", "a")
