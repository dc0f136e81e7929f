"""The story of a cluster on a fake apiserver with fake kubelets and a fake Kafka."""

import base64
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from agentmemory.api.labels import ADOPT_VOLUMES
from agentmemory.clusters.handover import withdraw
from agentmemory.clusters.reconcile import ClusterReconciler
from agentmemory.clusters.world import tools_of
from agentmemory.core.key import Key
from agentmemory.core.store import Store
from agentmemory.domain.ids import cluster_id_from_uid, directory_id
from agentmemory.engines.handover import SECRET, unpack
from agentmemory.engines.kafka.acls import TENANT_OPERATOR
from agentmemory.engines.shared import BELIEVED
from agentmemory.kafka.model import Acl, PartitionRef
from tests.engines.stage import CLUSTER_KEY, NAMESPACE, POOL_KEY, Stage, cluster, pool
from tests.fakekube.fixture import World

Object = dict[str, Any]

NODES = ["mem-0", "mem-1", "mem-1000", "mem-1001", "mem-1002", "mem-2"]
HANDOVER = f"Secret/agent-memory-system/{SECRET}"


def claim_key(name: str) -> str:
    return f"PersistentVolumeClaim/{NAMESPACE}/{name}"


def pod_key(name: str) -> str:
    return f"Pod/{NAMESPACE}/{name}"


