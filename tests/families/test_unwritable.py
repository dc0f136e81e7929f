"""An object whose status the API server does not take, because the CRD of today refuses its spec."""

import pytest

from agentmemory.core.errors import Invalid
from agentmemory.families.reconcile import FamilyReconciler
from tests import teams
from tests.fakekafka import FakeKafka, FakePool
from tests.fakekube.answers import status
from tests.fakekube.fixture import World
from tests.fakekube.requests import Request
from tests.teams import CLUSTER_KEY, FAMILY_KEY, TEAM, TENANT_KEY, family

REFUSED = 'TopicFamily.agentmemory.dev "trail" is invalid: spec.retention.time: Invalid value: "string": no duration'
OUR_FAULT = 'TopicFamily.agentmemory.dev "trail" is invalid: [status.topics[0].name: Required value]'


@pytest.fixture
def refusal(world: World) -> list[str]:
    """What the API server says to a status; a family that does not parse."""
    world.kafka(FakePool(FakeKafka()))
    world.use(FamilyReconciler)
    world.put(teams.handover(), teams.cluster(), teams.tenant())
    world.cluster.set_status(CLUSTER_KEY, teams.running())
    world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
    world.cluster.namespace(TEAM)
    said = [REFUSED]

    def refuse(request: Request) -> tuple[int, dict[str, object]] | None:
        found = request.kind == "TopicFamily" and request.subresource == "status" and said
        return (422, status(422, said[0], "Invalid")) if found else None

    world.fake.faults.before.append(refuse)
    return said


def events(world: World) -> list[tuple[str, str]]:
    return [(found["reason"], found["message"]) for found in world.cluster.list("Event", TEAM)]


async def test_its_author_is_told_by_an_event_once(world: World, refusal: list[str]) -> None:
    world.put(family(surplus=True))
    await world.run_until_quiet()
    ((reason, message),) = events(world)
    assert reason == "InvalidSpec"
    assert "surplus" in message
    assert REFUSED in message
    world.fake.requests.clear()
    await world.resync()
    assert world.fake.requests.writes() == [], "told once"


async def test_a_change_is_told_anew_and_a_good_one_by_the_status(world: World, refusal: list[str]) -> None:
    world.put(family(surplus=True))
    await world.run_until_quiet()
    world.edit(FAMILY_KEY, {"spec": {"surplus": None, "abundance": 1}})
    await world.run_until_quiet()
    assert ["abundance" in message for _, message in sorted(events(world))].count(True) == 1
    refusal.clear()
    world.edit(FAMILY_KEY, {"spec": {"abundance": None}})
    await world.run_until_quiet()
    assert world.condition(FAMILY_KEY)["status"] == "True"


async def test_our_own_mistake_is_not_hidden(world: World, refusal: list[str]) -> None:
    refusal[:] = [OUR_FAULT]
    world.put(family())
    world.pump()
    with pytest.raises(Invalid, match="Required value"):
        await world.reconcilers["TopicFamily"].reconcile(FAMILY_KEY)
    assert events(world) == []
