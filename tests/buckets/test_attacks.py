"""What must be refused, each with its reason, and without a word that holds a key."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentmemory.buckets.reconcile import BucketReconciler
from agentmemory.objectstore.endpoints import Rules
from agentmemory.objectstore.model import ObjectLock
from agentmemory.objectstore.pool import StorePool
from tests.fakekube.fixture import World
from tests.fakes3 import FakeBucket, FakeS3

from .worlds import KEY, SECRET, declared

PLANTED = ("AKIAPLANTED", "planted-secret")


async def refused(world: World, **spec: Any) -> dict[str, Any]:
    world.put(declared(**spec))
    await world.run_until_quiet()
    said = json.dumps([*world.cluster.list("MemoryBucket"), *world.cluster.list("Event")])
    assert not [word for word in PLANTED if word in said]
    found = world.condition(KEY, "Ready")
    assert found["status"] == "False"
    return found


@pytest.fixture
async def guarded(world: World) -> AsyncIterator[World]:
    """The shipped way to object storage, with the Kubernetes API at an address of its own."""
    pool = StorePool(Rules(refuse=frozenset({"10.96.0.1"})))
    world.ctx.stores = pool
    world.use(BucketReconciler)
    world.put(SECRET)
    yield world
    await pool.close()


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "metadata.google.internal",
        "kubernetes.default.svc",
        "10.96.0.1",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_endpoint_at_this_machine_the_metadata_service_or_the_kubernetes_api(
    scheme: str, host: str, guarded: World
) -> None:
    found = await refused(guarded, s3={"endpoint": f"{scheme}://{host}", "credentialsSecretRef": {"name": "keys"}})
    assert found["reason"] == "EndpointNotAllowed"
    assert "name the server's own host" in found["message"]
    assert guarded.condition(KEY, "Accepted")["status"] == "False"


async def test_plain_http_to_somewhere_else(guarded: World) -> None:
    found = await refused(guarded, s3={"endpoint": "http://s3.example.com"})
    assert found["reason"] == "EndpointNotAllowed"
    assert "needs https" in found["message"]


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://AKIAPLANTED:planted-secret@s3.example.com",
        "https://s3.example.com/?accessKey=AKIAPLANTED",
        "https://s3.example.com#planted-secret",
        "s3://agents-data?accessKey=AKIAPLANTED&secretKey=planted-secret",
    ],
)
async def test_a_key_in_a_uri_gets_nowhere_and_is_not_repeated(endpoint: str, buckets: World, s3: FakeS3) -> None:
    """The API server refuses it (tests/api/tables.py); so does the operator where an object got past that."""
    buckets.put(declared(s3={"endpoint": endpoint}))
    await buckets.run_until_quiet()
    assert buckets.condition(KEY, "Ready")["reason"] == "InvalidSpec"
    said = json.dumps([buckets.get(KEY)["status"], *buckets.cluster.list("Event")])
    assert not [word for word in PLANTED if word in said]
    assert s3.calls == []


@pytest.mark.parametrize(
    "reference", [{"name": "theirs", "namespace": "other"}, {"name": "other/theirs"}, {"name": "../other/theirs"}]
)
async def test_a_credentials_secret_of_another_namespace(reference: dict[str, str], buckets: World, s3: FakeS3) -> None:
    """The API has no field for one; a name with a slash is none."""
    buckets.put({**SECRET, "metadata": {"name": "theirs", "namespace": "other"}})
    buckets.fake.requests.clear()
    found = await refused(buckets, s3={"endpoint": "https://s3.example.com", "credentialsSecretRef": reference})
    assert found["reason"] == "InvalidSpec"
    asked = [request.key for request in buckets.fake.requests.of("get", "Secret")]
    assert [key for key in asked if key.namespace == "other"] == []
    assert s3.calls == []


async def test_the_bucket_name_of_somebody_else(buckets: World, s3: FakeS3) -> None:
    s3.buckets["agents-data"] = FakeBucket("eu-central-1", account="somebody")
    found = await refused(buckets)
    assert found["reason"] == "BucketOwnedBySomebodyElse"
    assert s3.writes == []


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        (FakeBucket("eu-central-1", tags={"agentmemory.dev/bucket": "other/agents-data"}), "BucketOwnedByAnother"),
        (FakeBucket("eu-central-1", objects={"theirs"}), "BucketNotEmpty"),
        (FakeBucket("us-east-1"), "RegionMismatch"),
        (FakeBucket("eu-central-1", object_lock=ObjectLock("COMPLIANCE", 3650)), "ObjectLockOnData"),
        (FakeBucket("eu-central-1", object_lock=ObjectLock()), "ObjectLockOnData"),
    ],
)
async def test_a_bucket_that_may_not_be_taken_is_not_touched(
    there: FakeBucket, reason: str, buckets: World, s3: FakeS3
) -> None:
    s3.buckets["agents-data"] = there
    found = await refused(buckets)
    assert found["reason"] == reason
    assert s3.writes == []


PAST_THE_API = [
    ({"objectLock": {"mode": "Compliance", "days": 1}}, "objectLock is for purpose Audit only"),
    ({"policy": {"sourceCidrs": ["10.0.0.0/8"]}}, "name somebody in policy.breakGlassPrincipals"),
    ({"lifecycle": {"expireAfter": "720h"}}, "lifecycle.expireAfter is for purpose Ops only"),
]


@pytest.mark.parametrize(("spec", "words"), PAST_THE_API)
async def test_what_the_api_refuses_is_refused_here_too(
    spec: dict[str, Any], words: str, buckets: World, s3: FakeS3
) -> None:
    found = await refused(buckets, **spec)
    assert found["reason"] == "InvalidSpec"
    assert words in found["message"]
    assert s3.calls == []


LOCKING = {"sourceCidrs": ["192.0.2.0/24"], "breakGlassPrincipals": ["arn:aws:iam::111122223333:role/rescue"]}


async def test_a_policy_that_locks_the_operator_out_is_not_written(buckets: World, s3: FakeS3) -> None:
    found = await refused(buckets, policy=LOCKING)
    assert found["reason"] == "PolicyLocksOut"
    assert "add the operator's own identity" in found["message"]
    policy = s3.buckets["agents-data"].policy
    assert policy is not None
    assert [one["Sid"] for one in policy["Statement"]] == ["AgentMemoryNever"]
    s3.calls.clear()
    await buckets.resync()
    assert s3.writes == [], "nor is it tried again"


async def test_nor_is_it_after_the_server_was_away(buckets: World, s3: FakeS3) -> None:
    """What was found out must not be lost with the condition that told it."""
    await refused(buckets, policy=LOCKING)
    s3.available = False
    await buckets.resync()
    s3.available = True
    await buckets.run_until_quiet(within=60)
    assert buckets.condition(KEY, "Ready")["reason"] == "PolicyLocksOut"
    assert "AgentMemorySources" not in str(s3.buckets["agents-data"].policy)


async def test_tls_over_an_endpoint_without_it_locks_everybody_out(buckets: World, s3: FakeS3) -> None:
    found = await refused(buckets, s3={"endpoint": "http://s3.storage.svc:7070"}, policy={"requireTls": True})
    assert found["reason"] == "PolicyLocksOut"
    assert s3.calls == []


def test_a_process_without_buckets_does_not_load_the_way_to_them() -> None:
    """boto3 costs some 30 MB: who has no MemoryBucket does not pay it."""
    code = (
        "import sys, agentmemory.app, agentmemory.buckets.reconcile, agentmemory.clusters.reconcile\n"
        "from agentmemory.objectstore.endpoints import Rules\n"
        "from agentmemory.objectstore.pool import StorePool\n"
        "StorePool(Rules())\n"
        "sys.exit(', '.join(name for name in sys.modules if name.split('.')[0] in ('boto3', 'botocore')) or 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr
