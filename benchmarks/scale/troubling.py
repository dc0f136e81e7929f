"""W6: families among others that Kafka refuses. W7: Kafka is away for a minute while families are made."""

from __future__ import annotations

import asyncio
import time

from agentmemory.core.errors import OperatorError
from agentmemory.kafka.model import NewTopicSpec
from benchmarks.scale import objects
from benchmarks.scale.creation import create, rates
from benchmarks.scale.figures import Figures, percentile
from benchmarks.scale.objects import POISON, Object
from benchmarks.scale.observer import NotMeasured
from benchmarks.scale.options import Options
from benchmarks.scale.stage import PREPARE_LIMIT, Stage, staged
from benchmarks.scale.targets import Target

# A first load that nobody times, since what runs cold is slow: the difference of two loads is the figure here.
WARM = 4
# One in so many families is poisoned: several in each batch of a burst.
ONE_IN = 100
AWAY_SECONDS = 60.0
# Kafka goes away once this part of the families is Ready.
BEFORE = 4


async def w6(options: Options, target: Target) -> Figures:
    """The same load twice: as it should be, then with poisoned families in it. What the others lose by that."""
    figures = Figures()
    warm = objects.families(options, "warm", options.n // WARM)
    calm = objects.families(options, "calm")
    poisoned = objects.families(options, POISON, max(1, options.n // ONE_IN))
    others = objects.families(options, "other")
    async with staged(options, target) as stage:
        await _poison(target, poisoned)
        await create(stage, warm)
        quiet = await create(stage, calm)
        async with stage.costed() as cost:
            start = time.monotonic()
            began = await stage.create(_mixed(others, poisoned))
            ready = await stage.ready(others)
            await _told(stage, poisoned)
        observer = stage.observer
        told = [observer.told[objects.key(obj)] for obj in poisoned]
        reasons = sorted({observer.seen[objects.key(obj)].reason for obj in poisoned})
        message = observer.seen[objects.key(poisoned[0])].message
    latencies = [at - began[objects.key(obj)] for obj, at in zip(others, ready, strict=True)]
    figures.common |= rates(options, max(ready) - start) | cost.per_family(len(others) + len(poisoned))
    figures.latencies(latencies)
    figures.more |= {
        "poisoned": len(poisoned),
        "poisoned_reasons": reasons,
        "poisoned_message": message,
        "poisoned_told_most": max(told),
        "without_poison": {f"p{share}_s": round(percentile(quiet.latencies, share), 3) for share in (50, 95, 99)},
        "delay": {
            f"p{share}_s": round(percentile(latencies, share) - percentile(quiet.latencies, share), 3)
            for share in (50, 95, 99)
        },
        **cost.details(),
    }
    figures.at_most("conditions told per poisoned family", max(told), 1)
    figures.at_most("poisoned families without a reason", told.count(0), 0)
    return figures


def _mixed(others: list[Object], poisoned: list[Object]) -> list[Object]:
    """The poisoned ones evenly among the others."""
    mixed: list[Object] = []
    step = max(1, len(others) // len(poisoned))
    for number, obj in enumerate(others):
        if number % step == 0 and number // step < len(poisoned):
            mixed.append(poisoned[number // step])
        mixed.append(obj)
    return mixed


async def _poison(target: Target, poisoned: list[Object]) -> None:
    """Kafka refuses a topic whose name differs from another's in `.` and `_` only; a fake one knows the word itself."""
    if not target.real:
        return
    names = [name.replace(".", "_") for obj in poisoned for name in objects.topic_names(obj)]
    admin = target.admin()
    try:
        for result in (await admin.create_topics(NewTopicSpec(name, 1, 1) for name in names)).values():
            if isinstance(result, OperatorError):
                raise NotMeasured(f"the topics that poison cannot be made: {result.message}")
    finally:
        await admin.close()


async def _told(stage: Stage, poisoned: list[Object]) -> None:
    """Until each poisoned family says what is wrong with it."""
    observer, keys = stage.observer, [objects.key(obj) for obj in poisoned]
    await observer.until(
        lambda: all(observer.told[key] for key in keys), PREPARE_LIMIT, lambda: "poisoned families say nothing"
    )
    if ready := [key for key in keys if observer.seen[key].ready]:
        raise NotMeasured(f"{ready[0]} is Ready though Kafka should have refused its topic")


async def w7(options: Options, target: Target) -> Figures:
    """Kafka goes away while families are made, and comes back; nothing may be lost, nobody may say it twice."""
    figures, away = Figures(), options.seconds or AWAY_SECONDS
    families = objects.families(options)
    first, rest = families[: options.n // BEFORE], families[options.n // BEFORE :]
    async with staged(options, target) as stage:
        async with stage.costed() as cost:
            await create(stage, first)
            making = asyncio.create_task(stage.create(rest))
            began = time.monotonic()
            await target.kafka_down()
            await making
            made = time.monotonic() - began
            await asyncio.sleep(max(0.0, away - (time.monotonic() - began)))
            waiting = sum(not one.ready for one in stage.observer.seen.values())
            returning = time.monotonic()
            await target.kafka_up()
            back = time.monotonic()
            ready = await stage.ready(families)
        told = [stage.observer.told[objects.key(obj)] for obj in families]
    lost = {name for obj in families for name in objects.topic_names(obj)} - await target.topics()
    figures.common |= cost.per_family(options.n)
    figures.latencies([max(0.0, at - back) for at in ready[len(first) :]])
    figures.more |= {
        "away_s": round(returning - began, 1),
        "kafka_start_s": round(back - returning, 2),
        "created_meanwhile": len(rest),
        "created_in_s": round(made, 2),
        "not_ready_when_it_returned": waiting,
        "all_ready_after_return_s": round(max(0.0, max(ready) - back), 2),
        "topics_lost": len(lost),
        "told_most": max(told),
        **cost.details(),
    }
    figures.at_most("topics lost", len(lost), 0)
    figures.at_most("changes of the condition per family (away, Ready)", max(told), 2)
    return figures
