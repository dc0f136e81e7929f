"""The story of a pool on a fake apiserver with fake kubelets and a fake Kafka."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from agentmemory.api.labels import CLUSTER, MANAGED_BY, MANAGER, POOL
from agentmemory.brokers.reconcile import PoolReconciler
from agentmemory.core.errors import OperatorError
from agentmemory.core.key import Key
from agentmemory.kafka.model import BrokerView
from tests.engines.stage import CLUSTER_KEY, NAMESPACE, POOL_KEY, Stage, cluster, pool
from tests.fakekafka import Call, timed_out
from tests.fakekube.fixture import World
from tests.fakekube.requests import Request

Object = dict[str, Any]

MORE_KEY = f"BrokerPool/{NAMESPACE}/more"


def brokers_of(world: World, key: str = POOL_KEY) -> dict[int, str]:
    return {broker["id"]: broker["state"] for broker in world.get(key)["status"]["brokers"]}


async def test_status_tells_each_broker(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    status = world.get(POOL_KEY)["status"]
    assert {name: value for name, value in status.items() if name != "conditions"} == {
        "observedGeneration": 1,
        "replicas": 3,
        "readyReplicas": 3,
        "selector": "agentmemory.dev/cluster=mem,agentmemory.dev/pool=main",
        "brokers": [
            {"id": 1000, "pod": "mem-1000", "state": "Registered"},
            {"id": 1001, "pod": "mem-1001", "state": "Registered"},
            {"id": 1002, "pod": "mem-1002", "state": "Registered"},
        ],
    }


@pytest.mark.parametrize("trouble", ["kafka", "apiserver"])
@pytest.mark.parametrize("number", range(1, 7))
async def test_brokers_wait_for_the_controllers_whatever_holds_those_up(
    world: World, trouble: str, number: int
) -> None:
    """A declaration that no node can start with must not reach a broker because one call of ours failed."""
    stage = Stage.set(world)
    await stage.rise()
    before = stage.pods()
    stage.hold = set(before)
    calls = itertools.count(1)

    def silent(call: Call) -> OperatorError | None:
        return timed_out(call.method) if next(calls) == number else None

    def busy(request: Request) -> int | None:
        return 503 if next(calls) == number else None

    if trouble == "kafka":
        stage.kafka.before.append(silent)
    else:
        world.fake.faults.before.append(busy)
    world.edit(CLUSTER_KEY, {"spec": {"failureDetection": {"sessionTimeout": "12s"}}})
    await stage.settle()
    replaced = {name for name, uid in stage.pods().items() if before[name] != uid}
    assert len(replaced) == 1
    assert replaced < {"mem-0", "mem-1", "mem-2"}


async def test_a_pool_before_its_cluster_waits_and_then_rises(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise(pool())
    told = world.condition(POOL_KEY)
    assert told["reason"] == "ClusterNotFound"
    assert f"{NAMESPACE}/mem" in told["message"]
    world.put(cluster())
    await stage.settle()
    assert world.condition(POOL_KEY)["status"] == "True"


async def test_ids_are_unique_over_the_pools_of_a_cluster(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise(cluster(), pool(), pool("more"))
    assert world.condition(POOL_KEY)["status"] == world.condition(MORE_KEY)["status"] == "True"
    first, second = set(brokers_of(world)), set(brokers_of(world, MORE_KEY))
    assert len(first) == len(second) == 3
    assert first | second == set(range(1000, 1006))


async def test_an_id_that_somebody_took_meanwhile_is_passed_over(world: World) -> None:
    """Making the pod is the lock on the id; a certificate is all of ours that is there beside somebody else's pod."""
    stage = Stage.set(world)
    names = {"name": "mem-1001", "namespace": NAMESPACE}
    world.put({"apiVersion": "v1", "kind": "Pod", "metadata": names, "spec": {"volumes": []}})
    await stage.rise()
    assert world.condition(POOL_KEY)["status"] == "True"
    assert set(brokers_of(world)) == {1000, 1002, 1003}
    assert world.find(f"Service/{NAMESPACE}/mem-1001") is None
    certificate = world.get(tls_key(1001))
    world.delete(f"Pod/{NAMESPACE}/mem-1001")
    world.edit(POOL_KEY, {"spec": {"replicas": 4}})
    await world.restart()
    await stage.settle()
    assert set(brokers_of(world)) == {1000, 1001, 1002, 1003}
    assert world.get(tls_key(1001)) == certificate


@pytest.mark.parametrize("killed_after", ["mem-1001-tls", "mem-1001"])
async def test_who_dies_while_a_broker_is_made_replaces_nothing(killed_after: str) -> None:
    async with World.open() as world:
        await Stage.set(world).rise()
        written = [(it.body or {}).get("metadata", {}).get("name") for it in world.fake.requests.writes()]
    async with World.open() as world:
        stage = Stage.set(world)
        world.die_after(1 + written.index(killed_after))
        await stage.rise()
        assert world.dead
        before = stage.pods()
        await world.restart()
        await stage.settle()
        assert world.condition(POOL_KEY)["status"] == "True"
        assert before.items() <= stage.pods().items()


