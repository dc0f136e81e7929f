"""How a client ends: its user and rules go, and nothing is held up for good."""

from typing import Any

import pytest

from agentmemory.clients.reconcile import ClientReconciler
from agentmemory.core.errors import Denied
from agentmemory.kafka.model import Acl
from agentmemory.kube.errors import Stale
from tests import teams
from tests.fakekafka import FakeKafka, FakePool
from tests.fakekube.fixture import World
from tests.teams import CLIENT_KEY, CLUSTER_KEY, TEAM, TENANT_KEY, client, family

OTHER = Acl("User:support.agents.other", "TOPIC", "support.agents.trail.", "PREFIXED", "READ")


@pytest.fixture
async def kafka(world: World) -> FakeKafka:
    """A client that has its access, beside another user."""
    made = FakeKafka()
    made.acls.add(OTHER)
    made.scram["support.agents.other"] = {"SCRAM-SHA-512": ("x", 4096)}
    world.kafka(FakePool(made))
    world.use(ClientReconciler)
    world.put(teams.handover(), teams.cluster(), teams.tenant())
    world.cluster.set_status(CLUSTER_KEY, teams.running())
    world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
    world.put(family(), client())
    await world.run_until_quiet()
    assert len(made.scram) == 2
    return made


def is_clean(kafka: FakeKafka) -> bool:
    return kafka.acls == {OTHER} and list(kafka.scram) == ["support.agents.other"]


async def test_user_rules_and_secret_go(world: World, kafka: FakeKafka) -> None:
    world.delete(CLIENT_KEY)
    await world.run_until_quiet()
    assert world.find(CLIENT_KEY) is None
    assert is_clean(kafka)
    assert world.find(f"Secret/{TEAM}/bot-kafka") is None


async def test_kafka_away_is_waited_for_and_said(world: World, kafka: FakeKafka) -> None:
    kafka.available = False
    world.delete(CLIENT_KEY)
    world.fake.requests.clear()
    await world.run_until_quiet(within=60)
    assert world.condition(CLIENT_KEY)["reason"] == "KafkaUnavailable"
    assert len(world.fake.requests.writes()) == 1
    kafka.available = True
    await world.run_until_quiet(within=3)
    assert world.find(CLIENT_KEY) is None
    assert is_clean(kafka)


async def test_rights_that_kafka_refuses(world: World, kafka: FakeKafka) -> None:
    refusal = Denied("ClusterAuthorizationFailed", "rules: Cluster authorization failed. Give the operator ...")
    kafka.before.append(lambda call: refusal if call.method == "delete_acls" else None)
    world.delete(CLIENT_KEY)
    await world.run_until_quiet()
    assert world.condition(CLIENT_KEY, "Stalled")["status"] == "True"
    kafka.before.clear()
    await world.run_until_quiet(within=61)
    assert world.find(CLIENT_KEY) is None


async def _tenant_gone(world: World) -> None:
    world.delete(TENANT_KEY)


async def _tenant_ends(world: World) -> None:
    world.edit(TENANT_KEY, {"metadata": {"finalizers": ["x/y"]}})
    world.delete(TENANT_KEY)


async def _tenant_lets_go(world: World) -> None:
    world.edit(TENANT_KEY, {"spec": {"namespaces": [{"name": "others"}]}})


async def _client_unreadable(world: World) -> None:
    world.edit(CLIENT_KEY, {"spec": {"surprise": True}})


@pytest.mark.parametrize("goes", [_tenant_gone, _tenant_ends, _tenant_lets_go, _client_unreadable])
@pytest.mark.parametrize("first", [True, False])
async def test_access_ends_although_the_frame_goes(world: World, kafka: FakeKafka, goes: Any, first: bool) -> None:
    if first:
        await goes(world)
    world.delete(CLIENT_KEY)
    if not first:
        await goes(world)
    await world.run_until_quiet(within=5)
    assert world.find(CLIENT_KEY) is None
    assert is_clean(kafka)


async def _cluster_gone(world: World) -> None:
    world.delete(CLUSTER_KEY)


async def _cluster_ends(world: World) -> None:
    world.edit(CLUSTER_KEY, {"metadata": {"finalizers": ["x/y"]}})
    world.delete(CLUSTER_KEY)


async def _namespace_ends(world: World) -> None:
    world.delete(f"Namespace//{TEAM}")


@pytest.mark.parametrize("goes", [_tenant_gone, _tenant_ends, _cluster_gone, _cluster_ends, _namespace_ends])
@pytest.mark.parametrize("first", [True, False])
async def test_nothing_is_held_up_without_kafka(world: World, kafka: FakeKafka, goes: Any, first: bool) -> None:
    kafka.available = False
    if first:
        await goes(world)
        await world.run_until_quiet()
    if world.find(CLIENT_KEY) is not None:
        world.delete(CLIENT_KEY)
    await world.run_until_quiet()
    if not first:
        await goes(world)
    await world.run_until_quiet(within=5)
    assert world.find(CLIENT_KEY) is None


async def test_an_unreadable_client_without_a_tenant(world: World, kafka: FakeKafka) -> None:
    world.edit(CLIENT_KEY, {"spec": {"tenantRef": None}})
    world.delete(CLIENT_KEY)
    await world.run_until_quiet()
    assert world.find(CLIENT_KEY) is None


async def test_a_process_that_slept_takes_nothing_from_the_next_client(world: World, kafka: FakeKafka) -> None:
    world.delete(CLIENT_KEY)
    world.pump()
    world.edit(CLIENT_KEY, {"metadata": {"finalizers": None}})
    world.put(client())
    with pytest.raises(Stale, match="Gone"):
        await world.reconcilers["MemoryClient"].reconcile(CLIENT_KEY)
    assert not is_clean(kafka)


async def test_a_follower_takes_nothing_away(world: World, kafka: FakeKafka) -> None:
    world.ctx.leading = lambda: False
    world.delete(CLIENT_KEY)
    await world.run_until_quiet()
    assert not is_clean(kafka)
    world.ctx.leading = lambda: True
    await world.run_until_quiet(within=60)
    assert is_clean(kafka)


@pytest.mark.parametrize("writes", [1, 2])
async def test_crash_while_it_ends(world: World, kafka: FakeKafka, writes: int) -> None:
    world.delete(CLIENT_KEY)
    world.die_after(writes)
    await world.run_until_quiet()
    await world.restart()
    await world.run_until_quiet(within=5)
    assert world.find(CLIENT_KEY) is None
    assert is_clean(kafka)


async def test_a_recreated_client_gets_a_new_password(world: World, kafka: FakeKafka) -> None:
    before = world.get(f"Secret/{TEAM}/bot-kafka")["data"]["password"]
    world.delete(CLIENT_KEY)
    await world.run_until_quiet()
    world.put(client())
    await world.run_until_quiet()
    assert world.get(f"Secret/{TEAM}/bot-kafka")["data"]["password"] != before
    assert world.condition(CLIENT_KEY)["status"] == "True"


@pytest.mark.parametrize("left", ["acls", "scram", "nothing"])
async def test_what_is_left_of_a_user_goes(world: World, kafka: FakeKafka, left: str) -> None:
    if left != "acls":
        kafka.acls = {OTHER}
    if left != "scram":
        del kafka.scram["support.agents.bot"]
    kafka.calls.clear()
    world.delete(CLIENT_KEY)
    await world.run_until_quiet()
    assert is_clean(kafka)
    assert [call.method for call in kafka.writes()] == {"acls": ["delete_acls"], "scram": ["delete_scram"]}.get(
        left, []
    )
