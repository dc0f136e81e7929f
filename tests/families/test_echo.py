"""The echo of our own write costs no second reconcile, even when it comes before the answer."""

from typing import Any

import pytest

from agentmemory.families.reconcile import FamilyReconciler
from tests import teams
from tests.fakekafka import FakeKafka, FakePool
from tests.fakekube.fixture import World
from tests.fakekube.requests import Request
from tests.teams import CLUSTER_KEY, FAMILY_KEY, PREFIX, TEAM, TENANT_KEY, family


@pytest.fixture
def kafka(world: World) -> FakeKafka:
    """Every event of a write is delivered before the write is answered."""
    made = FakeKafka()
    world.kafka(FakePool(made))
    world.use(FamilyReconciler)
    world.put(teams.handover(), teams.cluster(), teams.tenant())
    world.cluster.set_status(CLUSTER_KEY, teams.running())
    world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
    world.cluster.namespace(TEAM)
    world.fake.faults.after.append(lambda request: world.pump() if request.is_write else None)
    return made


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_a_new_family_is_reconciled_once(world: World, kafka: FakeKafka, policy: str) -> None:
    world.put(family(deletionPolicy=policy))
    assert await world.run_until_quiet() == 1
    assert world.condition(FAMILY_KEY)["status"] == "True"


@pytest.mark.parametrize(
    "edit",
    [
        {"spec": {"retention": {"time": "24h"}}},
        {"metadata": {"annotations": {"agentmemory.dev/reconcile-at": "now"}}},
        {"metadata": {"labels": {"team": "ai"}}},
    ],
    ids=["spec", "annotation", "label"],
)
async def test_an_edit_meanwhile_is_no_echo(world: World, kafka: FakeKafka, edit: dict[str, Any]) -> None:
    """The user edits after our write took effect and before it is answered."""

    def user(request: Request) -> None:
        if request.subresource == "status" and not done:
            done.append(world.edit(FAMILY_KEY, edit))
            world.pump()

    done: list[Any] = []
    world.fake.faults.after.append(user)
    world.put(family())
    assert await world.run_until_quiet() == 2
    assert world.condition(FAMILY_KEY)["observedGeneration"] == world.get(FAMILY_KEY)["metadata"]["generation"]
    if "spec" in edit:
        assert kafka.topics[PREFIX + "events"].configs["retention.ms"] == str(24 * 3600 * 1000)


async def test_a_foreign_status_meanwhile_is_no_echo(world: World, kafka: FakeKafka) -> None:
    def vandal(request: Request) -> None:
        if request.subresource == "status" and not done:
            done.append(world.cluster.set_status(FAMILY_KEY, {"topics": None}))
            world.pump()

    done: list[Any] = []
    world.fake.faults.after.append(vandal)
    world.put(family())
    assert await world.run_until_quiet() == 2
    assert world.get(FAMILY_KEY)["status"]["topics"][0]["topicName"] == PREFIX + "events"
