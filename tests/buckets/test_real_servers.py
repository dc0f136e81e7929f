"""Drifts made by hand on real servers, each repaired or reported within one look; and looks that write nothing.

versitygw for what it has, moto for the rest: see tests/objectstore/servers.py. Only Kubernetes is not real here.
"""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from agentmemory.buckets.reconcile import BucketReconciler
from agentmemory.core.key import Key
from agentmemory.objectstore.model import Location
from agentmemory.objectstore.pool import StorePool
from agentmemory.objectstore.store import ObjectStore
from tests.fakekube.fixture import World
from tests.objectstore.servers import LOOPBACK, Server, VersityGw, moto, versitygw

from .worlds import SECRET, SPACE, declared

__all__ = ["moto", "versitygw"]

_numbers = itertools.count()
READS = frozenset({"describe", "look", "is_empty"})


@dataclass
class Counting:
    """A store that counts the calls that write."""

    store: ObjectStore
    writes: list[str]

    def __getattr__(self, name: str) -> Any:
        if name not in READS:
            self.writes.append(name)
        return getattr(self.store, name)


@dataclass
class Stores:
    """A StorePool whose stores count."""

    pool: StorePool
    writes: list[str] = field(default_factory=list)

    def get(self, location: Location) -> ObjectStore:
        return Counting(self.pool.get(location), self.writes)  # type: ignore[return-value]

    async def close(self) -> None:
        await self.pool.close()


@dataclass
class Stage:
    """A bucket on a real server with the operator at work; `client` is somebody else's way to it."""

    world: World
    stores: Stores
    server: Server
    client: Any
    name: str

    @property
    def key(self) -> Key:
        return Key("MemoryBucket", SPACE, self.name)

    async def born(self, **spec: Any) -> None:
        await self.declare(**spec)
        assert self.ready["status"] == "True", self.ready["message"]

    async def declare(self, **spec: Any) -> None:
        way = {"endpoint": self.server.endpoint, "pathStyle": True, "credentialsSecretRef": {"name": "keys"}}
        self.world.put(declared(self.name, s3=way, **spec))
        await self.world.run_until_quiet()

    @property
    def ready(self) -> dict[str, Any]:
        return self.world.condition(self.key, "Ready")

    def state_of(self, path: str) -> str:
        return next(one["state"] for one in self.world.get(self.key)["status"]["enforcement"] if one["path"] == path)

    async def at_rest(self) -> None:
        """Two operators more, each with two looks: 0 writes at the server and 0 in Kubernetes."""
        for _ in range(2):
            await self.world.restart()
            self.world.ctx.stores = self.stores
            self.stores.writes.clear()
            self.world.fake.requests.clear()
            await self.world.resync()
            await self.world.resync()
            assert self.stores.writes == []
            assert self.world.fake.requests.writes() == []


@pytest.fixture(scope="module")
def pool() -> Iterator[StorePool]:
    made = StorePool(LOOPBACK)
    yield made
    asyncio.run(made.close())


async def _stage(server: Server, keys: Any, pool: StorePool) -> AsyncIterator[Stage]:
    async with World.open() as world:
        stores = Stores(pool)
        world.ctx.stores = stores
        world.use(BucketReconciler)
        words = {"AWS_ACCESS_KEY_ID": keys.access_key_id, "AWS_SECRET_ACCESS_KEY": keys.secret_access_key}
        data = {name: base64.b64encode(word.encode()).decode() for name, word in words.items()}
        world.put({**SECRET, "data": data})
        yield Stage(world, stores, server, server.client(keys), f"drift-{next(_numbers)}")


@pytest.fixture
async def on_moto(moto: Server, pool: StorePool) -> AsyncIterator[Stage]:
    async for stage in _stage(moto, moto.root, pool):
        yield stage


@pytest.fixture
async def on_versity(versitygw: VersityGw, pool: StorePool) -> AsyncIterator[Stage]:
    async for stage in _stage(versitygw, versitygw.user("platform"), pool):
        yield stage


def rule(**action: Any) -> dict[str, Any]:
    return {"Rules": [{"ID": "cheap", "Status": "Enabled", "Filter": {"Prefix": ""}, **action}]}


def kms(key: str) -> dict[str, Any]:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}


HALF_OPEN = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": False,
    "BlockPublicPolicy": False,
    "RestrictPublicBuckets": True,
}


