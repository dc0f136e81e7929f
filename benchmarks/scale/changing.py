"""W3: a tenth of the families is edited. W4: all are deleted. W5: edits while everything is replayed."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from benchmarks.scale import objects
from benchmarks.scale.api import side_by_side
from benchmarks.scale.creation import create, rates
from benchmarks.scale.figures import Figures, percentile
from benchmarks.scale.objects import Object
from benchmarks.scale.observer import NotMeasured
from benchmarks.scale.options import Options
from benchmarks.scale.stage import PREPARE_LIMIT, Stage, staged
from benchmarks.scale.targets import Target

EDITS = 2000
# Each edit costs a real API server two writes of some 8 ms of CPU: much more would measure two cores that are full.
EDITS_A_SECOND = 25
ROUNDS = 60
EDIT_BAR = 1.0
LOOK = 0.2


async def w3(options: Options, target: Target) -> Figures:
    """Every tenth family gets a longer retention; until each is Ready at its new generation."""
    figures = Figures()
    families = objects.families(options)
    edited = objects.every(families, 10)
    began: dict[str, float] = {}

    async def edit(obj: Object) -> None:
        began[objects.key(obj)] = time.monotonic()
        await stage.api.merge(objects.path(obj), retention(objects.OTHER_RETENTION))

    async with staged(options, target) as stage:
        await create(stage, families)
        async with stage.costed() as cost:
            start = time.monotonic()
            await side_by_side(edited, edit, options.parallel)
            ready = await stage.ready(edited, 2)
    latencies = [at - began[objects.key(obj)] for obj, at in zip(edited, ready, strict=True)]
    figures.common |= rates(options, max(ready) - start, len(edited)) | cost.per_family(len(edited))
    figures.latencies(latencies)
    figures.more |= {"edited": len(edited), "wall_s": round(max(ready) - start, 2), **cost.details()}
    figures.at_most("Kubernetes writes per edited family", figures.common["kube_writes_per_family"], 1)
    return figures


async def w4(options: Options, target: Target) -> Figures:
    """All families with deletionPolicy Delete are deleted; until the last object and the last topic are gone."""
    figures = Figures()
    families = objects.families(options)
    began: dict[str, float] = {}

    async def delete(obj: Object) -> None:
        began[objects.key(obj)] = time.monotonic()
        await stage.api.delete(objects.path(obj))

    async with staged(options, target) as stage:
        await create(stage, families)
        gone = stage.observer.gone_at
        async with stage.costed() as cost:
            start = time.monotonic()
            await side_by_side(families, delete, options.parallel)
            await stage.observer.until(
                lambda: len(gone) >= options.n, options.patience, lambda: f"{options.n - len(gone)} families are left"
            )
            wall = max(gone.values()) - start
    left = {name for obj in families for name in objects.topic_names(obj)} & await target.topics()
    figures.common |= rates(options, wall) | cost.per_family(options.n)
    figures.latencies([gone[key] - at for key, at in began.items()])
    figures.more |= {"wall_s": round(wall, 2), "topics_left": len(left), **cost.details()}
    figures.at_most("topics left", len(left), 0)
    return figures


def retention(time_: str) -> Object:
    return {"spec": {"retention": {"time": time_}, "erasure": {"maxDelay": "1000h"}}}


@dataclass
class Edits:
    """Edits of one family after the other, in a random order, at a steady rate however long they take."""

    stage: Stage
    families: list[Object]
    began: dict[tuple[str, int], float] = field(default_factory=dict)
    under_way: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._rng = random.Random(4)
        self._order = itertools.cycle(self._rng.sample(self.families, len(self.families)))

    async def during(self, goes_on: Callable[[], bool]) -> None:
        """Edit while it goes on and there are edits left."""
        start, made = time.monotonic(), 0
        while goes_on() and len(self.began) < EDITS:
            self.under_way.add(asyncio.create_task(self._edit(next(self._order))))
            made += 1
            await asyncio.sleep(max(0.0, start + made / EDITS_A_SECOND - time.monotonic()))

    async def done(self) -> None:
        """Until all that were begun are Ready."""
        await asyncio.gather(*self.under_way)
        self.under_way.clear()
        observer = self.stage.observer
        observer.awaited = self.began.keys() - observer.ready_at.keys()
        await observer.until(
            lambda: not observer.awaited, PREPARE_LIMIT, lambda: f"{len(observer.awaited)} edited families not Ready"
        )

    async def _edit(self, obj: Object) -> None:
        began = time.monotonic()
        patch = retention(f"{self._rng.randrange(720, 900)}h")
        made = orjson.loads(await self.stage.api.merge(objects.path(obj), patch))
        # A retention drawn twice in a row changes nothing: its generation is known already.
        self.began.setdefault((objects.key(obj), made["metadata"]["generation"]), began)

    def latencies(self) -> list[float]:
        return [self.stage.observer.ready_at[edit] - began for edit, began in self.began.items()]


async def w5(options: Options, target: Target) -> Figures:
    """Restart the operator again and again; while it replays everything, users edit."""
    figures = Figures()
    families = objects.families(options)
    oldest = 0.0
    replays: list[float] = []
    async with staged(options, target) as stage:
        await create(stage, families)
        edits = Edits(stage, families)
        async with stage.costed() as cost:
            while len(edits.began) < EDITS and len(replays) < ROUNDS:
                await stage.operators.stop()
                began = time.monotonic()
                oldest = max(oldest, await _round(stage, edits))
                replays.append(round(time.monotonic() - began, 2))
                await edits.done()
                await stage.operators.idle(PREPARE_LIMIT)
    latencies = edits.latencies()
    figures.common |= cost.per_family(len(latencies))
    figures.latencies(latencies)
    figures.more |= {
        "edits": len(latencies),
        "edits_per_s": EDITS_A_SECOND,
        "slowest_edit_s": round(max(latencies), 3),
        "oldest_key_s": round(oldest, 3),
        "replays_s": replays,
        **cost.details(),
    }
    figures.at_most("a user's edit during a replay, p99", percentile(latencies, 99), EDIT_BAR, "s")
    return figures


async def _round(stage: Stage, edits: Edits) -> float:
    """Start the operator and edit from its first reconcile to the replay's end; the oldest key's longest wait (s)."""
    await stage.operators.start()
    replaying, over, oldest = asyncio.Event(), False, 0.0

    async def look() -> None:
        nonlocal over, oldest
        end = time.monotonic() + stage.options.patience
        while not over:
            found = await stage.operators.numbers()
            if found.leading == len(stage.operators.all) and found.families > 0:
                replaying.set()
            oldest = max(oldest, found.oldest)
            # What edits alone keep in the queue is no replay.
            busy = found.waiting + found.running > max(10, EDITS_A_SECOND * LOOK)
            over = replaying.is_set() and found.families >= stage.options.n and not busy
            if time.monotonic() > end:
                raise NotMeasured(f"the replay does not end within {stage.options.patience:.0f} s: {found}")
            await asyncio.sleep(LOOK)

    async def edit() -> None:
        await replaying.wait()
        await edits.during(lambda: not over)

    async with asyncio.TaskGroup() as group:
        group.create_task(look())
        group.create_task(edit())
    return oldest
