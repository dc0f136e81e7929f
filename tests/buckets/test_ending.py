"""How a bucket ends: retained by default, deleted when empty, by force after its grace period, never while in use."""

from typing import Any

import pytest

from agentmemory.core.errors import Invalid, Transient
from agentmemory.core.key import Key
from tests.fakekube.fixture import World
from tests.fakes3 import Call, FakeBucket, FakeS3

from .worlds import KEY, SPACE, automq, declared


def reason(world: World) -> str:
    return str(world.condition(KEY, "Ready")["reason"])


async def born(world: World, s3: FakeS3, objects: int = 0, **spec: Any) -> FakeBucket:
    world.put(declared(**spec))
    await world.run_until_quiet()
    assert world.condition(KEY, "Ready")["status"] == "True"
    s3.buckets["agents-data"].objects = {f"object-{number}" for number in range(objects)}
    return s3.buckets["agents-data"]


async def delete(world: World, within: float = 0.0) -> None:
    world.delete(KEY)
    await world.run_until_quiet(within)


async def test_a_retained_bucket_stays_and_holds_up_nothing(buckets: World, s3: FakeS3) -> None:
    await born(buckets, s3, 3)
    assert not buckets.get(KEY)["metadata"].get("finalizers")
    s3.calls.clear()
    await delete(buckets)
    assert buckets.find(KEY) is None
    assert "agents-data" in s3.buckets
    assert s3.calls == []


async def test_an_empty_bucket_is_deleted(buckets: World, s3: FakeS3) -> None:
    await born(buckets, s3, deletionPolicy="Delete")
    await delete(buckets)
    assert buckets.find(KEY) is None
    assert "agents-data" not in s3.buckets


async def test_one_that_is_not_empty_waits_until_it_is(buckets: World, s3: FakeS3) -> None:
    made = await born(buckets, s3, 1, deletionPolicy="Delete")
    await delete(buckets)
    assert reason(buckets) == "BucketNotEmpty"
    made.objects.clear()
    await buckets.run_until_quiet(within=20)
    assert buckets.find(KEY) is None


async def test_one_that_is_not_empty_may_be_let_go(buckets: World, s3: FakeS3) -> None:
    await born(buckets, s3, 1, deletionPolicy="Delete")
    await delete(buckets)
    buckets.edit(KEY, {"spec": {"deletionPolicy": "Retain"}})
    await buckets.run_until_quiet()
    assert buckets.find(KEY) is None
    assert s3.buckets["agents-data"].objects


async def test_it_is_never_deleted_while_a_cluster_uses_it(buckets: World, s3: FakeS3) -> None:
    await born(buckets, s3, 5, deletionPolicy="Delete", force={"gracePeriod": "1m"})
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "agents-1000",
            "namespace": SPACE,
            "labels": {"agentmemory.dev/cluster": "agents", "app.kubernetes.io/managed-by": "agent-memory-operator"},
        },
        "spec": {"containers": [{"name": "kafka", "image": "x"}]},
    }
    buckets.put(automq(), pod)
    await buckets.run_until_quiet()
    await delete(buckets, within=600)
    assert reason(buckets) == "BucketInUse"
    assert len(s3.buckets["agents-data"].objects) == 5
    buckets.delete(f"MemoryCluster/{SPACE}/agents")
    await buckets.run_until_quiet(within=600)
    assert reason(buckets) == "BucketInUse", "its pods may still write"
    buckets.cluster.delete(Key("Pod", SPACE, "agents-1000"), {"gracePeriodSeconds": 0})
    await buckets.run_until_quiet(within=600)
    assert buckets.find(KEY) is None
    assert "agents-data" not in s3.buckets


async def test_force_waits_for_its_grace_period_and_warns_once(buckets: World, s3: FakeS3) -> None:
    made = await born(buckets, s3, 2500, deletionPolicy="Delete", force={"gracePeriod": "1h"})
    await delete(buckets, within=3000)
    assert reason(buckets) == "GracePeriod"
    assert len(made.objects) == 2500
    warnings = [event for event in buckets.cluster.list("Event") if event["reason"] == "BucketWillBeEmptied"]
    assert len(warnings) == 1
    assert "remove spec.force to keep what is in it" in warnings[0]["message"]
    await buckets.run_until_quiet(within=700)
    assert buckets.find(KEY) is None
    assert "agents-data" not in s3.buckets
    assert [call.given for call in s3.calls if call.name == "DeleteObjects"] == [1000, 1000, 1000]


async def test_force_can_be_taken_back_within_the_grace_period(buckets: World, s3: FakeS3) -> None:
    made = await born(buckets, s3, 3, deletionPolicy="Delete", force={"gracePeriod": "1h"})
    await delete(buckets, within=60)
    buckets.edit(KEY, {"spec": {"force": None}})
    await buckets.run_until_quiet(within=7200)
    assert reason(buckets) == "BucketNotEmpty"
    assert len(made.objects) == 3


async def test_contents_go_in_turn(buckets: World, s3: FakeS3) -> None:
    made = await born(buckets, s3, 20_000, deletionPolicy="Delete", force={"gracePeriod": "1m"})
    await delete(buckets, within=62)
    assert 10_000 < len(made.objects) < 20_000, "a burst, then 500 a second"
    await buckets.run_until_quiet(within=60)
    assert "agents-data" not in s3.buckets


