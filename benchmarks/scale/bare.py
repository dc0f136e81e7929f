"""The yardstick: a plain concurrent loop that makes the same calls as driver and operator together, and no others.

For each family: create it, patch its status (the same content, with the same preconditions), before that its finalizer
where the operator puts one; beside it the topics by CreateTopics in batches. The same observer looks on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import orjson

from agentmemory.api.labels import FINALIZER
from agentmemory.core.errors import OperatorError
from agentmemory.families.model import MANAGED_KEYS
from agentmemory.kafka.model import NewTopicSpec
from benchmarks.scale import objects
from benchmarks.scale.api import Api, side_by_side
from benchmarks.scale.objects import Object
from benchmarks.scale.observer import NotMeasured, Observer
from benchmarks.scale.options import Options
from benchmarks.scale.stage import prepare
from benchmarks.scale.targets import Target

BATCH = 500


async def wall(options: Options, target: Target, status: Object, configs: dict[str, str]) -> float:
    """Seconds from the first call until every family was seen Ready and every topic is made."""
    families = objects.families(options)
    admin = target.admin()
    try:
        async with Api(target.url, target.context) as api:
            await prepare(options, target, api)
            await admin.describe_cluster()
            async with Observer(api) as observer:
                began = time.monotonic()
                async with asyncio.TaskGroup() as group:
                    group.create_task(side_by_side(families, _one(api, options, status), options.parallel))
                    group.create_task(_topics(admin, families, configs))
                await _seen(options, observer)
                return time.monotonic() - began
    finally:
        await admin.close()


def _one(api: Api, options: Options, status: Object) -> Callable[[Object], Any]:
    async def one(obj: Object) -> None:
        made = orjson.loads(await api.create(obj))
        if options.deletes:
            patch = {"metadata": _same(made) | {"finalizers": [FINALIZER]}}
            made = orjson.loads(await api.merge(objects.path(obj), patch))
        await api.merge(objects.path(obj, "status"), {"metadata": _same(made), "status": status})

    return one


def _same(obj: Object) -> Object:
    return {name: obj["metadata"][name] for name in ("uid", "resourceVersion")}


async def _topics(admin: Any, families: list[Object], configs: dict[str, str]) -> None:
    specs = [NewTopicSpec(name, 1, 1, configs) for obj in families for name in objects.topic_names(obj)]
    for begin in range(0, len(specs), BATCH):
        made = await admin.create_topics(specs[begin : begin + BATCH])
        for result in made.values():
            if isinstance(result, OperatorError):
                raise result


async def _seen(options: Options, observer: Observer) -> None:
    def done() -> bool:
        return len(observer.ready_at) >= options.n

    await observer.until(done, options.patience, lambda: f"{len(observer.ready_at)} of {options.n} were seen")


async def configs_of(target: Target, topic: str) -> dict[str, str]:
    """The settings that the operator gave a topic, so that the loop gives the same."""
    if not target.real:
        return {}
    admin = target.admin()
    try:
        found = (await admin.describe_configs([topic], MANAGED_KEYS))[topic]
    finally:
        await admin.close()
    if isinstance(found, OperatorError):
        raise NotMeasured(f"the settings of topic {topic} cannot be read: {found.message}")
    return dict(found)
