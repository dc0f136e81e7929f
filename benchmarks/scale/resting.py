"""W2: families at rest. W8: the operator ends and starts with families that are there already."""

from __future__ import annotations

import asyncio
import time

from benchmarks.scale import objects
from benchmarks.scale.creation import create
from benchmarks.scale.figures import Figures
from benchmarks.scale.observer import NotMeasured
from benchmarks.scale.operators import Operators
from benchmarks.scale.options import Options
from benchmarks.scale.stage import PREPARE_LIMIT, Stage, staged
from benchmarks.scale.targets import Target

REST_SECONDS = 300.0
SHARE_BAR = 5.0
RSS_BAR_MB = 350.0
REPLAY_BAR = 15.0
# Quiet for so long before the rest begins: what the creation left to do is done.
SETTLED = 10.0
LOOK = 1.0
OURS = ("TopicFamily", "MemoryTenant", "MemoryCluster", "MemoryClient", "BrokerPool")


async def w2(options: Options, target: Target) -> Figures:
    """Look on for some minutes: calls, CPU, memory. Nobody asks the operator for its metrics meanwhile."""
    figures, seconds = Figures(), options.seconds or REST_SECONDS
    async with staged(options, target) as stage:
        await create(stage, objects.families(options))
        await stage.operators.idle(PREPARE_LIMIT, SETTLED)
        memory: list[float] = []
        async with stage.costed(settle=False) as cost:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                stage.check()
                memory.append(stage.operators.usage().rss / 2**20)
                await asyncio.sleep(LOOK)
        each = {one.role: round(one.usage().rss / 2**20, 1) for one in stage.operators.all}
    own = cost.own
    share = 100 * cost.cpu / cost.seconds
    gets = sum(own.number("get", kind=kind) for kind in OURS)
    figures.common |= cost.per_family(options.n) | {"rss_mb": round(max(memory), 1)}
    figures.more |= {
        "seconds": round(cost.seconds, 1),
        "writes": own.writes(),
        "object_gets": gets,
        "other_gets": own.number("get") - gets,
        "lists": own.number("list"),
        "watches": own.number("watch"),
        "cpu_share_percent": round(share, 2),
        "rss_mb_by_process": each,
        "rss_peak_mb": round(cost.peak / 2**20, 1),
        **cost.details(),
    }
    figures.at_most("writes at rest", own.writes(), 0)
    figures.at_most("GETs of objects at rest", gets, 0)
    figures.at_most("CPU at rest", share, SHARE_BAR, "% of a core")
    figures.at_most("memory at rest", max(memory), RSS_BAR_MB, "MB")
    return figures


async def w8(options: Options, target: Target) -> Figures:
    """End the operator by SIGTERM, start it anew: how long until it has looked at everything, and what it wrote."""
    figures = Figures()
    async with staged(options, target) as stage:
        made = await create(stage, objects.families(options))
        stopping = time.monotonic()
        await stage.operators.stop()
        stopped = time.monotonic()
        async with stage.costed() as cost:
            ready, replayed = await restarted(stage)
    writes = cost.own.writes()
    figures.common |= cost.per_family(options.n) | {"families_per_s": round(options.n / replayed, 1)}
    figures.more |= {
        "stop_s": round(stopped - stopping, 2),
        "ready_s": round(ready, 2),
        "replayed_s": round(replayed, 2),
        "writes": writes,
        "writes_per_new_family": made.cost.own.writes() / options.n,
        **cost.details(),
    }
    figures.at_most("seconds from the start until all were looked at", replayed, REPLAY_BAR, "s")
    figures.at_most("writes after a restart", writes, 0)
    return figures


async def restarted(stage: Stage) -> tuple[float, float]:
    """Start the operator that was stopped; seconds until it is ready, and until all families were looked at."""
    began = time.monotonic()
    await stage.operators.start()
    ready = time.monotonic() - began
    await replayed(stage.operators, stage.options)
    return ready, time.monotonic() - began


async def replayed(operators: Operators, options: Options) -> None:
    """Return once each family was reconciled in this life and nothing is in the queue."""
    end = time.monotonic() + options.patience
    while True:
        found = await operators.numbers()
        if found.families >= options.n and found.idle:
            return
        if time.monotonic() > end:
            raise NotMeasured(f"the families are not looked at after {options.patience:.0f} s: {found}")
        await asyncio.sleep(LOOK / 10)