async def seen(stage: Stage) -> Any:
    found = await stage.stores.pool.get(
        stage.server.location(next(keys for keys, it in stage.server.clients.items() if it is stage.client))
    ).describe(stage.name)
    assert found is not None
    return found


Meddle = Callable[[Any, str], Any]

ON_MOTO: dict[str, dict[str, Meddle]] = {
    "first": {
        "Tags": lambda s3, name: s3.delete_bucket_tagging(Bucket=name),
        "Encryption": lambda s3, name: s3.put_bucket_encryption(
            Bucket=name, ServerSideEncryptionConfiguration=kms("somebodys")
        ),
        "PublicAccessBlock": lambda s3, name: s3.delete_public_access_block(Bucket=name),
        "Ownership": lambda s3, name: s3.put_bucket_ownership_controls(
            Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        ),
        "Lifecycle": lambda s3, name: s3.put_bucket_lifecycle_configuration(
            Bucket=name, LifecycleConfiguration=rule(Expiration={"Days": 3})
        ),
        "Policy": lambda s3, name: s3.delete_bucket_policy(Bucket=name),
    },
    "second": {
        "Encryption": lambda s3, name: s3.delete_bucket_encryption(Bucket=name),
        "PublicAccessBlock": lambda s3, name: s3.put_public_access_block(
            Bucket=name, PublicAccessBlockConfiguration=HALF_OPEN
        ),
        "Ownership": lambda s3, name: s3.delete_bucket_ownership_controls(Bucket=name),
        "Lifecycle": lambda s3, name: s3.put_bucket_lifecycle_configuration(
            Bucket=name, LifecycleConfiguration=rule(Transitions=[{"Days": 1, "StorageClass": "GLACIER"}])
        ),
    },
}


@pytest.mark.parametrize("batch", ON_MOTO)
async def test_drifts_on_moto_are_repaired(batch: str, on_moto: Stage) -> None:
    await on_moto.born()
    before = await seen(on_moto)
    for meddle in ON_MOTO[batch].values():
        meddle(on_moto.client, on_moto.name)
    assert await seen(on_moto) != before
    await on_moto.world.resync()
    assert await seen(on_moto) == before
    told = [one["message"].split()[0] for one in on_moto.world.cluster.list("Event")]
    assert sorted(told) == sorted(ON_MOTO[batch]), "each is told by its name"
    await on_moto.at_rest()


async def test_versioning_on_a_data_bucket_on_moto_is_suspended(on_moto: Stage) -> None:
    await on_moto.born()
    on_moto.client.put_bucket_versioning(Bucket=on_moto.name, VersioningConfiguration={"Status": "Enabled"})
    await on_moto.world.resync()
    assert (await seen(on_moto)).versioning == "Suspended"
    await on_moto.at_rest()


async def test_a_shorter_lock_on_moto_is_repaired(on_moto: Stage) -> None:
    await on_moto.born(purpose="Audit", objectLock={"mode": "Governance", "days": 30})
    before = await seen(on_moto)
    shorter = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    on_moto.client.put_object_lock_configuration(Bucket=on_moto.name, ObjectLockConfiguration=shorter)
    await on_moto.world.resync()
    assert await seen(on_moto) == before
    await on_moto.at_rest()


async def test_object_lock_on_a_data_bucket_is_refused(on_versity: Stage) -> None:
    on_versity.client.create_bucket(Bucket=on_versity.name, ObjectLockEnabledForBucket=True)
    await on_versity.declare()
    assert on_versity.ready["reason"] == "ObjectLockOnData"
    assert on_versity.stores.writes == []


ON_VERSITY: dict[str, Meddle] = {
    "Tags": lambda s3, name: s3.put_bucket_tagging(
        Bucket=name, Tagging={"TagSet": [{"Key": "agentmemory.dev/bucket", "Value": f"{SPACE}/{name}"}]}
    ),
    "Ownership": lambda s3, name: s3.put_bucket_ownership_controls(
        Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    ),
    "Policy": lambda s3, name: s3.delete_bucket_policy(Bucket=name),
}


async def test_drifts_on_versitygw_are_repaired(on_versity: Stage) -> None:
    await on_versity.born()
    before = await seen(on_versity)
    for meddle in ON_VERSITY.values():
        meddle(on_versity.client, on_versity.name)
    assert await seen(on_versity) != before
    await on_versity.world.resync()
    assert await seen(on_versity) == before
    await on_versity.at_rest()