async def test_locked_objects_are_told_and_hold_it_up(buckets: World, s3: FakeS3) -> None:
    made = await born(
        buckets, s3, 2, purpose="Audit", deletionPolicy="Delete", force={"gracePeriod": "1m"},
        objectLock={"mode": "Governance", "days": 9},
    )  # fmt: skip
    made.locked = set(made.objects)
    await delete(buckets, within=90)
    assert reason(buckets) == "ObjectLocked"
    assert len(made.objects) == 2


async def test_a_bucket_that_became_anothers_stays(buckets: World, s3: FakeS3) -> None:
    made = await born(buckets, s3, deletionPolicy="Delete")
    made.tags["agentmemory.dev/bucket"] = "elsewhere/other"
    await delete(buckets)
    assert buckets.find(KEY) is None
    assert "agents-data" in s3.buckets


async def test_a_bucket_that_was_never_had_holds_up_nothing(buckets: World, s3: FakeS3) -> None:
    s3.buckets["agents-data"] = FakeBucket("eu-central-1", objects={"theirs"})
    buckets.put(declared(deletionPolicy="Delete", force={"gracePeriod": "1m"}))
    await buckets.run_until_quiet()
    assert reason(buckets) == "BucketNotEmpty"
    await delete(buckets, within=600)
    assert buckets.find(KEY) is None
    assert s3.buckets["agents-data"].objects == {"theirs"}


async def test_a_bucket_that_is_gone_already_holds_up_nothing(buckets: World, s3: FakeS3) -> None:
    await born(buckets, s3, deletionPolicy="Delete")
    s3.buckets.clear()
    await delete(buckets)
    assert buckets.find(KEY) is None


async def test_a_server_that_is_away_holds_it_up(buckets: World, s3: FakeS3) -> None:
    await born(buckets, s3, deletionPolicy="Delete")
    s3.available = False
    await delete(buckets, within=30)
    assert buckets.condition(KEY, "Reconciling")["status"] == "True"
    s3.available = True
    await buckets.run_until_quiet(within=120)
    assert buckets.find(KEY) is None


async def test_keys_that_are_gone_hold_it_up(buckets: World, s3: FakeS3) -> None:
    await born(buckets, s3, deletionPolicy="Delete")
    buckets.delete(f"Secret/{SPACE}/keys")
    await delete(buckets, within=30)
    assert reason(buckets) == "CredentialsNotFound"


@pytest.mark.parametrize("available", [True, False])
async def test_a_namespace_that_goes_takes_no_contents_along(available: bool, buckets: World, s3: FakeS3) -> None:
    made = await born(buckets, s3, 1, deletionPolicy="Delete", force={"gracePeriod": "1h"})
    s3.available = available
    buckets.cluster.delete(Key("Namespace", "", SPACE))
    await buckets.run_until_quiet(within=60)
    assert buckets.find(KEY) is None
    assert made.objects


async def test_an_answer_that_got_lost_ends_it_all_the_same(buckets: World, s3: FakeS3) -> None:
    await born(buckets, s3, deletionPolicy="Delete")
    s3.after.append(lambda call: Transient("NoAnswer", "no answer") if call.name == "DeleteBucket" else None)
    await delete(buckets)
    s3.after.clear()
    await buckets.run_until_quiet(within=60)
    assert buckets.find(KEY) is None


async def test_nobody_deletes_without_the_lease(buckets: World, s3: FakeS3) -> None:
    await born(buckets, s3, deletionPolicy="Delete")
    buckets.ctx.leading = lambda: False
    await delete(buckets, within=30)
    assert "agents-data" in s3.buckets


@pytest.mark.parametrize("ending", [True, False])
async def test_an_object_that_cannot_be_read_lets_go_and_says_so(
    ending: bool, buckets: World, s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        raise Invalid("InvalidSpec", "spec.purpose: 'Heirloom' is not known")

    await born(buckets, s3, deletionPolicy="Delete")
    monkeypatch.setattr("agentmemory.buckets.reconcile.parse", unreadable)
    if ending:
        await delete(buckets)
        assert buckets.find(KEY) is None
    else:
        await buckets.resync()
        assert reason(buckets) == "InvalidSpec"
    assert "agents-data" in s3.buckets


async def test_nothing_is_deleted_while_not_all_clusters_are_known(
    buckets: World, s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    await born(buckets, s3, deletionPolicy="Delete")
    monkeypatch.setattr(buckets.store, "synced", lambda kind: kind != "MemoryCluster")
    await delete(buckets, within=10)
    assert "agents-data" in s3.buckets
    monkeypatch.undo()
    await buckets.run_until_quiet(within=20)
    assert buckets.find(KEY) is None


@pytest.mark.parametrize("lost", range(1, 5))
async def test_contents_go_whichever_answer_is_lost(lost: int, buckets: World, s3: FakeS3) -> None:
    """Three times contents, then the bucket: each takes effect, and what follows is judged from what is there."""
    await born(buckets, s3, 2500, deletionPolicy="Delete", force={"gracePeriod": "1m"})
    s3.calls.clear()

    def lose(_: Call) -> Transient | None:
        return Transient("NoAnswer", "no answer") if len(s3.writes) == lost and s3.calls[-1] is s3.writes[-1] else None

    s3.after.append(lose)
    await delete(buckets, within=300)
    assert buckets.find(KEY) is None
    assert "agents-data" not in s3.buckets
    assert [call.name for call in s3.writes] == ["DeleteObjects"] * 3 + ["DeleteBucket"]
