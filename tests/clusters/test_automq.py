"""A cluster of engine automq: it waits for its buckets, and then rises on a static quorum with keys by reference."""

import base64
from typing import Any

import pytest

from agentmemory.api.base import parse
from agentmemory.api.memorybucket import MemoryBucket
from agentmemory.clusters import buckets
from agentmemory.core.key import key_of
from agentmemory.engines.automq.balancer import PRINCIPALS
from agentmemory.engines.base import Storage
from agentmemory.engines.registry import engine_of
from agentmemory.engines.shared import BELIEVED
from agentmemory.engines.storage import Found, disagreement, place
from tests.clusters.test_policy import world as made_world
from tests.engines.builders import automq_model
from tests.engines.stage import CLUSTER_KEY, NAMESPACE, POOL_KEY, Stage, cluster, pool
from tests.fakekafka import FakeKafka
from tests.fakekube.fixture import World

Object = dict[str, Any]
ASKED = {"dataBucketRef": {"name": "agents-data"}, "opsBucketRef": {"name": "agents-ops"}, "latencyClass": "Low"}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA-planted", "AWS_SECRET_ACCESS_KEY": "planted-secret"}
CREDENTIALS = f"Secret/{NAMESPACE}/s3-credentials"


def bucket(name: str = "agents-data", purpose: str = "Data", *, ready: bool = True, **changes: Any) -> Object:
    server = {"endpoint": "http://s3.storage.svc:7070", "pathStyle": True}
    server["credentialsSecretRef"] = {"name": "s3-credentials"}
    spec = {"purpose": purpose, "region": "eu-central-1", "s3": server, **changes.pop("spec", {})}
    condition = {
        "type": "Ready",
        "status": "True" if ready else "False",
        "reason": "Ready" if ready else "Unreachable",
        "message": "" if ready else "the server does not answer",
        "lastTransitionTime": "2026-01-01T12:00:00Z",
    }
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "MemoryBucket",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
        "status": {"conditions": [condition], **changes},
    }


def ops(**changes: Any) -> Object:
    return bucket("agents-ops", "Ops", **changes)