def tls_key(node: int) -> str:
    return f"Secret/{NAMESPACE}/mem-{node}-tls"


def certificate_of(pool_name: str, node: int) -> Object:
    """The Secret of a broker of a pool that is not there (any more)."""
    marks = {MANAGED_BY: MANAGER, CLUSTER: "mem", POOL: pool_name}
    owner = {"apiVersion": "agentmemory.dev/v1alpha1", "kind": "BrokerPool", "name": pool_name, "uid": "gone"}
    names = {"name": f"mem-{node}-tls", "namespace": NAMESPACE, "labels": marks, "ownerReferences": [owner]}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": names}


async def test_an_id_for_which_another_pool_has_a_certificate_is_passed_over(world: World) -> None:
    """It is about to make the pod, or was: to wait for that would be to wait for ever."""
    stage = Stage.set(world)
    await stage.rise()
    world.put(certificate_of("more", 1003))
    world.edit(POOL_KEY, {"spec": {"replicas": 4}})
    await stage.settle()
    assert set(brokers_of(world)) == {1000, 1001, 1002, 1004}
    assert world.condition(POOL_KEY)["status"] == "True"


async def test_a_certificate_of_an_earlier_pool_of_this_name_is_waited_for(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    world.put(certificate_of("main", 1003))
    world.edit(POOL_KEY, {"spec": {"replicas": 4}})
    await stage.settle()
    assert world.condition(POOL_KEY)["reason"] == "LeftOver"
    assert "mem-1003" not in stage.pods()
    world.delete(tls_key(1003))
    await stage.settle(within=60)
    assert set(brokers_of(world)) == {1000, 1001, 1002, 1003}


async def test_an_id_that_kafka_remembers_is_not_given_again(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    stage.kafka.brokers[1003] = BrokerView("old", 9091, None, fenced=False)
    world.edit(POOL_KEY, {"spec": {"replicas": 4}})
    await stage.settle()
    assert set(brokers_of(world)) == {1000, 1001, 1002, 1004}


async def test_a_pool_grows_and_restarts_nobody(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    before = stage.pods()
    world.edit(POOL_KEY, {"spec": {"replicas": 5}})
    await stage.settle()
    after = stage.pods()
    assert set(after) - set(before) == {"mem-1003", "mem-1004"}
    assert {name: after[name] for name in before} == before
    assert world.condition(POOL_KEY)["status"] == "True"
    assert world.get(CLUSTER_KEY)["status"]["brokers"]["registered"] == 5


async def test_a_pool_does_not_shrink_and_goes_on_serving(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    before = stage.pods()
    world.edit(POOL_KEY, {"spec": {"replicas": 1}})
    await stage.settle()
    told = world.condition(POOL_KEY)
    assert told["reason"] == "ScaleDownUnsupported"
    assert "back to 3" in told["message"]
    assert stage.pods() == before
    world.delete(f"Pod/{NAMESPACE}/mem-1002")
    await stage.settle()
    assert set(stage.pods()) == set(before)
    world.edit(POOL_KEY, {"spec": {"replicas": 3}})
    await stage.settle()
    assert world.condition(POOL_KEY)["status"] == "True"


async def test_a_recreated_pool_finds_its_brokers_data(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    world.delete(POOL_KEY)
    await stage.settle()
    assert set(stage.pods()) == {"mem-0", "mem-1", "mem-2"}
    stage.formatted.clear()
    world.put(pool(replicas=4))
    await stage.settle()
    assert set(brokers_of(world)) == {1000, 1001, 1002, 1003}
    assert stage.formatted == [("mem-1003", "join")]
    assert world.condition(POOL_KEY)["status"] == "True"


async def test_another_pool_does_not_take_the_volumes_of_one_that_is_gone(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    world.delete(POOL_KEY)
    await stage.settle()
    await stage.rise(pool("more"))
    assert set(brokers_of(world, MORE_KEY)) == {1003, 1004, 1005}


async def test_volumes_of_another_cluster_are_told(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    world.delete(CLUSTER_KEY)
    world.delete(POOL_KEY)
    for node in range(3):
        world.delete(f"PersistentVolumeClaim/{NAMESPACE}/mem-{node}")
    await stage.settle()
    await stage.rise()
    told = world.condition(POOL_KEY)
    assert told["reason"] == "VolumesFound"
    assert "mem-1000, mem-1001, mem-1002" in told["message"]
    assert set(stage.pods()) == {"mem-0", "mem-1", "mem-2"}


async def test_brokers_without_volumes(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise(cluster(), pool(storage={"type": "Ephemeral", "size": "1Gi"}))
    assert world.condition(POOL_KEY)["status"] == "True"
    assert world.find(f"PersistentVolumeClaim/{NAMESPACE}/mem-1000") is None
    world.delete(f"Pod/{NAMESPACE}/mem-1000")
    await stage.settle()
    assert set(brokers_of(world)) == {1000, 1001, 1002}


async def test_a_volume_that_is_being_deleted_is_waited_for(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    key = f"PersistentVolumeClaim/{NAMESPACE}/mem-1001"
    world.edit(key, {"metadata": {"finalizers": ["kubernetes.io/pvc-protection"]}})
    world.delete(key)
    world.delete(f"Pod/{NAMESPACE}/mem-1001")
    await stage.settle()
    assert "mem-1001" not in stage.pods()
    assert brokers_of(world)[1001] == "Pending"
    world.edit(key, {"metadata": {"finalizers": None}})
    await stage.settle()
    assert world.condition(POOL_KEY)["status"] == "True"


async def test_a_broker_that_is_not_registered_in_time(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    stage.kafka.brokers[1001] = BrokerView("mem-1001", 9091, None, fenced=True)
    await world.resync()
    assert brokers_of(world)[1001] == "Starting"
    assert world.condition(POOL_KEY)["reason"] == "BrokersStarting"
    await world.clock.advance(timedelta(minutes=6).total_seconds())
    await world.resync()
    assert brokers_of(world)[1001] == "Failed"
    told = world.condition(POOL_KEY)
    assert told["reason"] == "NotRegistered"
    assert "kubectl logs mem-1001" in told["message"]
    stage.kafka.brokers[1001] = BrokerView("mem-1001", 9091, None, fenced=False)
    await stage.settle()
    assert world.condition(POOL_KEY)["status"] == "True"


async def test_while_kafka_is_silent_brokers_keep_their_last_word(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    stage.kafka.available = False
    await world.resync()
    assert set(brokers_of(world).values()) == {"Registered"}
    assert world.condition(POOL_KEY)["reason"] == "KafkaUnavailable"


async def test_brokers_killed_for_want_of_memory(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    for name in ("mem-1000", "mem-1001", "mem-1002"):
        stage.set_status(name, killed_for_memory())
    stage.kafka.brokers.clear()
    await stage.settle()
    told = world.condition(POOL_KEY)
    assert told["reason"] == "OOMKilled"
    assert "resources.memory" in told["message"]
    world.edit(POOL_KEY, {"spec": {"resources": {"memory": "2Gi"}}})
    await stage.settle(within=60)
    assert world.condition(POOL_KEY)["status"] == "True"


def killed_for_memory() -> Object:
    return {
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:01:00Z"}],
        "containerStatuses": [
            {
                "name": "kafka",
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting"}},
                "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            }
        ],
    }


@pytest.mark.parametrize(
    ("clusters", "spec", "reason", "accepted"),
    [
        ([], {"resources": {"memory": "128Mi"}}, "ClusterNotFound", "True"),
        ([cluster()], {"resources": {"memory": "128Mi"}}, "MemoryTooSmall", "False"),
        ([cluster(version="4.9.9")], {}, "ClusterRefused", "True"),
        ([cluster(replication={"factor": 1, "minInSync": 2})], {}, "ClusterInvalid", "True"),
    ],
)
async def test_what_stands_in_the_way(
    world: World, clusters: list[Object], spec: Object, reason: str, accepted: str
) -> None:
    stage = Stage.set(world)
    await stage.rise(*clusters, pool(**spec))
    assert world.condition(POOL_KEY)["reason"] == reason
    assert world.condition(POOL_KEY, "Accepted")["status"] == accepted
    assert not [name for name in stage.pods() if name.startswith("mem-1000")]


async def test_a_pool_of_somebody_elses_brokers(world: World) -> None:
    stage = Stage.set(world)
    external = {"bootstrapServers": "kafka:9092", "credentialsSecretRef": {"name": "secret"}}
    await stage.rise(cluster(engine="external", external=external), pool())
    assert world.condition(POOL_KEY)["reason"] == "ExternalCluster"
    assert stage.pods() == {}


async def test_a_cluster_on_its_way_out(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    world.edit(CLUSTER_KEY, {"metadata": {"finalizers": ["somebody.else/waits"]}})
    world.delete(CLUSTER_KEY)
    await stage.settle()
    assert world.condition(POOL_KEY)["reason"] == "ClusterTerminating"
    assert set(stage.pods()) >= {"mem-1000", "mem-1001", "mem-1002"}


async def test_an_invalid_pool_says_where(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise(cluster(), pool(replicas=-1))
    told = world.condition(POOL_KEY, "Accepted")
    assert (told["status"], told["reason"]) == ("False", "InvalidSpec")
    assert "spec.replicas" in told["message"]


async def test_paused_it_is_left_alone(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    world.edit(POOL_KEY, {"metadata": {"annotations": {"agentmemory.dev/paused": "true"}}, "spec": {"replicas": 5}})
    await stage.settle()
    assert len(brokers_of(world)) == 3


async def test_owners_never_stumble(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    owners = PoolReconciler(world.ctx).owners
    mine = Key("BrokerPool", NAMESPACE, "main")
    assert list(owners(world.get(CLUSTER_KEY))) == [mine]
    assert list(owners(world.get(f"Pod/{NAMESPACE}/mem-1000"))) == [mine]
    assert list(owners(world.get(f"Pod/{NAMESPACE}/mem-0"))) == []
    assert list(owners({"kind": "Pod", "metadata": {"name": "p"}})) == []
