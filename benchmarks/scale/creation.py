"""W1: new families, all at once, until each is Ready; beside it the bare loop."""

from __future__ import annotations

import time
from dataclasses import dataclass

import orjson

from benchmarks.scale import bare, objects
from benchmarks.scale.figures import Figures
from benchmarks.scale.objects import Object
from benchmarks.scale.options import Options
from benchmarks.scale.stage import Cost, Stage, staged
from benchmarks.scale.targets import Target

BARE_BAR = 1.5
CPU_BAR_MS = 3.0
FAMILIES_BAR = 400.0
TOPICS_BAR = 400.0
# Bars of speed are for so many families and more.
LEAST_FAMILIES = 1000


@dataclass
class Created:
    """A load of families that became Ready; seconds."""

    wall: float
    latencies: list[float]
    cost: Cost
    driving: float


async def create(stage: Stage, families: list[Object]) -> Created:
    """Create and wait until all are Ready, the cost with what follows until the operator is idle again."""
    async with stage.costed() as cost:
        start = time.monotonic()
        began = await stage.create(families)
        driven = time.monotonic() - start
        ready = await stage.ready(families)
        wall = max(ready) - start
        latencies = [at - began[objects.key(obj)] for obj, at in zip(families, ready, strict=True)]
    return Created(wall, latencies, cost, driven)


def rates(options: Options, wall: float, count: int | None = None) -> dict[str, float]:
    families = (options.n if count is None else count) / wall
    return {"families_per_s": round(families, 1), "topics_per_s": round(families * options.topics, 1)}


async def w1(options: Options, target: Target) -> Figures:
    """The operator's half; `with_bare` adds the yardstick from a target of its own."""
    figures = Figures()
    families = objects.families(options)
    async with staged(options, target) as stage:
        made = await create(stage, families)
        sample = stage.observer.sample
        figures.more |= {
            "wall_s": round(made.wall, 2),
            "driver_s": round(made.driving, 2),
            "created_bytes": len(orjson.dumps(families[0])),
            "object_bytes": len(orjson.dumps(sample)),
            "object_parts": _parts(sample),
            "family_gets": made.cost.own.number("get", kind="TopicFamily"),
            "throttled": stage.api.throttled,
            **made.cost.details(),
        }
        figures.common |= rates(options, made.wall) | made.cost.per_family(options.n)
        figures.latencies(made.latencies)
        # For the bare loop: the same status, the same settings of topics.
        figures.sample = sample["status"]
        figures.configs = await bare.configs_of(target, objects.topic_names(families[0])[0])
    _bars(options, figures)
    return figures


def _parts(obj: Object) -> dict[str, int]:
    """Bytes of the object's parts."""
    found = {"spec": obj["spec"], "status": obj["status"], "managedFields": obj["metadata"].get("managedFields")}
    return {name: len(orjson.dumps(part)) for name, part in found.items() if part}


def _bars(options: Options, figures: Figures) -> None:
    common = figures.common
    writes = 2 if options.deletes else 1
    figures.at_most("Kubernetes writes per family", common["kube_writes_per_family"], writes)
    figures.at_most("GETs of families", figures.more["family_gets"], 0)
    if options.n < LEAST_FAMILIES:
        return  # a start and an end, and hardly anything between them
    if options.target == "real":
        figures.at_most("operator CPU per family", common["operator_cpu_ms_per_family"], CPU_BAR_MS, "ms")
        if options.topics == 8:
            figures.at_least("topics a second", common["topics_per_s"], TOPICS_BAR)
    elif options.topics == 1:
        figures.at_least("families a second", common["families_per_s"], FAMILIES_BAR)


async def with_bare(options: Options, target: Target, figures: Figures) -> None:
    """Run the bare loop on a fresh target and compare."""
    seconds = await bare.wall(options, target, figures.sample, figures.configs)
    ratio = figures.more["wall_s"] / seconds
    figures.common["bare_ratio"] = round(ratio, 3)
    figures.more |= {"bare_wall_s": round(seconds, 2), "bare_families_per_s": round(options.n / seconds, 1)}
    if options.target == "real" and options.topics == 1 and options.n >= LEAST_FAMILIES:
        figures.at_most("wall time by that of the bare loop", ratio, BARE_BAR)