async def test_a_cluster_and_its_pool_rise(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert world.condition(POOL_KEY)["status"] == "True"
    assert sorted(stage.pods()) == NODES
    found = world.get(CLUSTER_KEY)
    uid = found["metadata"]["uid"]
    assert {name: found["status"][name] for name in found["status"] if name not in ("conditions", "enforcement")} == {
        "observedGeneration": 1,
        "clusterId": cluster_id_from_uid(uid),
        "bootstrapped": True,
        "kafkaVersion": "4.3.1",
        "bootstrapServers": "mem-bootstrap.data.svc:9092",
        "caSecretName": "mem-ca",
        "controllers": {"desired": 3, "ready": 3, "voters": [0, 1, 2]},
        "brokers": {"registered": 3},
    }
    states = {entry["path"]: entry["state"] for entry in found["status"]["enforcement"]}
    assert states == {"spec.replication.factor": "Enforced", "spec.replication.minInSync": "Enforced"}


async def test_at_rest_nothing_is_written_and_no_secret_is_read(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    world.fake.requests.clear()
    await world.resync(within=120)
    assert world.fake.requests.writes() == []
    assert world.fake.requests.of("get", "Secret") == []


async def test_identities_are_recorded_before_the_first_controller_starts(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    uid = world.get(CLUSTER_KEY)["metadata"]["uid"]
    for node in range(3):
        metadata = world.get(claim_key(f"mem-{node}"))["metadata"]
        assert metadata["annotations"]["agentmemory.dev/cluster-id"] == cluster_id_from_uid(uid)
        assert metadata["annotations"]["agentmemory.dev/directory-id"] == directory_id(uid, node)
        assert "ownerReferences" not in metadata
        assert stage.begun(f"mem-{node}")
    writes = [(request.verb, request.kind, request.name) for request in world.fake.requests.writes()]
    first = {kind: min(n for n, write in enumerate(writes) if write[1] == kind) for kind in ("ConfigMap", "Pod")}
    claims = [n for n, write in enumerate(writes) if write[1] == "PersistentVolumeClaim" and write[0] == "create"]
    assert max(claims[:3]) < first["ConfigMap"] < first["Pod"]
    assert sorted(stage.formatted)[:2] == [("mem-0", "bootstrap"), ("mem-1", "bootstrap")]
    assert world.get(f"ConfigMap/{NAMESPACE}/mem-quorum")["data"]["mode"] == "join"


async def test_the_tenant_role_is_let_in(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    assert stage.kafka.acls == TENANT_OPERATOR
    data = world.get(HANDOVER)["data"]
    credentials = unpack(base64.b64decode(data[f"{NAMESPACE}.mem.json"]).decode())
    assert credentials.bootstrap == "mem-bootstrap.data.svc:9091"
    ca = world.get(f"Secret/{NAMESPACE}/mem-ca")["data"]["ca.crt"]
    assert credentials.ca_pem == base64.b64decode(ca).decode()
    assert world.get(f"ConfigMap/{NAMESPACE}/mem-ca-public")["data"]["ca.crt"] == credentials.ca_pem


async def test_without_the_lease_no_right_is_touched(world: World) -> None:
    stage = Stage.set(world)
    world.ctx.leading = lambda: False
    await stage.rise()
    assert stage.kafka.writes() == []


async def test_rights_of_the_tenant_role_are_exactly_the_list(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    gone = next(iter(TENANT_OPERATOR))
    stage.kafka.acls.discard(gone)
    stage.kafka.acls.add(Acl("User:tenant-operator", "TOPIC", "*", "LITERAL", "READ"))
    await world.resync()
    assert stage.kafka.acls == TENANT_OPERATOR


async def test_the_handover_leaves_other_clusters_alone_and_mends_its_own(world: World) -> None:
    stage = Stage.set(world)
    world.put(paused("other"), handed_over(f"{NAMESPACE}.other.json", "of-somebody.else"))
    await stage.rise()
    assert set(world.get(HANDOVER)["data"]) == {
        f"{NAMESPACE}.other.json",
        "of-somebody.else",
        f"{NAMESPACE}.mem.json",
    }
    world.edit(HANDOVER, {"data": {f"{NAMESPACE}.mem.json": base64.b64encode(b"not json").decode()}})
    await world.clock.advance(BELIEVED)
    await world.resync()
    assert unpack(base64.b64decode(world.get(HANDOVER)["data"][f"{NAMESPACE}.mem.json"]).decode()).cert_pem


async def test_a_handover_that_is_not_allowed_is_told_and_holds_nothing_up(world: World) -> None:
    stage = Stage.set(world)
    world.fake.faults.before.append(
        lambda request: 403 if request.namespace == "agent-memory-system" and request.is_write else None
    )
    await stage.rise()
    told = world.condition(CLUSTER_KEY)
    assert (told["status"], told["reason"]) == ("False", "Forbidden")
    assert world.condition(POOL_KEY)["status"] == "True"
    assert world.get(CLUSTER_KEY)["status"]["bootstrapped"] is True
    world.fake.faults.clear()
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["status"] == "True"


async def test_disruption_budgets_are_whole_numbers(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise(cluster(), pool(), pool("more", replicas=2))
    budgets = {found["metadata"]["name"]: found["spec"]["minAvailable"] for found in budgets_of(world)}
    assert budgets == {"mem-controllers": 2, "mem-brokers": 4}


async def test_a_lone_node_is_never_blocked(world: World) -> None:
    stage = Stage.set(world)
    small = cluster(controllers={"replicas": 1}, replication={"factor": 1, "minInSync": 1})
    await stage.rise(small, pool(replicas=1))
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert {found["spec"]["minAvailable"] for found in budgets_of(world)} == {0}


def budgets_of(world: World) -> list[Object]:
    return world.cluster.list("PodDisruptionBudget")


# Crashes and faults


def end_state(world: World) -> dict[str, Any]:
    """Every object but for what is drawn at random or tells the time."""
    found = {}
    for kind in (
        "MemoryCluster",
        "BrokerPool",
        "Pod",
        "Service",
        "ConfigMap",
        "Secret",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
    ):
        for obj in world.cluster.list(kind):
            masked = masked_of(obj)
            found[f"{kind}/{obj['metadata']['name']}"] = masked
    return found


def masked_of(obj: Object) -> Any:
    """Without uids and versions, certificates, hashes of them, and times."""
    uids = re.compile(r"[0-9a-f]{8}-0000-0000-0000-[0-9a-f]{12}")

    def mask(name: str, value: Any) -> Any:
        if name in ("uid", "resourceVersion", "creationTimestamp", "lastTransitionTime", "generation"):
            return None
        if name in ("agentmemory.dev/spec-hash", "agentmemory.dev/tls-hash", "ca.crt", "tls.pem", "ca.key"):
            return None
        if name.endswith(".json"):
            return None
        if isinstance(value, dict):
            return {key: mask(key, inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [mask("", inner) for inner in value]
        return uids.sub("uid", value) if isinstance(value, str) else value

    # How an empty volume may be formatted depends on when the pod was made.
    masked = mask("", obj)
    for container in (masked.get("spec") or {}).get("initContainers") or ():
        container["env"] = [entry for entry in container["env"] if entry["name"] != "AGENTMEMORY_FORMAT"]
    return masked


# Parts of the test that kills after each write, so that they run side by side.
SHARES = 4


async def reference() -> tuple[int, dict[str, Any]]:
    async with World.open() as world:
        await Stage.set(world).rise()
        done = [request for request in world.fake.requests.writes() if request.code < 300]
        return len(done), end_state(world)


@pytest.mark.parametrize("share", range(SHARES))
async def test_killed_after_any_write_it_comes_to_the_same_end(share: int) -> None:
    total, wanted = await reference()
    assert total > 30
    for killed_after in range(1 + share, total + 1, SHARES):
        async with World.open() as world:
            stage = Stage.set(world)
            world.die_after(killed_after)
            await stage.rise()
            assert world.dead
            await world.restart()
            await stage.settle()
            assert end_state(world) == wanted, f"after write {killed_after}"
            names = [name for name, _ in stage.formatted]
            assert sorted(names) == sorted(set(names)), f"a volume was formatted twice, after write {killed_after}"
            await world.resync()
            world.fake.requests.clear()
            await world.resync(within=60)
            assert world.fake.requests.writes() == []


@pytest.mark.parametrize("code", [500, 503, 429])
async def test_an_apiserver_that_refuses_every_third_call(world: World, code: int) -> None:
    stage = Stage.set(world)
    calls = iter(range(1_000_000))
    world.fake.faults.before.append(lambda request: code if next(calls) % 3 == 0 else None)
    await stage.rise()
    await stage.settle(within=600)
    world.fake.faults.clear()
    await stage.settle(within=600)
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert sorted(stage.pods()) == NODES


async def test_an_apiserver_that_goes_away_for_a_minute(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    before = stage.pods()
    world.fake.faults.before.append(lambda request: 503)
    world.edit(CLUSTER_KEY, {"spec": {"replication": {"minInSync": 1}}})
    await stage.settle(within=60)
    assert stage.pods() == before
    world.fake.faults.clear()
    await stage.settle(within=300)
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert not set(stage.pods().values()) & set(before.values())


async def test_kafka_goes_away_and_comes_back(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    before = stage.pods()
    stage.kafka.available = False
    world.fake.requests.clear()
    await stage.settle(within=120)
    told = world.condition(CLUSTER_KEY)
    assert (told["status"], told["reason"]) == ("False", "KafkaUnavailable")
    assert world.get(CLUSTER_KEY)["status"]["brokers"] == {"registered": 3}
    assert stage.pods() == before
    assert len(world.fake.requests.writes()) == 2  # one status each for the cluster and the pool
    stage.kafka.available = True
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert world.condition(POOL_KEY)["status"] == "True"


# Volumes


async def test_a_controller_that_lost_its_volume_joins_as_a_new_voter(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    stage.formatted.clear()
    lose(world, "mem-1")
    await stage.settle()
    assert stage.formatted == [("mem-1", "join")]
    annotations = world.get(claim_key("mem-1"))["metadata"]["annotations"]
    assert "agentmemory.dev/directory-id" not in annotations
    assert world.condition(CLUSTER_KEY)["status"] == "True"


async def test_a_lost_volume_waits_until_the_others_are_seen_to_be_a_quorum(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    stage.kafka.available = False
    lose(world, "mem-1")
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["reason"] == "VolumeLost"
    assert world.find(claim_key("mem-1")) is None
    assert world.find(pod_key("mem-1")) is None
    stage.kafka.available = True
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["status"] == "True"


async def test_when_a_majority_lost_its_volumes_nothing_is_made_anew(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    stage.formatted.clear()
    lose(world, "mem-1", "mem-2")
    await stage.settle()
    told = world.condition(CLUSTER_KEY)
    assert told["reason"] == "VolumeLost"
    assert world.condition(CLUSTER_KEY, "Stalled")["status"] == "True"
    assert "mem-1, mem-2" in told["message"]
    assert "snapshot" in told["message"]
    assert stage.formatted == []
    assert sorted(stage.pods()) == ["mem-0", "mem-1000", "mem-1001", "mem-1002"]


async def test_a_lone_controller_is_never_formatted_anew(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise(cluster(controllers={"replicas": 1}), pool())
    stage.formatted.clear()
    lose(world, "mem-0")
    await stage.settle(within=60)
    assert world.condition(CLUSTER_KEY)["reason"] == "VolumeLost"
    await world.restart()
    await stage.settle(within=60)
    assert stage.formatted == []
    assert world.find(claim_key("mem-0")) is None


async def test_a_volume_lost_before_the_quorum_began_is_no_initial_voter(world: World) -> None:
    """Two of three cannot start yet; the third loses its volume: its successor must not vote as if it had not."""
    stage = Stage.set(world)
    stage.unformatted = {"mem-0", "mem-1"}
    world.put(cluster(), pool())
    await stage.settle()
    assert not stage.begun("mem-2")
    lose(world, "mem-2")
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["reason"] == "VolumeLost"
    stage.format("mem-0", "mem-1")
    await stage.settle()
    assert stage.formatted[-1] == ("mem-2", "join")
    assert [entry for entry in stage.formatted if entry[1] == "bootstrap"] == [
        ("mem-2", "bootstrap"),
        ("mem-0", "bootstrap"),
        ("mem-1", "bootstrap"),
    ]
    assert world.condition(CLUSTER_KEY)["status"] == "True"


async def test_when_a_majority_is_lost_before_the_quorum_began_only_people_can_tell(world: World) -> None:
    stage = Stage.set(world)
    stage.unformatted = {"mem-0"}
    world.put(cluster())
    await world.run_until_quiet()
    lose(world, "mem-1", "mem-2")
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["reason"] == "VolumeLost"
    assert world.find(claim_key("mem-1")) is None


async def test_a_recreated_cluster_does_not_take_old_volumes_unasked(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    old = world.get(CLUSTER_KEY)["status"]["clusterId"]
    world.delete(CLUSTER_KEY)
    world.delete(POOL_KEY)
    await stage.settle()
    assert stage.pods() == {}
    assert len(world.cluster.list("PersistentVolumeClaim")) == 6
    stage.formatted.clear()
    await stage.rise()
    told = world.condition(CLUSTER_KEY)
    assert told["reason"] == "VolumesFound"
    assert "agentmemory.dev/adopt-volumes=true" in told["message"]
    assert old in told["message"]
    assert stage.pods() == {}
    world.edit(CLUSTER_KEY, {"metadata": {"annotations": {"agentmemory.dev/adopt-volumes": "true"}}})
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert world.condition(POOL_KEY)["status"] == "True"
    assert world.get(CLUSTER_KEY)["status"]["clusterId"] == old
    assert stage.formatted == []
    world.edit(CLUSTER_KEY, {"metadata": {"annotations": {"agentmemory.dev/adopt-volumes": None}}})
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["status"] == "True"


async def test_a_claim_without_our_labels_is_not_touched(world: World) -> None:
    stage = Stage.set(world)
    names = {"name": "mem-1", "namespace": NAMESPACE}
    world.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": names, "spec": {}})
    await stage.rise()
    told = world.condition(CLUSTER_KEY)
    assert told["reason"] == "ClaimNotOurs"
    assert "app.kubernetes.io/managed-by=agent-memory-operator" in told["message"]


async def test_a_volume_grows_and_one_that_cannot_is_told(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    world.edit(CLUSTER_KEY, {"spec": {"controllers": {"storage": {"size": "20Gi"}}}})
    await stage.settle()
    assert world.get(claim_key("mem-0"))["spec"]["resources"]["requests"]["storage"] == "20Gi"
    before = stage.pods()
    world.fake.faults.before.append(
        lambda request: 422 if request.kind == "PersistentVolumeClaim" and request.verb == "patch" else None
    )
    world.edit(CLUSTER_KEY, {"spec": {"controllers": {"storage": {"size": "30Gi"}}}})
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["reason"] == "VolumeCannotGrow"
    assert stage.pods() == before


def lose(world: World, *names: str) -> None:
    """The pods are gone, and their volumes with them."""
    for name in names:
        world.delete(pod_key(name))
        world.delete(claim_key(name))


# Certificates


async def test_no_new_authority_while_nodes_run(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    before = stage.pods()
    world.delete(f"Secret/{NAMESPACE}/mem-ca")
    await world.restart()
    await stage.settle()
    told = world.condition(CLUSTER_KEY)
    assert told["reason"] == "AuthorityLost"
    assert "mem-ca" in told["message"]
    assert stage.pods() == before
    assert world.find(f"Secret/{NAMESPACE}/mem-ca") is None


async def test_a_cluster_of_the_same_name_has_an_authority_of_its_own(world: World) -> None:
    """What was read of the one before is not believed, however short ago: its private key is gone with it."""
    stage = Stage.set(world)
    await stage.rise()
    before = await _begin_anew(stage)
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    made = world.get(f"Secret/{NAMESPACE}/mem-ca")
    assert made["metadata"]["ownerReferences"][0]["uid"] == world.get(CLUSTER_KEY)["metadata"]["uid"]
    assert made["data"] != before["data"]


async def test_the_authority_of_the_cluster_before_is_waited_for_until_it_is_gone(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    world.edit(f"Secret/{NAMESPACE}/mem-ca", {"metadata": {"finalizers": ["example.com/slow"]}})
    before = await _begin_anew(stage)
    told = world.condition(CLUSTER_KEY)
    assert (told["reason"], "mem-ca" in told["message"]) == ("AuthorityLeaving", True)
    assert world.condition(POOL_KEY)["status"] == "False"
    assert stage.pods() == {}
    world.edit(f"Secret/{NAMESPACE}/mem-ca", {"metadata": {"finalizers": None}})
    await stage.settle(within=120)
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert world.get(f"Secret/{NAMESPACE}/mem-ca")["data"] != before["data"]


async def test_a_restored_authority_belongs_to_nobody_and_is_taken(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    kept = world.get(f"Secret/{NAMESPACE}/mem-ca")
    world.delete(f"Secret/{NAMESPACE}/mem-ca")
    names = {"name": "mem-ca", "namespace": NAMESPACE}
    world.put({"apiVersion": "v1", "kind": "Secret", "metadata": names, "data": kept["data"]})
    await world.restart()
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["status"] == "True"


async def _begin_anew(stage: Stage) -> Object:
    """Cluster and pool go and come again, with the volumes taken over; the authority's Secret as it was."""
    world = stage.world
    before = world.get(f"Secret/{NAMESPACE}/mem-ca")
    world.delete(POOL_KEY)
    world.delete(CLUSTER_KEY)
    await stage.settle()
    made = cluster()
    made["metadata"]["annotations"] = {ADOPT_VOLUMES: "true"}
    world.put(made, pool())
    await stage.settle()
    return before


async def test_an_authority_that_cannot_be_read_is_told(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    world.edit(f"Secret/{NAMESPACE}/mem-ca", {"data": {"ca.key": base64.b64encode(b"?").decode()}})
    await world.restart()
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["reason"] == "AuthorityUnusable"


async def test_certificates_are_renewed_in_time_one_node_after_the_other(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    before, handed = stage.pods(), world.get(HANDOVER)["data"]
    at_once = watch_missing(world)
    world.clock.jump(timedelta(days=250).total_seconds())
    await world.resync(within=120)
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert world.condition(POOL_KEY)["status"] == "True"
    after = stage.pods()
    assert sorted(after) == NODES
    assert not set(after.values()) & set(before.values())
    assert max(at_once) == 1
    assert world.get(HANDOVER)["data"] != handed
    world.fake.requests.clear()
    await world.resync(within=60)
    assert world.fake.requests.writes() == []


def watch_missing(world: World) -> list[int]:
    """How many of the six nodes' pods were missing, at every event."""
    seen: list[int] = [0]
    world.actors.append(lambda world, type_, obj: seen.append(len(NODES) - len(world.cluster.list("Pod"))))
    return seen


# Rolling out


async def test_a_changed_declaration_rolls_controllers_first_the_leader_last(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    stage.kafka.leader = 1
    ended: list[str] = []
    world.actors.append(lambda _, type_, obj: ended.append(named(obj)) if type_ == "DELETED" else None)
    at_once = watch_missing(world)
    world.edit(CLUSTER_KEY, {"spec": {"failureDetection": {"sessionTimeout": "6s"}}})
    await stage.settle(within=120)
    assert ended == ["mem-0", "mem-2", "mem-1", "mem-1000", "mem-1001", "mem-1002"]
    assert max(at_once) == 1
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert world.condition(POOL_KEY)["status"] == "True"


async def test_nothing_is_rolled_while_partitions_are_behind(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    before = stage.pods()
    stage.kafka.under_replicated = (PartitionRef("trail", 3),)
    world.edit(POOL_KEY, {"spec": {"resources": {"memory": "2Gi"}}})
    await stage.settle(within=60)
    told = world.condition(POOL_KEY)
    assert told["reason"] == "Rolling"
    assert "trail-3" in told["message"]
    assert stage.pods() == before
    stage.kafka.under_replicated = ()
    await stage.settle(within=60)
    assert world.condition(POOL_KEY)["status"] == "True"
    assert set(stage.pods().values()) & set(before.values()) == {before[name] for name in ("mem-0", "mem-1", "mem-2")}


async def test_a_bad_image_stops_after_the_first_node_and_can_be_taken_back(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    stage.kafka.leader = 0
    before = stage.pods()
    stage.hold = set(NODES)
    world.edit(CLUSTER_KEY, {"spec": {"image": "nowhere/kafka:bad"}})
    await stage.settle(within=10)
    world.cluster.set_status(Key("Pod", NAMESPACE, "mem-1"), cannot_pull())
    await stage.settle(within=60)
    told = world.condition(CLUSTER_KEY)
    assert told["reason"] == "ImagePullBackOff"
    assert "spec.image" in told["message"]
    assert world.condition(CLUSTER_KEY, "Stalled")["status"] == "True"
    assert [name for name in NODES if stage.pods()[name] != before[name]] == ["mem-1"]
    stage.hold.clear()
    world.edit(CLUSTER_KEY, {"spec": {"image": None}})
    await stage.settle(within=60)
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert [name for name in NODES if stage.pods()[name] != before[name]] == ["mem-1"]


def cannot_pull() -> Object:
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    return {
        "phase": "Pending",
        "initContainerStatuses": [{"name": "format", "state": {"waiting": waiting}}],
        "containerStatuses": [{"name": "kafka", "state": {"waiting": {"reason": "PodInitializing"}}}],
    }


def named(obj: Object) -> str:
    return str(obj["metadata"]["name"])


# Pods and machines


@pytest.mark.parametrize("name", ["mem-0", "mem-1001"])
async def test_a_pod_that_is_gone_is_replaced_with_its_identity(world: World, name: str) -> None:
    stage = Stage.set(world)
    await stage.rise()
    claim = world.get(claim_key(name))
    world.delete(pod_key(name))
    await world.run_until_quiet()
    assert name in stage.pods()
    assert world.get(claim_key(name)) == claim
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["status"] == "True"
    assert world.condition(POOL_KEY)["status"] == "True"


@pytest.mark.parametrize("name", ["mem-0", "mem-1001"])
async def test_a_pod_that_has_ended_is_replaced(world: World, name: str) -> None:
    stage = Stage.set(world)
    await stage.rise()
    before = stage.pods()[name]
    stage.set_status(name, {"phase": "Failed", "reason": "Evicted", "message": "low on memory"})
    await stage.settle()
    assert stage.pods()[name] != before
    assert world.condition(POOL_KEY)["status"] == "True"


def on_node(world: World, name: str, node: str) -> None:
    world.edit(pod_key(name), {"spec": {"nodeName": node}})


def node(ready: str) -> Object:
    status = {"conditions": [{"type": "Ready", "status": ready}]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status": status}


def not_ready(world: World, stage: Stage, name: str) -> None:
    """What the node controller writes once a machine is silent."""
    pod = world.get(pod_key(name))
    conditions = [
        {**found, "status": "False", "lastTransitionTime": "2026-01-02T00:00:00Z"}
        if found["type"] == "Ready"
        else found
        for found in pod["status"]["conditions"]
    ]
    stage.set_status(name, {"conditions": conditions})


@pytest.mark.parametrize(("name", "key"), [("mem-2", CLUSTER_KEY), ("mem-1002", POOL_KEY)])
async def test_a_pod_on_a_silent_machine_is_told_and_never_force_deleted(world: World, name: str, key: str) -> None:
    stage = Stage.set(world)
    await stage.rise()
    world.put(node("Unknown"))
    on_node(world, name, "n1")
    before = stage.pods()
    not_ready(world, stage, name)
    await stage.settle()
    told = world.condition(key)
    assert told["reason"] == "NodeLost"
    assert "out-of-service" in told["message"]
    assert stage.pods() == before


@pytest.mark.parametrize("name", ["mem-2", "mem-1002"])
async def test_a_pod_on_a_machine_that_exists_no_more_is_replaced(world: World, name: str) -> None:
    stage = Stage.set(world)
    await stage.rise()
    on_node(world, name, "n1")
    before = stage.pods()[name]
    not_ready(world, stage, name)
    await stage.settle()
    assert stage.pods()[name] != before
    assert world.condition(CLUSTER_KEY)["status"] == "True"


# What else is declared


async def test_a_cluster_without_brokers_says_what_is_missing(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise(cluster())
    told = world.condition(CLUSTER_KEY)
    assert told["reason"] == "NoBrokers"
    assert "BrokerPool" in told["message"]
    assert sorted(stage.pods()) == ["mem-0", "mem-1", "mem-2"]
    world.put(pool())
    await stage.settle()
    assert world.condition(CLUSTER_KEY)["status"] == "True"


async def test_when_the_last_broker_is_gone_none_is_registered(world: World) -> None:
    """Nobody is left to tell Kafka's number, and the last one that was told need not have been the last."""
    stage = Stage.set(world)
    await stage.rise()
    assert world.get(CLUSTER_KEY)["status"]["brokers"] == {"registered": 3}
    world.delete(POOL_KEY)
    await stage.settle()
    assert world.get(CLUSTER_KEY)["status"]["brokers"] == {"registered": 0}


async def test_more_copies_than_brokers(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise(cluster(), pool(replicas=2))
    told = world.condition(CLUSTER_KEY)
    assert told["reason"] == "FactorExceedsBrokers"
    assert world.condition(POOL_KEY)["status"] == "True"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"version": "4.9.0"}, "UnknownVersion"),
        ({"controllers": {"resources": {"memory": "64Mi"}}}, "MemoryTooSmall"),
        ({"replication": {"factor": 1, "minInSync": 2}}, "InvalidSpec"),
    ],
)
async def test_what_cannot_be_kept_is_refused(world: World, spec: Object, reason: str) -> None:
    stage = Stage.set(world)
    await stage.rise(cluster(**spec), pool())
    told = world.condition(CLUSTER_KEY, "Accepted")
    assert (told["status"], told["reason"]) == ("False", reason)
    assert stage.pods() == {}


async def test_paused_or_ending_it_is_left_alone(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise(paused("mem"))
    assert stage.pods() == {}
    ending = cluster("other")
    ending["metadata"]["finalizers"] = ["somebody.else/waits"]
    world.put(ending)
    world.delete(f"MemoryCluster/{NAMESPACE}/other")
    await stage.settle()
    assert stage.pods() == {}


async def test_a_deleted_cluster_is_forgotten(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    world.put(paused("other"), handed_over(f"{NAMESPACE}.other.json"))
    stage.connections.forgotten.clear()
    world.delete(CLUSTER_KEY)
    await stage.settle(within=BELIEVED)
    assert set(world.get(HANDOVER)["data"]) == {f"{NAMESPACE}.other.json"}
    assert set(stage.connections.forgotten) == {Key("MemoryCluster", NAMESPACE, "mem")}
    assert sorted(stage.pods()) == ["mem-1000", "mem-1001", "mem-1002"]


async def test_a_cluster_that_went_while_nobody_worked_has_its_credentials_withdrawn(world: World) -> None:
    """The last one, so that there is no cluster to look at."""
    stage = Stage.set(world)
    world.put(handed_over(f"{NAMESPACE}.mem.json", "of-somebody.else"))
    await stage.settle()
    assert set(world.get(HANDOVER)["data"]) == {"of-somebody.else"}
    world.fake.requests.clear()
    await world.restart()
    await stage.settle()
    assert world.fake.requests.writes() == []


async def test_what_a_deposed_leader_hands_over_for_a_cluster_that_is_gone_is_withdrawn(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    world.edit(HANDOVER, handed_over(f"{NAMESPACE}.gone.json"))
    await world.clock.advance(BELIEVED)
    await world.resync()
    assert set(world.get(HANDOVER)["data"]) == {f"{NAMESPACE}.mem.json"}


async def test_what_another_leader_handed_over_meanwhile_is_withdrawn_with_its_cluster(world: World) -> None:
    """Nobody watches Secrets, and this process has read this one lately."""
    stage = Stage.set(world)
    await stage.rise()
    world.put(paused("other"))
    await stage.settle(within=1)
    world.edit(HANDOVER, handed_over(f"{NAMESPACE}.other.json"))
    world.delete(f"MemoryCluster/{NAMESPACE}/other")
    await stage.settle(within=1)
    assert set(world.get(HANDOVER)["data"]) == {f"{NAMESPACE}.mem.json"}


async def test_nothing_is_withdrawn_before_all_clusters_are_known(world: World) -> None:
    world.ctx.store = Store()
    world.put(handed_over(f"{NAMESPACE}.mem.json"))
    await withdraw(world.ctx, tools_of(world.ctx))
    assert set(world.get(HANDOVER)["data"]) == {f"{NAMESPACE}.mem.json"}


def handed_over(*keys: str) -> Object:
    """The Secret with something for each."""
    names = {"name": SECRET, "namespace": "agent-memory-system"}
    data = dict.fromkeys(keys, base64.b64encode(b"{}").decode())
    return {"apiVersion": "v1", "kind": "Secret", "metadata": names, "data": data}


def paused(name: str) -> Object:
    """A cluster that is left alone."""
    made = cluster(name)
    made["metadata"]["annotations"] = {"agentmemory.dev/paused": "true"}
    return made


async def test_somebody_elses_service_is_not_taken(world: World) -> None:
    stage = Stage.set(world)
    names = {"name": "mem-bootstrap", "namespace": NAMESPACE, "labels": {"app.kubernetes.io/managed-by": "helm"}}
    world.put({"apiVersion": "v1", "kind": "Service", "metadata": names, "spec": {}})
    await stage.rise()
    told = world.condition(CLUSTER_KEY)
    assert told["reason"] == "NotOurs"
    assert "mem-bootstrap" in told["message"]


async def test_what_an_earlier_cluster_left_behind_is_waited_for(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise()
    old = world.get(f"Service/{NAMESPACE}/mem-bootstrap")
    world.delete(CLUSTER_KEY)
    world.delete(POOL_KEY)
    for claim in world.cluster.list("PersistentVolumeClaim"):
        world.delete(claim_key(named(claim)))
    await stage.settle()
    del old["metadata"]["resourceVersion"]
    world.put(old)
    await stage.rise()
    assert world.condition(CLUSTER_KEY)["reason"] == "LeftOver"
    world.delete(f"Service/{NAMESPACE}/mem-bootstrap")
    await stage.settle(within=120)
    assert world.condition(CLUSTER_KEY)["status"] == "True"


def owners(world: World, obj: Object) -> Iterable[Key]:
    return ClusterReconciler(world.ctx).owners(obj)


async def test_owners_never_stumble(world: World) -> None:
    Stage.set(world)
    mine = Key("MemoryCluster", NAMESPACE, "mem")
    assert list(owners(world, pool())) == [mine]
    labelled = {
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": NAMESPACE, "labels": {"agentmemory.dev/cluster": "mem"}},
    }
    assert list(owners(world, labelled)) == [mine]
    assert list(owners(world, {"kind": "Pod", "metadata": {"name": "p"}})) == []
    assert list(owners(world, {"kind": "BrokerPool", "metadata": {"name": "p"}})) == []
