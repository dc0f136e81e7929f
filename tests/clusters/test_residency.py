"""Where a cluster's data rests, on a fake apiserver: what is read, what is written, what is refused."""

from typing import Any

import pytest

from agentmemory.api.labels import ADOPT_VOLUMES, REGION
from agentmemory.clusters.machines import BELIEVED
from agentmemory.clusters.residency import SELECTED_NODE, bucket_names, buckets_of, clusters_on
from agentmemory.core.key import Key
from agentmemory.core.store import Store
from agentmemory.engines.places import REGION_LABEL
from tests.engines.builders import cluster_model
from tests.engines.stage import CLUSTER_KEY, NAMESPACE, POOL_KEY, Stage, cluster, pool
from tests.fakekube.fixture import World
from tests.teams import conditions

Object = dict[str, Any]

EU, US = "eu-central-1", "us-east-1"
IN_EU = {"region": {"name": EU}}
NODES = ["mem-0", "mem-1", "mem-1000", "mem-1001", "mem-1002", "mem-2"]


def machine(name: str = "n1", region: str | None = EU) -> Object:
    labels = {} if region is None else {REGION_LABEL: region}
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": status}


def scheduler(world: World, type_: str, obj: Object) -> None:
    """Every pod runs on n1, and its volume is made for n1."""
    if type_ != "ADDED":
        return
    key = Key(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
    if key.kind == "Pod":
        world.edit(key, {"spec": {"nodeName": "n1"}})
    elif key.kind == "PersistentVolumeClaim" and SELECTED_NODE not in obj["metadata"].get("annotations", {}):
        world.edit(key, {"metadata": {"annotations": {SELECTED_NODE: "n1"}}})


async def rise(world: World, *nodes: Object, **spec: Any) -> Stage:
    stage = Stage.set(world)
    world.actors.insert(0, scheduler)
    world.put(*(nodes or (machine(),)))
    await stage.rise(cluster(**(spec or IN_EU)), pool())
    return stage


def places(world: World) -> dict[str, tuple[str, str | None]]:
    found = world.get(CLUSTER_KEY)["status"].get("places", [])
    return {place["name"]: (place["state"], place.get("region")) for place in found}


def entries(world: World) -> dict[str, str]:
    return {entry["path"]: entry["state"] for entry in world.get(CLUSTER_KEY)["status"]["enforcement"]}


def claim(world: World, name: str) -> Object:
    return world.get(f"PersistentVolumeClaim/{NAMESPACE}/{name}")


def marks(world: World) -> set[str | None]:
    claims = world.cluster.list("PersistentVolumeClaim")
    return {found["metadata"]["annotations"].get(REGION) for found in claims}


async def test_each_place_is_named_and_proven(world: World) -> None:
    await rise(world)
    verified = ("Verified", EU)
    assert places(world) == {"Node/n1": verified} | {f"Volume/{name}": verified for name in NODES}
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert entries(world)["spec.region.name"] == "Enforced"
    assert marks(world) == {EU}


async def test_at_rest_nothing_is_written_and_machines_are_read_once_in_minutes(world: World) -> None:
    await rise(world)
    world.fake.requests.clear()
    await world.resync(within=BELIEVED - 60)
    assert world.fake.requests.writes() == []
    assert world.fake.requests.of("get", "Node") == []
    await world.resync(within=BELIEVED)
    assert world.fake.requests.writes() == []
    assert len(world.fake.requests.of("get", "Node")) == 1, "six pods on one machine"


async def test_a_cluster_without_a_region_reads_no_machine_and_marks_nothing(world: World) -> None:
    stage = Stage.set(world)
    world.actors.insert(0, scheduler)
    await stage.rise(cluster(), pool())
    assert world.fake.requests.of("get", "Node") == []
    assert "places" not in world.get(CLUSTER_KEY)["status"]
    assert marks(world) == {None}


async def test_a_machine_that_moves_is_found_and_forgiven(world: World) -> None:
    stage = await rise(world)
    world.edit("Node//n1", {"metadata": {"labels": {REGION_LABEL: US}}})
    pods = stage.pods()
    await stage.settle(within=BELIEVED + 31)
    told = world.condition(CLUSTER_KEY)
    assert (told["status"], told["reason"]) == ("False", "RegionViolated")
    assert told["message"].startswith(
        f"MemoryCluster data/mem declares {EU}; its Node/n1 rests in {US} (label {REGION_LABEL}); its Volume/mem-0"
    )
    assert places(world)["Node/n1"] == ("Violated", US)
    assert entries(world)["spec.region.name"] == "Unverified"
    assert stage.pods() == pods, "nobody is thrown off a machine"
    world.edit("Node//n1", {"metadata": {"labels": {REGION_LABEL: EU}}})
    await world.restart()
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["status"] == "True"


async def test_labels_that_are_claimed_for_a_machine_of_another_region(world: World) -> None:
    node = machine(region=US)
    node["metadata"]["labels"]["datacenter"] = "fra1"
    await rise(world, node, region={"name": EU, "nodeLabels": {"datacenter": "fra1"}})
    assert world.condition(CLUSTER_KEY)["reason"] == "RegionViolated"
    assert places(world)["Node/n1"] == ("Violated", US)


async def test_machines_that_may_not_be_read(world: World) -> None:
    world.fake.faults.before.append(lambda request: 403 if request.kind == "Node" else None)
    await rise(world)
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert places(world)["Node/n1"] == ("Declared", None)
    assert entries(world)["spec.region.name"] == "Unverified"
    assert len(world.fake.requests.of("get", "Node")) == 1
    (found,) = [found for found in world.get(CLUSTER_KEY)["status"]["places"] if found["name"] == "Node/n1"]
    assert "no right to read Nodes" in found["by"]


async def test_what_is_known_of_a_machine_stays_while_nobody_answers(world: World) -> None:
    stage = await rise(world)
    away = [503]
    world.fake.faults.before.append(lambda request: away[0] if away and request.kind == "Node" else None)
    world.fake.requests.clear()
    await stage.settle(within=BELIEVED + 31)
    assert world.fake.requests.of("get", "Node")
    assert places(world)["Node/n1"] == ("Verified", EU)
    await world.restart()
    world.fake.faults.before.append(lambda request: away[0] if away and request.kind == "Node" else None)
    await stage.settle()
    assert places(world)["Node/n1"] == ("Declared", None)
    away.clear()
    await stage.settle(within=60)
    assert places(world)["Node/n1"] == ("Verified", EU)


async def test_a_machine_that_is_gone_proves_nothing(world: World) -> None:
    stage = await rise(world)
    world.delete("Node//n1")
    await stage.settle(within=BELIEVED + 31)
    assert places(world)["Volume/mem-0"] == ("Declared", EU)


async def test_a_region_that_is_added_later_is_written_on_the_volumes(world: World) -> None:
    stage = Stage.set(world)
    world.actors.insert(0, scheduler)
    world.put(machine())
    await stage.rise(cluster(), pool())
    world.edit(CLUSTER_KEY, {"spec": IN_EU})
    await stage.settle(within=60)
    assert marks(world) == {EU}
    assert places(world)["Volume/mem-1000"] == ("Verified", EU)


# A region renamed to escape residency


@pytest.mark.parametrize("adopt", [{}, {ADOPT_VOLUMES: "true"}], ids=["as it is", "with volumes taken over"])
async def test_a_cluster_that_is_made_again_with_another_region_meets_its_old_volumes(
    world: World, adopt: dict[str, str]
) -> None:
    stage = await rise(world)
    await made_again(world, stage, {"region": {"name": US}}, adopt)
    world.edit("Node//n1", {"metadata": {"labels": {REGION_LABEL: US}}})
    await stage.settle(within=60)
    told = world.condition(CLUSTER_KEY)
    assert (told["status"], told["reason"]) == ("False", "RegionViolated")
    assert f"declares {US}; its Volume/mem-0 rests in {EU} (the region for which it was first used" in told["message"]
    assert world.condition(CLUSTER_KEY, "Accepted")["status"] == "False"
    assert places(world)["Volume/mem-1000"] == ("Violated", EU)
    assert stage.pods() == {}
    assert marks(world) == {EU}


async def test_made_again_without_a_region_and_renamed_after_that(world: World) -> None:
    stage = await rise(world)
    await made_again(world, stage, {}, {ADOPT_VOLUMES: "true"})
    await stage.settle(within=60)
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    world.edit(CLUSTER_KEY, {"spec": {"region": {"name": US}}})
    await stage.settle(within=60)
    assert world.condition(CLUSTER_KEY)["reason"] == "RegionViolated"
    assert marks(world) == {EU}


async def made_again(world: World, stage: Stage, spec: Object, annotations: dict[str, str]) -> None:
    """The cluster and its pool deleted, and declared again under their names."""
    for key in (CLUSTER_KEY, f"BrokerPool/{NAMESPACE}/main"):
        world.delete(key)
    for pod in world.cluster.list("Pod"):
        world.delete(Key("Pod", NAMESPACE, pod["metadata"]["name"]))
    for kind in ("Service", "ConfigMap", "PodDisruptionBudget"):
        for obj in world.cluster.list(kind):
            world.delete(Key(kind, NAMESPACE, obj["metadata"]["name"]))
    await stage.settle()
    anew = cluster(**spec)
    anew["metadata"]["annotations"] = annotations
    world.put(anew, pool())
    await stage.settle()


async def test_a_declaration_that_contradicts_itself_makes_nothing(world: World) -> None:
    stage = await rise(world, region={"name": EU, "nodeLabels": {REGION_LABEL: US}})
    told = world.condition(CLUSTER_KEY)
    assert told["reason"] == "RegionContradiction"
    assert stage.pods() == {}
    assert world.cluster.list("PersistentVolumeClaim") == []


# Buckets


AUTOMQ = {"objectStorage": {"dataBucketRef": {"name": "records"}, "opsBucketRef": {"name": "logs"}}}
TIERED = {"tiering": {"bucketRef": {"name": "old"}}}


def bucket(name: str, **spec: Any) -> Object:
    names = {"name": name, "namespace": NAMESPACE, "uid": name, "resourceVersion": "1"}
    declared = {"purpose": "Data", "region": EU, **spec}
    return {"apiVersion": "agentmemory.dev/v1alpha1", "kind": "MemoryBucket", "metadata": names, "spec": declared}


def ready(region: str) -> Object:
    """The status of a bucket that its server has told of."""
    return {"observedGeneration": 1, "conditions": conditions(Accepted="True", Ready="True"), "region": region}


def tiered(world: World, found: str, **spec: Any) -> None:
    """MemoryBucket `old`, as its reconciler would leave it."""
    made = bucket("old", **spec)
    del made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    world.put(made)
    world.cluster.set_status(Key("MemoryBucket", NAMESPACE, "old"), ready(found))


ON_A_BUCKET = {**IN_EU, "engine": "kafka-tiered", "image": "kafka:tiered", **TIERED}
CHAIN = f"MemoryCluster data/mem declares {EU}; its Bucket/old rests in {US}"


async def test_a_bucket_that_was_found_elsewhere_is_not_begun_on(world: World) -> None:
    tiered(world, US)
    stage = await rise(world, machine(), **ON_A_BUCKET)
    told = world.condition(CLUSTER_KEY)
    assert told["reason"] == "RegionViolated"
    assert told["message"].startswith(f"{CHAIN} (GetBucketLocation); move the data")
    assert places(world) == {"Bucket/old": ("Violated", US)}
    assert stage.pods() == {}
    world.cluster.set_status(Key("MemoryBucket", NAMESPACE, "old"), ready(EU))
    await stage.settle(within=60)
    assert places(world)["Bucket/old"] == ("Verified", EU)
    assert world.condition(CLUSTER_KEY)["status"] == "True"


async def test_a_bucket_that_is_made_again_elsewhere_gets_no_node_and_no_record_from_a_new_one(world: World) -> None:
    tiered(world, EU)
    stage = await rise(world, machine(), **ON_A_BUCKET)
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    before = stage.pods()
    world.delete(f"MemoryBucket/{NAMESPACE}/old")
    await stage.settle(within=60)
    tiered(world, US, region=US)
    world.edit(POOL_KEY, {"spec": {"replicas": 4}})
    await stage.settle(within=60)
    for key in (CLUSTER_KEY, POOL_KEY):
        assert world.condition(key)["reason"] == "RegionViolated"
        assert CHAIN in world.condition(key)["message"]
    assert stage.pods() == before
    assert entries(world)["spec.region.name"] == "Unverified"
    assert entries(world)["spec.replication.factor"] == "Enforced"


def test_the_buckets_that_a_cluster_names() -> None:
    automq, tiered = cluster_model(engine="automq", **AUTOMQ), cluster_model(engine="kafka-tiered", **TIERED)
    assert bucket_names(automq) == ("logs", "records")
    assert bucket_names(tiered) == ("old",)
    assert bucket_names(cluster_model()) == ()
    store = Store()
    store.put(bucket("records"))
    store.put(bucket("logs", surprise=1))
    found = buckets_of(store, automq)
    assert found["records"] is not None
    assert found["logs"] is None, "it cannot be read"
    assert buckets_of(store, tiered) == {"old": None}


def test_a_bucket_wakes_the_clusters_that_name_it() -> None:
    store = Store()
    odd = {"engine": "kafka-tiered", "tiering": {"bucketRef": {"name": "old"}, "hotWindow": "x"}, "objectStorage": 7}
    for name, spec in {"a": {"engine": "automq", **AUTOMQ}, "b": odd, "c": {}}.items():
        obj = cluster(name)
        store.put({**obj, "metadata": {**obj["metadata"], "uid": name, "resourceVersion": "1"}, "spec": spec})
    assert clusters_on(store, NAMESPACE, "records") == [Key("MemoryCluster", NAMESPACE, "a")]
    assert clusters_on(store, NAMESPACE, "old") == [Key("MemoryCluster", NAMESPACE, "b")]
    assert clusters_on(store, "elsewhere", "old") == clusters_on(store, NAMESPACE, "none") == []
