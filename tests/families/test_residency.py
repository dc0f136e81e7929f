"""Tenants and families that promise regions, woken by what is found of their cluster's places."""

from typing import Any

from agentmemory.families.reconcile import FamilyReconciler
from agentmemory.tenants.reconcile import TenantReconciler
from tests import teams
from tests.fakekafka import FakeKafka, FakePool
from tests.fakekube.fixture import World
from tests.teams import CLUSTER_KEY, FAMILY_KEY, PLATFORM, PREFIX, TEAM, TENANT_KEY, family

EU, US = "eu-central-1", "us-east-1"


def place(name: str = "Bucket/data", state: str = "Verified", region: str = EU) -> dict[str, str]:
    return {"name": name, "region": region, "state": state, "by": "GetBucketLocation"}


def found(world: World, *places: dict[str, str]) -> None:
    """What the cluster's own reconciler would write."""
    world.cluster.set_status(CLUSTER_KEY, {**teams.running(), "places": list(places)})


def begin(world: World, **tenant: Any) -> FakeKafka:
    made = FakeKafka()
    world.kafka(FakePool(made))
    world.use(TenantReconciler, FamilyReconciler)
    world.put(teams.handover(), teams.cluster(), teams.tenant(**tenant))
    world.cluster.namespace(TEAM)
    world.put(family(residency={"regions": [EU]}), family("second"))
    return made


def kept(world: World) -> str:
    entries = {entry["path"]: entry["state"] for entry in world.get(FAMILY_KEY)["status"]["enforcement"]}
    return str(entries["spec.residency.regions"])


def ready(world: World) -> list[str]:
    keys = (TENANT_KEY, FAMILY_KEY, FAMILY_KEY._replace(name="second"))
    return [str(world.condition(key).get("reason")) for key in keys]


async def test_a_place_elsewhere_refuses_those_who_promise_and_nobody_else(world: World) -> None:
    kafka = begin(world, regions=[EU])
    found(world, place(), place("Node/n1"))
    await world.run_until_quiet(within=60)
    assert ready(world) == ["Ready", "Ready", "Ready"]
    assert kept(world) == "Enforced"

    found(world, place(state="Violated", region=US), place("Node/n1"))
    await world.run_until_quiet(within=60)
    assert ready(world) == ["RegionViolated", "RegionViolated", "Ready"]
    chain = (
        f"TopicFamily {TEAM}/trail allows {EU}; its tenant {PLATFORM}/support allows {EU}; its cluster "
        f"{PLATFORM}/agents declares {EU}; its Bucket/data rests in {US} (GetBucketLocation); move the data to a "
        "declared region, or use a cluster that keeps it there"
    )
    assert world.condition(FAMILY_KEY)["message"] == chain
    assert world.condition(FAMILY_KEY, "Accepted")["status"] == "False"
    assert kept(world) == "Unverified"
    assert PREFIX + "events" in kafka.topics, "what is there stays"

    found(world, place(), place("Node/n1"))
    await world.run_until_quiet(within=60)
    assert ready(world) == ["Ready", "Ready", "Ready"]
    assert kept(world) == "Enforced"


async def test_machines_that_come_and_go_wake_nobody(world: World) -> None:
    begin(world)
    found(world, place(), place("Node/n1"))
    await world.run_until_quiet(within=60)
    found(world, place(), place("Node/n2"), place("Node/n3"))
    assert await world.run_until_quiet() == 0
    world.fake.requests.clear()
    await world.resync()
    assert world.fake.requests.writes() == []
    found(world, place(), place("Volume/agents-0", "Declared"))
    await world.run_until_quiet()
    assert kept(world) == "Unverified"


async def test_a_tenant_made_again_with_another_region_takes_no_promise_along(world: World) -> None:
    begin(world)
    found(world, place())
    await world.run_until_quiet(within=60)
    world.delete(TENANT_KEY)
    await world.run_until_quiet(within=60)
    world.put(teams.tenant(regions=[US]))
    await world.run_until_quiet(within=60)
    tenant, trail, _ = ready(world)
    assert tenant == "RegionNotAvailable"
    assert trail == "TenantRefused"
    assert f"lists {US}" in world.condition(FAMILY_KEY)["message"]
