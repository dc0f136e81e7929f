"""Driver 1: every scenario under every fault at every place, in memory. See this package's head."""

import os
from collections.abc import Callable

import pytest

from .faults import FAULTS
from .normal import differences, picture
from .oracles import is_unready
from .runs import Coordinates, after, findings, given, land, reference, suite, walk
from .runs import at_rest as at_rest_of
from .scenarios import SCENARIOS

# What these thousands of runs reach is no measure of what the tests of each part look at, and tracing is slow.
pytestmark = pytest.mark.no_cover

FULL = os.environ.get("PERTURB_FULL", "") != ""
KAFKA, S3 = ("kafka-timeout", "kafka-cut"), ("s3-timeout", "s3-cut")


def elsewhere(scenario: str) -> tuple[str, ...]:
    """Faults of what a scenario does not use: buckets are nothing to Kafka, most other kinds to object storage."""
    if scenario.startswith("bucket-"):
        return KAFKA
    return () if scenario.startswith(("automq-", "tiered-")) else S3


CELLS = [(scenario, fault) for scenario in SCENARIOS for fault in FAULTS if fault not in elsewhere(scenario)]
STEPS = [(scenario.name, step.name) for scenario in SCENARIOS.values() for step in scenario.steps]
FRESH = [(scenario.name, name) for scenario in SCENARIOS.values() for name in scenario.fresh]
UNDONE = [(scenario.name, name) for scenario in SCENARIOS.values() for name in scenario.undoes]


def told(found: dict[str, list[str]]) -> str:
    """The findings, with the command that runs the first alone."""
    lines = [f"{where}: {line}" for where, differing in found.items() for line in differing[:4]]
    first = next(iter(found), "")
    return "\n".join([f"PERTURB={first} pytest tests/perturb -k one -s", *lines[:40]])


@pytest.mark.parametrize(("scenario", "fault"), CELLS)
async def test_the_end_is_the_same(scenario: str, fault: str, record_property: Callable[[str, object], None]) -> None:
    found, runs = await suite(scenario, fault, full=FULL)
    record_property("runs", runs)
    assert found == {}, told(found)


@pytest.mark.parametrize(("scenario", "step"), STEPS)
async def test_every_step_comes_to_rest(scenario: str, step: str) -> None:
    """Unperturbed: what is reached stays, a new process has nothing to do, nothing outside is touched."""
    one = SCENARIOS[scenario]
    number = [it.name for it in one.steps].index(step)
    before = (await reference(one, number)).before
    async with land(before, one.land) as made:
        outside = made.outside()
        await made.warm_up()
        assert made.writes == [], "a new process writes on what is at rest"
        await one.steps[number].act(made)
        await made.settle()
        assert await at_rest_of(made) == []
        assert differences(outside, made.outside()) == []


@pytest.mark.parametrize(("scenario", "step"), FRESH)
async def test_an_edit_leads_where_a_fresh_declaration_does(scenario: str, step: str) -> None:
    one = SCENARIOS[scenario]
    number = [it.name for it in one.steps].index(step)
    fresh = (await walk(one.land, one.fresh[step]))[1]
    assert differences(fresh, (await reference(one, number)).plain) == []


@pytest.mark.parametrize(("scenario", "step"), UNDONE)
async def test_what_is_undone_is_as_it_was(scenario: str, step: str) -> None:
    one = SCENARIOS[scenario]
    names = [it.name for it in one.steps]
    earlier = one.undoes[step]
    if earlier:
        wanted = (await reference(one, names.index(earlier))).plain
    else:
        await given(one)
        wanted = (await walk(one.land, one.given))[1]
    assert differences(wanted, (await reference(one, names.index(step))).plain) == []


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.endswith("-create")])
async def test_what_is_created_becomes_ready(scenario: str) -> None:
    """A scenario in which nothing comes about would show no difference under any fault."""
    one = SCENARIOS[scenario]
    async with land(await after(one, len(one.steps) - 1), one.land) as made:
        assert [obj["metadata"]["name"] for obj in made.objects() if is_unready(obj)] == []


async def test_one() -> None:
    """The coordinates that PERTURB names; without, a place that is known to be struck."""
    where = os.environ.get("PERTURB", "family-create/born/crash/1")
    found, struck = await findings(Coordinates.parse(where))
    assert struck
    assert found == [], told({where: found})


async def test_the_oracles_see_a_difference() -> None:
    """A crash after which nobody comes back is seen: the suite can fail."""
    one = SCENARIOS["family-create"]
    wanted = await reference(one, 0)
    async with land(wanted.before, one.land) as made:
        await made.warm_up()
        await one.steps[0].act(made)
        lines = differences(wanted.picture, picture(made.objects(), made.kafka, made.s3, made.born))
        assert any(".topic support.agents.trail.events is missing" in line for line in lines)
        assert any("TopicFamily/support-agents/trail" in line for line in lines)