async def test_what_versitygw_lacks_is_reported(on_versity: Stage) -> None:
    await on_versity.born()
    capabilities = on_versity.world.get(on_versity.key)["status"]["capabilities"]
    assert {one["name"] for one in capabilities if one["state"] == "Missing"} == {
        "Encryption",
        "Lifecycle",
        "PublicAccessBlock",
    }
    assert on_versity.state_of("spec.encryption") == "Unsupported"
    assert on_versity.state_of("spec.purpose.publicAccess") == "Unsupported"


async def test_a_bucket_deleted_by_hand_is_reported(on_versity: Stage) -> None:
    await on_versity.born()
    on_versity.client.delete_bucket(Bucket=on_versity.name)
    await on_versity.world.resync()
    assert on_versity.ready["reason"] == "BucketLost"
    await on_versity.at_rest()


async def sids(stage: Stage) -> list[str]:
    """The policy's statements; the one that keeps its writer in is the objectstore's own affair."""
    return [one["Sid"] for one in (await seen(stage)).policy["Statement"]]


def walled(network: str) -> dict[str, Any]:
    return {"sourceCidrs": [network], "breakGlassPrincipals": ["rescue"], "requireTls": False}


async def test_a_policy_with_a_condition_is_proven_on_versitygw_and_written(on_versity: Stage) -> None:
    await on_versity.born(policy=walled("127.0.0.0/8"))
    assert on_versity.state_of("spec.policy.sourceCidrs") == "Enforced"
    assert await sids(on_versity) == ["AgentMemoryNever", "AgentMemorySources"]
    on_versity.client.put_object(Bucket=on_versity.name, Key="a", Body=b"x")
    await on_versity.at_rest()


async def test_a_policy_that_locks_the_operator_out_is_refused_on_versitygw(on_versity: Stage) -> None:
    await on_versity.declare(policy=walled("192.0.2.0/24"))
    assert on_versity.ready["reason"] == "PolicyLocksOut"
    assert await sids(on_versity) == ["AgentMemoryNever"]
    on_versity.client.put_object(Bucket=on_versity.name, Key="a", Body=b"x")
    await on_versity.at_rest()


async def test_conditions_are_not_written_where_a_server_passes_over_them(on_moto: Stage) -> None:
    await on_moto.born(policy=walled("127.0.0.0/8"))
    assert on_moto.state_of("spec.policy.sourceCidrs") in ("Unsupported", "Unverified")
    assert await sids(on_moto) == ["AgentMemoryNever"]
    await on_moto.at_rest()


async def test_an_adopted_bucket_costs_a_second_operator_no_write(on_versity: Stage) -> None:
    on_versity.client.create_bucket(Bucket=on_versity.name)
    theirs = {"TagSet": [{"Key": "cost-center", "Value": "7"}]}
    on_versity.client.put_bucket_tagging(Bucket=on_versity.name, Tagging=theirs)
    await on_versity.born(creation="Adopt")
    assert on_versity.world.get(on_versity.key)["status"]["adopted"] is True
    assert (await seen(on_versity)).tags["cost-center"] == "7"
    await on_versity.at_rest()


async def test_somebody_elses_bucket_is_refused(on_versity: Stage, versitygw: VersityGw) -> None:
    versitygw.client(versitygw.user("somebody")).create_bucket(Bucket=on_versity.name)
    await on_versity.declare()
    assert on_versity.ready["reason"] == "BucketOwnedBySomebodyElse"


async def test_contents_and_bucket_go_by_force(on_versity: Stage) -> None:
    await on_versity.born(deletionPolicy="Delete", force={"gracePeriod": "1m"})
    for number in range(3):
        on_versity.client.put_object(Bucket=on_versity.name, Key=f"k{number}", Body=b"x")
    on_versity.client.create_multipart_upload(Bucket=on_versity.name, Key="half")
    on_versity.world.delete(on_versity.key)
    await on_versity.world.run_until_quiet(within=50)
    assert on_versity.ready["reason"] == "GracePeriod"
    await on_versity.world.run_until_quiet(within=60)
    assert on_versity.world.find(on_versity.key) is None
    assert on_versity.name not in [one["Name"] for one in on_versity.client.list_buckets()["Buckets"]]
