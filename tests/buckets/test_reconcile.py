"""The story of a MemoryBucket on a fake API server and a server in memory."""

from typing import Any

import pytest

from agentmemory.core.errors import Transient
from agentmemory.core.key import Key
from agentmemory.engines.shared import shared_of
from agentmemory.objectstore.model import Encryption, LifecycleRule, ObjectLock, PublicAccessBlock
from tests.fakekube.fixture import World
from tests.fakes3 import FakeBucket, FakeS3, Identity

from .worlds import KEY, MARK, SECRET, SPACE, automq, declared


def ready(world: World, key: Any = KEY) -> dict[str, Any]:
    return world.condition(key, "Ready")


def status(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.get(KEY)["status"]
    return found


def state_of(world: World, path: str) -> str:
    return next(str(entry["state"]) for entry in status(world)["enforcement"] if entry["path"] == path)


def events(world: World) -> set[str]:
    return {event["reason"] for event in world.cluster.list("Event")}


async def settle(world: World, *objs: dict[str, Any]) -> None:
    world.put(*objs)
    await world.run_until_quiet()


async def at_rest(world: World, s3: FakeS3) -> None:
    """Two looks more: nothing is written, neither here nor there."""
    s3.calls.clear()
    world.fake.requests.clear()
    await world.resync()
    await world.resync()
    assert len(s3.calls) == 2, "each look asks once"
    assert s3.writes == []
    assert world.fake.requests.writes() == []


async def test_a_bucket_is_made_as_declared(buckets: World, s3: FakeS3) -> None:
    await settle(buckets, declared(tags={"team": "memory"}))
    made = s3.buckets["agents-data"]
    assert made.region == "eu-central-1"
    assert made.tags == {**MARK, "agentmemory.dev/uid": buckets.get(KEY)["metadata"]["uid"], "team": "memory"}
    assert made.encryption == Encryption("AES256")
    assert made.public_access_block == PublicAccessBlock()
    assert made.ownership == "BucketOwnerEnforced"
    assert made.versioning == "Disabled"
    assert [(rule.abort_days, rule.expire_days) for rule in made.lifecycle] == [(7, None)]
    assert made.policy is not None
    assert {one["Sid"] for one in made.policy["Statement"]} == {"AgentMemoryNever", "AgentMemoryTls"}
    assert ready(buckets)["status"] == "True"
    assert ready(buckets)["message"] == "bucket agents-data is as declared"
    assert (status(buckets)["adopted"], status(buckets)["region"]) == (False, "eu-central-1")
    assert {entry["state"] for entry in status(buckets)["capabilities"]} == {"Supported"}
    assert {entry["state"] for entry in status(buckets)["enforcement"]} == {"Enforced"}
    assert events(buckets) == set()
    await at_rest(buckets, s3)


async def test_a_second_operator_writes_nothing_on_an_adopted_bucket(buckets: World, s3: FakeS3) -> None:
    s3.buckets["agents-data"] = FakeBucket("eu-central-1", tags={"cost": "7"})
    await settle(buckets, declared(creation="Adopt"))
    assert status(buckets)["adopted"] is True
    assert s3.buckets["agents-data"].tags["cost"] == "7"
    stores = buckets.ctx.stores
    await buckets.restart()
    buckets.ctx.stores = stores
    buckets.fake.requests.clear()
    s3.calls.clear()
    await buckets.run_until_quiet()
    assert [call.name for call in s3.calls] == ["Describe"]
    assert buckets.fake.requests.writes() == []


DRIFTS: dict[str, tuple[str, Any]] = {
    "tags": ("tags", {}),
    "uid": ("tags", {"agentmemory.dev/bucket": "memory-system/agents-data"}),
    "encryption": ("encryption", None),
    "weaker encryption": ("encryption", Encryption("aws:kms", "somebodys")),
    "public": ("public_access_block", None),
    "half public": ("public_access_block", PublicAccessBlock(block_public_policy=False)),
    "ownership": ("ownership", "ObjectWriter"),
    "versioning": ("versioning", "Enabled"),
    "no lifecycle": ("lifecycle", ()),
    "expiry": ("lifecycle", (LifecycleRule("cheap", expire_days=30),)),
    "transition": ("lifecycle", (LifecycleRule("cold", others=("Transitions",)),)),
    "no policy": ("policy", None),
    "foreign policy": ("policy", {"Version": "2012-10-17", "Statement": []}),
}


@pytest.mark.parametrize("name", DRIFTS)
async def test_a_drift_is_repaired_within_one_look_and_told(name: str, buckets: World, s3: FakeS3) -> None:
    await settle(buckets, declared())
    part, value = DRIFTS[name]
    wanted = getattr(s3.buckets["agents-data"], part)
    setattr(s3.buckets["agents-data"], part, value)
    await buckets.resync()
    if name == "versioning":
        assert s3.buckets["agents-data"].versioning == "Suspended"
        entry = next(one for one in status(buckets)["enforcement"] if one["path"] == "spec.purpose.versioning")
        assert entry["reason"].startswith("it was on once")
    else:
        assert getattr(s3.buckets["agents-data"], part) == wanted
    assert ready(buckets)["status"] == "True"
    assert events(buckets) == {"DriftRepaired"}
    await at_rest(buckets, s3)


async def test_object_lock_put_on_a_data_bucket_is_reported(buckets: World, s3: FakeS3) -> None:
    await settle(buckets, declared())
    s3.buckets["agents-data"].object_lock = ObjectLock("COMPLIANCE", 30)
    await buckets.resync()
    assert ready(buckets)["reason"] == "ObjectLockOnData"
    await at_rest(buckets, s3)


async def test_a_bucket_deleted_by_hand_is_not_made_anew(buckets: World, s3: FakeS3) -> None:
    await settle(buckets, declared())
    del s3.buckets["agents-data"]
    await buckets.resync()
    assert ready(buckets)["reason"] == "BucketLost"
    assert events(buckets) == {"BucketLost"}
    await at_rest(buckets, s3)
    assert s3.buckets == {}


async def test_what_a_server_lacks_is_shown_and_not_asked_again(buckets: World, s3: FakeS3) -> None:
    s3.missing = {"Encryption", "Lifecycle", "PublicAccessBlock", "Tags"}
    await settle(buckets, declared())
    assert ready(buckets)["status"] == "True"
    assert ready(buckets)["message"].endswith("its server lacks Encryption, Lifecycle, PublicAccessBlock, Tags")
    lacking = {entry["name"] for entry in status(buckets)["capabilities"] if entry["state"] == "Missing"}
    assert lacking == s3.missing
    assert state_of(buckets, "spec.encryption") == "Unsupported"
    assert state_of(buckets, "spec.tags") == "Unsupported"
    await at_rest(buckets, s3)


@pytest.mark.parametrize(
    ("conditions", "root", "state"),
    [("Ignored", False, "Unsupported"), ("Refused", False, "Unsupported"), ("Evaluated", True, "Unverified")],
)
async def test_a_condition_is_written_only_where_the_server_looks_at_it(
    conditions: Any, root: bool, state: str, buckets: World, s3: FakeS3
) -> None:
    s3.conditions = conditions
    s3.identities = {"AKIAPLANTED": Identity(root=root)}
    await settle(buckets, declared())
    policy = s3.buckets["agents-data"].policy
    assert policy is not None
    assert [one["Sid"] for one in policy["Statement"]] == ["AgentMemoryNever"]
    assert state_of(buckets, "spec.policy.requireTls") == state
    assert ready(buckets)["status"] == "True"
    await at_rest(buckets, s3)


async def test_a_policy_that_lets_us_in_is_written(buckets: World, s3: FakeS3) -> None:
    policy = {"sourceCidrs": ["10.0.0.0/8"], "breakGlassPrincipals": ["arn:aws:iam::1:role/rescue"]}
    await settle(buckets, declared(policy=policy))
    written = s3.buckets["agents-data"].policy
    assert written is not None
    assert [one["Sid"] for one in written["Statement"]] == [
        "AgentMemoryNever",
        "AgentMemoryTls",
        "AgentMemorySources",
    ]
    assert state_of(buckets, "spec.policy.sourceCidrs") == "Enforced"
    await at_rest(buckets, s3)


async def test_a_server_that_is_away_is_asked_again(buckets: World, s3: FakeS3) -> None:
    s3.available = False
    await settle(buckets, declared())
    assert (ready(buckets)["status"], buckets.condition(KEY, "Reconciling")["status"]) == ("False", "True")
    s3.available = True
    await buckets.run_until_quiet(within=60)
    assert ready(buckets)["status"] == "True"


async def test_an_answer_that_got_lost_changes_nothing(buckets: World, s3: FakeS3) -> None:
    s3.after.append(lambda call: Transient("NoAnswer", "no answer") if call.name == "CreateBucket" else None)
    buckets.put(declared(creation="Create"))
    await buckets.run_until_quiet()
    s3.after.clear()
    await buckets.run_until_quiet(within=60)
    assert ready(buckets)["status"] == "True"
    assert status(buckets)["adopted"] is False


@pytest.mark.parametrize(("state", "reason"), [("Expired", "CredentialsExpired"), ("Disabled", "CredentialsInvalid")])
async def test_keys_that_do_not_hold_are_told_without_being_shown(
    state: Any, reason: str, buckets: World, s3: FakeS3
) -> None:
    s3.identities = {"AKIAPLANTED": Identity(state=state)}
    await settle(buckets, declared())
    assert ready(buckets)["reason"] == reason
    assert "AKIAPLANTED" not in str(buckets.get(KEY))
    s3.identities = {}
    await buckets.run_until_quiet(within=120)
    assert ready(buckets)["status"] == "True"


async def test_keys_that_come_late_are_found(buckets: World, s3: FakeS3) -> None:
    buckets.delete(f"Secret/{SPACE}/keys")
    await settle(buckets, declared())
    assert ready(buckets)["reason"] == "CredentialsNotFound"
    buckets.put({**SECRET, "data": {"AWS_ACCESS_KEY_ID": "QQ=="}})
    await buckets.run_until_quiet(within=20)
    assert ready(buckets)["reason"] == "CredentialsInvalid"
    buckets.put(SECRET)
    await buckets.run_until_quiet(within=20)
    assert ready(buckets)["status"] == "True"


async def test_changed_keys_reach_the_cluster_with_the_buckets_next_look(buckets: World) -> None:
    """Nobody watches Secrets: the brokers need not wait until what was read of one is no longer believed."""
    await settle(buckets, declared())
    rotated = {**SECRET["data"], "AWS_SECRET_ACCESS_KEY": "cm90YXRlZA=="}
    buckets.put({**SECRET, "data": rotated})
    await buckets.resync()
    buckets.fake.requests.clear()
    believed = shared_of(buckets.ctx.store, buckets.ctx.clock).secrets
    found = await believed.get(buckets.ctx.kube, Key("Secret", SPACE, "keys"))
    assert found is not None
    assert found["data"] == rotated
    assert buckets.fake.requests.of("get", "Secret") == []


async def test_an_authority_that_is_missing_is_told(buckets: World) -> None:
    await settle(buckets, declared(s3={"endpoint": "https://s3.example.com", "caConfigMapRef": {"name": "ca"}}))
    assert ready(buckets)["reason"] == "AuthorityNotFound"
    authority = {"metadata": {"name": "ca", "namespace": SPACE}, "data": {"ca.crt": "pem"}}
    buckets.put({"apiVersion": "v1", "kind": "ConfigMap", **authority})
    await buckets.run_until_quiet(within=20)
    assert ready(buckets)["status"] == "True"


async def test_clusters_that_use_it_are_named(buckets: World, s3: FakeS3) -> None:
    await settle(buckets, declared(), automq("agents"), automq("more", data="other", ops="agents-data"))
    assert status(buckets)["usedBy"] == ["agents", "more"]
    buckets.delete(f"MemoryCluster/{SPACE}/agents")
    buckets.delete(f"MemoryCluster/{SPACE}/more")
    await buckets.run_until_quiet()
    assert "usedBy" not in status(buckets)


async def test_two_objects_of_one_bucket_do_not_fight(buckets: World, s3: FakeS3) -> None:
    await settle(buckets, declared())
    await settle(buckets, declared("second", bucketName="agents-data"))
    assert ready(buckets, KEY._replace(name="second"))["reason"] == "BucketTaken"
    assert ready(buckets)["status"] == "True"
    buckets.delete(KEY)
    await buckets.run_until_quiet(within=60)
    assert ready(buckets, KEY._replace(name="second"))["reason"] == "BucketOwnedByAnother"


async def test_an_object_made_again_finds_its_own_bucket(buckets: World, s3: FakeS3) -> None:
    await settle(buckets, declared())
    s3.buckets["agents-data"].objects = {"a"}
    buckets.delete(KEY)
    await buckets.run_until_quiet()
    assert buckets.find(KEY) is None
    assert "agents-data" in s3.buckets
    await settle(buckets, declared())
    assert ready(buckets)["status"] == "True"
    assert status(buckets)["adopted"] is True
    assert s3.buckets["agents-data"].tags["agentmemory.dev/uid"] == buckets.get(KEY)["metadata"]["uid"]


async def test_an_audit_bucket_locks_and_keeps_versions(buckets: World, s3: FakeS3) -> None:
    await settle(buckets, declared(purpose="Audit", objectLock={"mode": "Governance", "days": 30}))
    made = s3.buckets["agents-data"]
    assert made.object_lock == ObjectLock("GOVERNANCE", 30)
    assert made.versioning == "Enabled"
    assert ready(buckets)["status"] == "True"
    buckets.edit(KEY, {"spec": {"objectLock": {"days": 60}}})
    await buckets.run_until_quiet()
    assert made.object_lock == ObjectLock("GOVERNANCE", 60)
    assert events(buckets) == set(), "what the author changed is no drift"
    await at_rest(buckets, s3)


async def test_an_adopted_audit_bucket_without_lock_gets_it(buckets: World, s3: FakeS3) -> None:
    s3.buckets["agents-data"] = FakeBucket("eu-central-1")
    await settle(buckets, declared(purpose="Audit", objectLock={"mode": "Compliance", "days": 30}))
    assert s3.buckets["agents-data"].object_lock == ObjectLock("COMPLIANCE", 30)
    assert s3.buckets["agents-data"].versioning == "Enabled"


async def test_an_audit_bucket_that_cannot_lock_is_not_ready(buckets: World, s3: FakeS3) -> None:
    s3.buckets["agents-data"] = FakeBucket("eu-central-1")
    s3.missing = {"ObjectLock"}
    await settle(buckets, declared(purpose="Audit", objectLock={"mode": "Compliance", "days": 30}))
    assert ready(buckets)["reason"] == "ObjectLockMissing"
    await at_rest(buckets, s3)


async def test_a_bucket_to_be_adopted_is_waited_for(buckets: World, s3: FakeS3) -> None:
    await settle(buckets, declared(creation="Adopt"))
    assert ready(buckets)["reason"] == "BucketNotFound"
    s3.buckets["agents-data"] = FakeBucket("eu-central-1")
    await buckets.run_until_quiet(within=20)
    assert ready(buckets)["status"] == "True"


async def test_a_paused_object_is_left_alone(buckets: World, s3: FakeS3) -> None:
    paused = declared()
    paused["metadata"]["annotations"] = {"agentmemory.dev/paused": "true"}
    await settle(buckets, paused)
    assert s3.calls == []


async def test_nobody_writes_without_the_lease(buckets: World, s3: FakeS3) -> None:
    buckets.ctx.leading = lambda: False
    await settle(buckets, declared())
    assert s3.writes == []
