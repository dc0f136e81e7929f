"""Runs one scenario's steps on a `Land`: unperturbed for the reference, then with a fault, and compares."""

import zlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from .faults import FAULTS, Fault
from .land import Land, Snapshot
from .normal import differences, picture
from .oracles import broken
from .scenarios import SCENARIOS
from .user import Kind, Scenario, Step

Object = dict[str, Any]
MOST = 400
"""No step has so many occasions."""
AMONG = 12
"""In CI one of so many first places of a step in which nodes are made is tried; `make perturb` tries all."""
SPARSE, ONE_IN = ("automq-", "tiered-"), 4
"""Of these scenarios CI tries one in so many steps and faults: most of what they write others write too."""
WHOLE = frozenset({"off"})
"""Faults that are not at one place and cost little."""


@dataclass(frozen=True)
class Reference:
    """One step as it goes when nothing strikes."""

    before: Snapshot
    picture: Object
    plain: Object
    """Without history: see `normal.picture`."""
    effects: Counter[tuple[str, str]]


@dataclass(frozen=True)
class Coordinates:
    """Where a fault strikes."""

    scenario: str
    step: str
    fault: str
    k: int

    def __str__(self) -> str:
        return f"{self.scenario}/{self.step}/{self.fault}/{self.k}"

    @classmethod
    def parse(cls, text: str) -> "Coordinates":
        """The inverse of `str`."""
        scenario, step, fault, k = text.split("/")
        return cls(scenario, step, fault, int(k))


_REFERENCES: dict[tuple[str, ...], Reference] = {}
_SNAPSHOTS: dict[tuple[str, ...], Snapshot] = {}


@asynccontextmanager
async def land(snapshot: Snapshot | None, kind: Kind) -> AsyncIterator[Land]:
    """A land that is closed in the end."""
    made = Land(snapshot, kind)
    try:
        yield made
    finally:
        await made.close()


async def given(scenario: Scenario) -> Snapshot:
    """The land before the first perturbed step."""
    name = (scenario.land, *(str(id(step)) for step in scenario.given))
    if name not in _SNAPSHOTS:
        _SNAPSHOTS[name] = (await walk(scenario.land, scenario.given))[0]
    return _SNAPSHOTS[name]


async def walk(kind: Kind, steps: Sequence[Step]) -> tuple[Snapshot, Object]:
    """Take steps without faults from nothing; the land in the end, and its plain picture."""
    async with land(None, kind) as made:
        await made.settle()
        for step in steps:
            await step.act(made)
            await made.settle()
        objects = made.objects()
        return made.snapshot(), picture(objects, made.kafka, made.s3, made.born, history=False)


async def reference(scenario: Scenario, number: int) -> Reference:
    """The step of this number, unperturbed."""
    name = (scenario.name, scenario.steps[number].name)
    if name not in _REFERENCES:
        before = await given(scenario) if number == 0 else (await after(scenario, number - 1))
        async with land(before, scenario.land) as made:
            await take(made, scenario.steps[number], Fault())
            _SNAPSHOTS[name] = made.snapshot()
            objects = made.objects()
            _REFERENCES[name] = Reference(
                before,
                picture(objects, made.kafka, made.s3, made.born),
                picture(objects, made.kafka, made.s3, made.born, history=False),
                made.effects.counts,
            )
    return _REFERENCES[name]


async def after(scenario: Scenario, number: int) -> Snapshot:
    """The land after the step of this number; -1 is what was given."""
    if number < 0:
        return await given(scenario)
    await reference(scenario, number)
    return _SNAPSHOTS[(scenario.name, scenario.steps[number].name)]


async def take(made: Land, step: Step, fault: Fault) -> None:
    """One step under a fault, until all is at rest again."""
    await made.warm_up()
    made.arm(fault)
    await step.act(made)
    await made.settle()


async def findings(where: Coordinates) -> tuple[list[str], bool]:
    """What differs from the reference, and whether the fault found an occasion to strike."""
    scenario = SCENARIOS[where.scenario]
    number = [step.name for step in scenario.steps].index(where.step)
    wanted = await reference(scenario, number)
    fault = FAULTS[where.fault](where.k)
    async with land(wanted.before, scenario.land) as made:
        outside = made.outside()
        await take(made, scenario.steps[number], fault)
        found = await at_rest(made)
        objects = made.objects()
        found += [
            line
            for line in differences(wanted.picture, picture(objects, made.kafka, made.s3, made.born))
            if not (line.startswith(".Event/") and " is missing" in line)  # a courtesy: a crash may swallow one
        ]
        found += [f"effects: {line}" for line in unequal(wanted.effects, made.effects.counts)]
        found += [f"outside: {line}" for line in differences(outside, made.outside())]
        return found, fault.struck


async def at_rest(made: Land) -> list[str]:
    """The invariants hold, and nothing is written any more."""
    found = broken(made.objects(), made.kafka)
    made.writes.clear()
    before = made.cluster.log.version
    await made.rest()
    found += [f"at rest: {write}" for write in made.writes]
    found += [] if made.cluster.log.version == before else ["at rest: something changed"]
    return found


def unequal(wanted: Counter[tuple[str, str]], found: Counter[tuple[str, str]]) -> list[str]:
    """Effects whose counts differ, in words."""
    return [
        f"{what[0]} {what[1]} {found[what]} times, wanted {wanted[what]}"
        for what in sorted(wanted.keys() | found.keys())
        if wanted[what] != found[what]
    ]


def places(where: Coordinates, *, full: bool) -> range:
    """Every k; where nodes are made, which takes long, one of the first places alone unless `full`, or none."""
    chosen = zlib.crc32(str(where).encode())
    if not full and where.scenario.startswith(SPARSE) and chosen // AMONG % ONE_IN:
        return range(0)
    if full or SCENARIOS[where.scenario].land == "team" or where.fault in WHOLE:
        return range(1, MOST)
    first = 1 if where.fault in ("busy", "slow", "deaf") else 1 + chosen % AMONG
    return range(first, first + 1)


async def suite(scenario: str, fault: str, *, full: bool = True) -> tuple[dict[str, list[str]], int]:
    """Every place of every step; the findings by coordinates, and the number of runs."""
    found: dict[str, list[str]] = {}
    runs = 0
    for step in SCENARIOS[scenario].steps:
        for k in places(Coordinates(scenario, step.name, fault, 0), full=full):
            where = Coordinates(scenario, step.name, fault, k)
            differing, struck = await findings(where)
            if not struck:
                break
            runs += 1
            if differing:
                found[str(where)] = differing
    return found, runs