def secret(values: dict[str, str]) -> Object:
    data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    metadata = {"name": "s3-credentials", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def automq(**spec: Any) -> Object:
    return cluster(engine="automq", objectStorage=ASKED, **spec)


def stage_for(world: World) -> Stage:
    stage = Stage.set(world)
    stage.kafka = FakeKafka(brokers=0, controllers=0, automq=True)
    stage.kafka.leader = -1
    stage.connections.serve(stage.kafka)
    return stage


def declare(world: World, *objs: Object) -> None:
    """As people and the buckets' own reconciler write them."""
    for obj in objs:
        world.put(obj)
        if "status" in obj:
            world.cluster.set_status(key_of(obj), obj["status"])


async def rise(stage: Stage) -> None:
    declare(stage.world, secret(KEYS), bucket(), ops(), automq(), pool(replicas=2))
    await stage.settle(within=60)


def annotation(stage: Stage, pod: str, name: str) -> str:
    return str(stage.world.get(f"Pod/{NAMESPACE}/{pod}")["metadata"]["annotations"][f"agentmemory.dev/{name}"])


async def test_it_rises_on_its_buckets(world: World) -> None:
    stage = stage_for(world)
    await rise(stage)
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert world.condition(POOL_KEY)["status"] == "True"
    assert sorted(stage.pods()) == ["mem-0", "mem-1", "mem-1000", "mem-1001", "mem-2"]
    claims = {obj["metadata"]["name"] for obj in world.cluster.list("PersistentVolumeClaim")}
    assert claims == {"mem-0", "mem-1", "mem-2"}
    for name in claims:
        annotations = world.get(f"PersistentVolumeClaim/{NAMESPACE}/{name}")["metadata"]["annotations"]
        assert "agentmemory.dev/directory-id" not in annotations
        assert stage.begun(name)
    entries = {entry["path"]: entry for entry in world.get(CLUSTER_KEY)["status"]["enforcement"]}
    price = entries["spec.objectStorage.latencyClass"]
    assert price["mechanism"] == "s3.wal.path batchInterval=20"
    assert "50 PUT requests a second and broker" in price["reason"]
    assert "for the 2 brokers declared" in price["reason"]
    balancers = {acl for acl in stage.kafka.acls if acl.principal == "User:autobalancer"}
    assert balancers == PRINCIPALS["User:autobalancer"]


async def test_no_key_is_in_anything_that_is_made(world: World) -> None:
    await rise(stage_for(world))
    for kind in ("Pod", "ConfigMap", "Service", "MemoryCluster", "BrokerPool", "PersistentVolumeClaim"):
        for obj in world.cluster.list(kind):
            assert not [value for value in KEYS.values() if value in str(obj)], obj["metadata"]["name"]
    password = world.get(f"Secret/{NAMESPACE}/mem-balancer")["data"]["password"]
    assert password not in str(world.cluster.list("ConfigMap")) + str(world.cluster.list("Pod"))


async def test_at_rest_nothing_is_written(world: World) -> None:
    stage = stage_for(world)
    await rise(stage)
    world.fake.requests.clear()
    await world.resync(within=120)
    assert world.fake.requests.writes() == []
    assert world.fake.requests.of("get", "Secret") == []


async def test_it_waits_for_its_buckets(world: World) -> None:
    stage = stage_for(world)
    declare(world, secret(KEYS), automq(), pool(replicas=2))
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["reason"] == "BucketNotFound"
    assert stage.pods() == {}
    declare(world, bucket(), ops(ready=False))
    await stage.settle(within=30)
    assert world.condition(CLUSTER_KEY)["reason"] == "BucketNotReady"
    assert "the server does not answer" in world.condition(CLUSTER_KEY)["message"]
    assert stage.pods() == {}


async def test_it_waits_for_the_secret_with_the_keys(world: World) -> None:
    stage = stage_for(world)
    declare(world, bucket(), ops(), automq(), pool(replicas=2))
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["reason"] == "CredentialsMissing"
    world.put(secret(KEYS))
    await stage.settle(within=60)
    assert world.condition(CLUSTER_KEY)["status"] == "True"


async def test_changed_keys_roll_every_node(world: World) -> None:
    stage = stage_for(world)
    await rise(stage)
    before, pods = annotation(stage, "mem-1000", "credentials-hash"), stage.pods()
    world.put(secret({**KEYS, "AWS_SECRET_ACCESS_KEY": "rotated"}))
    await world.run_until_quiet(within=BELIEVED + 600)
    assert annotation(stage, "mem-1000", "credentials-hash") != before
    assert not set(pods.values()) & set(stage.pods().values())


async def test_the_balancers_secret_comes_back_as_it_was(world: World) -> None:
    stage = stage_for(world)
    await rise(stage)
    key = f"Secret/{NAMESPACE}/mem-balancer"
    before, pods = world.get(key)["data"], stage.pods()
    world.delete(key)
    await world.run_until_quiet(within=BELIEVED + 60)
    assert world.get(key)["data"] == before
    assert stage.pods() == pods


async def test_a_broker_leaves_with_all_that_stood_for_it(world: World) -> None:
    stage = stage_for(world)
    await rise(stage)
    await world.clock.advance(3600)
    await stage.settle()
    declare(world, pool(replicas=1))
    await stage.settle(within=600)
    assert sorted(stage.pods()) == ["mem-0", "mem-1", "mem-1000", "mem-2"]
    assert world.find(f"Service/{NAMESPACE}/mem-1001") is None
    assert world.condition(POOL_KEY)["status"] == "True"
    assert world.condition(CLUSTER_KEY)["status"] == "True"


def model(obj: Object) -> MemoryBucket:
    return parse(MemoryBucket, obj)


GOOD = (model(bucket()), model(ops()))
STORAGE = Storage(place(GOOD[0]), place(GOOD[1]), "s3-credentials")


def planned(found: Found, **changes: Any) -> Any:
    fixed: Object = {"cluster": automq_model(), "storage": found, "claims": {}, "pods": {}, "quorum_map": None}
    made = made_world(**{**fixed, **changes})
    object.__setattr__(made, "engine", engine_of("automq"))
    return made


def test_a_bucket_of_another_cluster() -> None:
    taken = (model(bucket(usedBy=["other", "mem"])), GOOD[1])
    found = buckets.buckets_are_there(planned(Found(taken, STORAGE)))
    assert found is not None
    assert (found.kind, found.reason) == ("Stalled", "BucketInUse")
    assert "MemoryCluster other" in found.message
    assert buckets.buckets_are_there(planned(Found((model(bucket(usedBy=["mem"])), GOOD[1]), STORAGE))) is None


def test_a_running_cluster_is_kept_whatever_a_bucket_says() -> None:
    away = Found((model(bucket(ready=False)), GOOD[1]), STORAGE)
    running = planned(away, cluster=automq_model(), quorum_map={"data": {"mode": "join"}})
    assert buckets.buckets_are_there(running) is None
    found = buckets.buckets_stay_ready(running)
    assert found is not None
    assert (found.kind, found.reason) == ("Progressing", "BucketNotReady")
    assert buckets.buckets_stay_ready(planned(Found(GOOD, STORAGE))) is None


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"bucketName": "agents-data"}, "BucketShared"),
        ({"s3": {"endpoint": "http://s3.storage.svc:7070"}}, "CredentialsDiffer"),
    ],
)
def test_buckets_that_do_not_go_together(spec: Object, reason: str) -> None:
    found = disagreement([GOOD[0], model(ops(spec=spec))])
    assert found is not None
    assert (found.kind, found.reason) == ("Stalled", reason)
    assert disagreement(GOOD) is None


@pytest.mark.parametrize(
    ("objs", "reason"),
    [
        ((bucket("agents-data", "Ops"), ops()), "BucketPurpose"),
        ((bucket(spec={"region": "Nowhere!"}), ops()), "BucketInvalid"),
    ],
)
async def test_a_bucket_that_cannot_be_its(world: World, objs: tuple[Object, ...], reason: str) -> None:
    stage = stage_for(world)
    declare(world, secret(KEYS), *objs, automq(), pool())
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["reason"] == reason
    assert stage.pods() == {}


def test_the_zone_routers_promise_hangs_on_the_clients() -> None:
    asked = automq_model(objectStorage={"zoneRouter": True})
    entries = {entry.path: entry.state for entry in buckets.enforcement(planned(Found(GOOD, STORAGE), cluster=asked))}
    assert entries == {
        "spec.objectStorage.latencyClass": "Enforced",
        "spec.objectStorage.zoneRouter": "DependsOnProducer",
    }
