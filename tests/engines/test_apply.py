"""Writes on a node's objects, and looks at machines: what no story of a whole cluster comes by."""

from datetime import timedelta
from typing import Any

import pytest

from agentmemory.api.types import Quantity
from agentmemory.core.errors import Conflict, Transient
from agentmemory.core.key import Key
from agentmemory.domain.names import node_name
from agentmemory.engines.apply import Taken, Tools, create_pod, end_pod, ensure_claim
from agentmemory.engines.base import Disk, Node
from agentmemory.engines.kafka import certificates, pki
from agentmemory.engines.kafka.objects import claim, common_labels
from agentmemory.engines.placement import look_after, suspicious
from agentmemory.engines.pods import PodState, PodView, view
from agentmemory.engines.roster import members, with_hashes
from agentmemory.engines.shared import BELIEVED, shared_of, text_of
from agentmemory.engines.sight import Sight
from agentmemory.kube.errors import Stale
from tests.engines.builders import NOW, controller_plan, pod_view
from tests.engines.stage import NAMESPACE
from tests.fakekube.fixture import World

Object = dict[str, Any]
CLUSTER = Key("MemoryCluster", NAMESPACE, "mem")
ANSWERED = Sight(registered=frozenset({1000}), voters=frozenset({0}))


def tools_of(world: World) -> Tools:
    return Tools(world.ctx.kube, world.ctx.store, world.clock, shared_of(world.ctx.store, world.clock))


def pod(node_id: int = 1000, owner: str = "mine", **metadata: Any) -> Object:
    marks = common_labels("mem") | {"agentmemory.dev/node-id": str(node_id), "agentmemory.dev/role": "broker"}
    reference = {"apiVersion": "agentmemory.dev/v1alpha1", "kind": "BrokerPool", "name": "main", "uid": owner}
    names = {"name": node_name("mem", node_id), "namespace": NAMESPACE, "labels": marks, "ownerReferences": [reference]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": names | metadata, "spec": {"containers": []}}


def put(world: World, *objs: Object) -> None:
    world.put(*objs)
    world.pump()


async def test_a_pod_of_ours_that_is_there_already_is_fine(world: World) -> None:
    """The answer to our create was lost: the second try meets our own pod."""
    world.put(pod())
    await create_pod(tools_of(world), pod(), "mine")
    assert world.ctx.store.get(Key("Pod", NAMESPACE, "mem-1000")) is not None


async def test_somebody_elses_pod_takes_the_id(world: World) -> None:
    world.put(pod(owner="other"))
    with pytest.raises(Taken):
        await create_pod(tools_of(world), pod(), "mine")


async def test_an_ending_pod_of_an_earlier_object_is_waited_for(world: World) -> None:
    world.put(pod(owner="earlier", finalizers=["a/b"]))
    world.delete(f"Pod/{NAMESPACE}/mem-1000")
    with pytest.raises(Transient, match="still ending"):
        await create_pod(tools_of(world), pod(), "mine")


async def test_a_pod_that_went_away_while_it_was_made(world: World) -> None:
    world.put(pod())
    world.fake.faults.before.append(
        lambda request: world.delete(f"Pod/{NAMESPACE}/mem-1000") if request.verb == "get" else None
    )
    with pytest.raises(Transient, match="went away"):
        await create_pod(tools_of(world), pod(), "mine")


async def test_only_the_pod_that_was_judged_is_ended(world: World) -> None:
    put(world, pod())
    tools = tools_of(world)
    judged = view(world.get(f"Pod/{NAMESPACE}/mem-1000"), world.clock.now())
    world.delete(f"Pod/{NAMESPACE}/mem-1000")
    world.put(pod())
    with pytest.raises(Stale):
        await end_pod(tools, NAMESPACE, judged, "a test")
    assert world.find(f"Pod/{NAMESPACE}/mem-1000") is not None


async def test_a_pod_that_was_told_to_go_counts_as_ending_at_once(world: World) -> None:
    put(world, pod())
    tools = tools_of(world)
    found = members(tools, CLUSTER)[0].pod
    assert found is not None
    assert found.state is PodState.PENDING
    tools.shared.ending.add(found.uid)
    again = members(tools, CLUSTER)[0].pod
    assert again is not None
    assert again.state is PodState.ENDING


async def test_members_without_pods_are_members(world: World) -> None:
    service = pod(1001) | {"kind": "Service", "spec": {}}
    put(world, pod(), service)
    found = members(tools_of(world), CLUSTER)
    assert [(member.node_id, member.pod is None) for member in found] == [(1000, False), (1001, True)]
    assert [member.current for member in with_hashes(found, {1000: "x", 1001: "x"})] == [False, True]


async def test_a_claim_made_by_another_leader_just_now(world: World) -> None:
    made = claim(Node("mem", NAMESPACE, 0, "controller"), Disk(True, Quantity("1Gi")), "id")
    world.put(made)
    with pytest.raises(Transient, match="just now"):
        await ensure_claim(tools_of(world), made)


async def test_a_claim_that_is_gone_while_it_is_brought_up_to_date(world: World) -> None:
    node, disk = Node("mem", NAMESPACE, 0, "controller"), Disk(True, Quantity("1Gi"))
    put(world, claim(node, disk, "id"))
    world.delete(f"PersistentVolumeClaim/{NAMESPACE}/mem-0")
    assert await ensure_claim(tools_of(world), claim(node, disk, "id", begun=True)) is None


# Machines


def node(ready: str | None) -> Object:
    conditions = [] if ready is None else [{"type": "Ready", "status": ready}]
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status": {"conditions": conditions}}


SUSPICIOUS = {
    "ready and registered": (pod_view(1000), ANSWERED, False),
    "ready, and Kafka misses it": (pod_view(1001), ANSWERED, True),
    "ready, and Kafka is silent": (pod_view(1001), Sight(error=Transient("A", "b")), False),
    "starting for the first time": (pod_view(1000, PodState.STARTING), ANSWERED, False),
    "was ready": (pod_view(1000, PodState.STARTING, proven=True), ANSWERED, True),
    "does not end": (pod_view(1000, PodState.ENDING), ANSWERED, True),
    "nowhere": (pod_view(1000, PodState.ENDING, node_name=None), ANSWERED, False),
}


@pytest.mark.parametrize("case", SUSPICIOUS)
def test_suspicious(case: str) -> None:
    found, sight, wanted = SUSPICIOUS[case]
    assert suspicious(found, sight) is wanted


async def looked(world: World, *pods: PodView) -> list[str]:
    return [lost.trouble().reason for lost in await look_after(tools_of(world), NAMESPACE, pods, ANSWERED)]


@pytest.mark.parametrize(
    ("ready", "lost"), [("True", []), ("False", ["NodeLost"]), ("Unknown", ["NodeLost"]), (None, ["NodeLost"])]
)
async def test_a_machine_that_answers_or_does_not(world: World, ready: str | None, lost: list[str]) -> None:
    world.put(node(ready))
    assert await looked(world, pod_view(1001)) == lost


async def test_machines_are_not_looked_at_without_suspicion(world: World) -> None:
    assert await looked(world, pod_view(1000)) == []
    assert list(world.fake.requests) == []


async def test_without_the_right_to_read_nodes_nothing_is_concluded(world: World) -> None:
    world.fake.faults.before.append(lambda request: 403)
    assert await looked(world, pod_view(1001)) == []


# Secrets and certificates


async def test_a_secret_is_believed_for_a_while(world: World) -> None:
    key, tools = Key("Secret", NAMESPACE, "s"), tools_of(world)
    secrets = tools.shared.secrets
    assert await secrets.get(tools.kube, key) is None
    assert secrets.known(key) is None
    world.put(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": NAMESPACE}, "data": {"a": "?"}}
    )
    assert await secrets.get(tools.kube, key) is not None
    reads = len(world.fake.requests.of("get", "Secret"))
    assert await secrets.get(tools.kube, key) is not None
    assert len(world.fake.requests.of("get", "Secret")) == reads
    await world.clock.advance(BELIEVED)
    await secrets.get(tools.kube, key)
    assert len(world.fake.requests.of("get", "Secret")) == reads + 1
    world.delete(f"Secret/{NAMESPACE}/s")
    assert await secrets.get(tools.kube, key, fresh=True) is None
    assert secrets.known(key) is None


def test_what_is_not_text_reads_as_empty() -> None:
    assert text_of({"data": {"a": "YQ==", "b": "/w==", "c": "?"}}) == {"a": "a", "b": "", "c": ""}
    assert text_of({}) == {}


async def test_the_operators_certificate_is_renewed_in_memory(world: World) -> None:
    tools = tools_of(world)
    authority = pki.new_authority("mem", world.clock.now())
    first = certificates.operator_credentials(tools, CLUSTER, authority)
    assert certificates.operator_credentials(tools, CLUSTER, authority) == first
    assert first.bootstrap == "mem-bootstrap.data.svc:9091"
    world.clock.jump(timedelta(days=25).total_seconds())
    assert certificates.operator_credentials(tools, CLUSTER, authority).cert_pem != first.cert_pem
    assert list(world.fake.requests) == []


async def test_another_owners_certificate_is_not_overwritten(world: World) -> None:
    tools, plan = tools_of(world), controller_plan()
    authority = pki.new_authority("mem", world.clock.now())
    names = {"name": "mem-0-tls", "namespace": NAMESPACE}
    world.put({"apiVersion": "v1", "kind": "Secret", "metadata": names, "data": {}})
    certified = await certificates.prepare(tools, plan, authority, fresh=True)
    with pytest.raises(Conflict, match="belongs to someone else"):
        await certificates.write(tools, certified, plan.owner.uid)
    assert world.get(f"Secret/{NAMESPACE}/mem-0-tls").get("data", {}) == {}


def test_hosts_of_a_certificate() -> None:
    controller = certificates.hosts(Node("mem", "data", 0, "controller"))
    assert controller == ("mem-0", "mem-0.data", "mem-0.data.svc", "mem-0.data.svc.cluster.local", "localhost")
    broker = certificates.hosts(Node("mem", "data", 1000, "broker", "main"))
    assert set(broker) - {"localhost"} == {
        f"{name}{suffix}"
        for name in ("mem-1000", "mem-bootstrap")
        for suffix in ("", ".data", ".data.svc", ".data.svc.cluster.local")
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"ca.crt": "other"}, "authority"),
        ({"tls.pem": ""}, "cannot be read"),
        ({"tls.pem": "-----BEGIN CERTIFICATE-----"}, "cannot be read"),
    ],
)
def test_what_is_wrong_in_a_nodes_secret(change: dict[str, str], said: str | None) -> None:
    node_ = Node("mem", "data", 0, "controller")
    authority = pki.new_authority("mem", NOW)
    pair = pki.issue(authority, certificates.subject(node_), NOW)
    values = {"ca.crt": authority.cert, "tls.pem": pair.key + pair.cert, **change}
    found = certificates.certificate_fault(node_, values, authority.cert, NOW)
    assert (found is None) if said is None else (found is not None and said in found)
