"""What every workload begins and ends with: a frame that is Ready, an observer, and what a phase cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.scale import objects
from benchmarks.scale.api import Api, ApiError, side_by_side
from benchmarks.scale.objects import Object
from benchmarks.scale.observer import NotMeasured, Observer
from benchmarks.scale.operators import Operators
from benchmarks.scale.options import Options
from benchmarks.scale.procfs import usage
from benchmarks.scale.targets import Target
from benchmarks.scale.traffic import Traffic

CRDS = Path(__file__).resolve().parent.parent.parent / "crds"
PREPARE_LIMIT = 180.0
POLL = 0.2


@dataclass
class Cost:
    """What a phase cost the operator, and the others by name in CPU seconds."""

    seconds: float = 0.0
    cpu: float = 0.0
    rss: int = 0
    peak: int = 0
    others: Mapping[str, float] | None = None
    traffic: Traffic | None = None

    @property
    def own(self) -> Traffic:
        """The operator's calls without its Leases."""
        return (self.traffic or Traffic()).of_operator()

    def per_family(self, families: int) -> dict[str, float]:
        """The figures that every result has."""
        own = self.own
        return {
            "kube_writes_per_family": round(own.writes() / families, 4),
            "kube_gets_per_family": round(own.number("get") / families, 4),
            "operator_cpu_ms_per_family": round(1000 * self.cpu / families, 3),
            "rss_mb": round(self.peak / 2**20, 1),
        }

    def details(self) -> dict[str, Any]:
        """What else is worth keeping."""
        return {
            "phase_seconds": round(self.seconds, 2),
            "operator_calls": self.own.by_name(),
            "cpu_seconds": {"operator": round(self.cpu, 2), **(self.others or {})},
            "operator_rss_mb_now": round(self.rss / 2**20, 1),
        }


@dataclass
class Stage:
    """A target with the operator at work, and this process's way to it."""

    options: Options
    target: Target
    operators: Operators
    api: Api
    observer: Observer

    async def create(self, families: list[Object]) -> dict[str, float]:
        """Create them, `parallel` at once; when each call began."""
        began: dict[str, float] = {}

        async def one(obj: Object) -> None:
            began[objects.key(obj)] = time.monotonic()
            await self.api.create(obj)

        await side_by_side(families, one, self.options.parallel)
        return began

    async def ready(self, families: list[Object], generation: int = 1) -> list[float]:
        """When each was first seen Ready at this generation. Raises NotMeasured when they do not become so."""
        keys = [(objects.key(obj), generation) for obj in families]
        observer = self.observer
        observer.awaited = {key for key in keys if key not in observer.ready_at}

        def what() -> str:
            self.check()
            some = next(iter(observer.awaited))[0]
            return (
                f"{len(observer.awaited)} of {len(keys)} are not Ready, for instance {some}: {observer.seen.get(some)}"
            )

        await observer.until(lambda: not observer.awaited, self.options.patience, what)
        return [observer.ready_at[key] for key in keys]

    def check(self) -> None:
        for operator in self.operators.all:
            operator.check()

    @asynccontextmanager
    async def costed(self, settle: bool = True) -> AsyncIterator[Cost]:
        """Fills in the Cost at the end; with `settle` it waits first until the operator has nothing more to do."""
        cost = Cost()
        mark, before = await self.target.mark(), self.operators.usage()
        others = {pid: usage(pid).cpu for pid in self.target.others().values()}
        own, began = time.process_time(), time.monotonic()
        yield cost
        cost.seconds = time.monotonic() - began
        if settle:
            await self.operators.idle(PREPARE_LIMIT)
        after = self.operators.usage()
        cost.cpu, cost.rss, cost.peak = after.cpu - before.cpu, after.rss, after.peak
        now = self.target.others().items()
        spent = {name: round(usage(pid).cpu - others.get(pid, 0.0), 2) for name, pid in now}
        cost.others = {**spent, "driver": round(time.process_time() - own, 2)}
        cost.traffic = await self.target.traffic_since(mark)


@asynccontextmanager
async def staged(options: Options, target: Target) -> AsyncIterator[Stage]:
    """The operator at work, all tenants Ready, the observer looking on."""
    async with Api(target.url, target.context) as api:
        await prepare(options, target, api)
        async with target.operators as operators:
            await frame(options, target, api)
            await operators.idle(PREPARE_LIMIT)
            async with Observer(api) as observer:
                yield Stage(options, target, operators, api, observer)


async def prepare(options: Options, target: Target, api: Api) -> None:
    """CRDs and namespaces: what is there before an operator starts."""
    if target.real:
        for file in sorted(CRDS.glob("*.yaml")):
            crd = yaml.safe_load(file.read_text())
            path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
            await api.apply(path, crd)
            await _served(api, f"/apis/{objects.API}/{crd['spec']['names']['plural']}?limit=1")
    names = [objects.PLATFORM, objects.OPERATOR, *(objects.namespace_of(n) for n in range(options.tenants))]
    await side_by_side([objects.namespace(name) for name in names], api.create, options.parallel)


async def frame(options: Options, target: Target, api: Api) -> None:
    """The cluster and its tenants, all Ready."""
    tenants = [objects.tenant(number) for number in range(options.tenants)]
    made = [objects.way_in(target.credentials), objects.cluster(target.credentials), *tenants]
    await side_by_side(made, api.create, options.parallel)
    end = time.monotonic() + PREPARE_LIMIT
    while True:
        for operator in target.operators.all:
            operator.check()
        found = (await api.get(f"/apis/{objects.API}/memorytenants"))["items"]
        waiting = [tenant for tenant in found if not _is_ready(tenant)]
        if len(found) == len(tenants) and not waiting:
            return
        if time.monotonic() > end:
            raise NotMeasured(f"{len(waiting)} tenants are not Ready after {PREPARE_LIMIT:.0f} s, say {waiting[:1]}")
        await asyncio.sleep(POLL)


async def _served(api: Api, path: str) -> None:
    end = time.monotonic() + PREPARE_LIMIT
    while True:
        try:
            await api.get(path)
            return
        except ApiError as error:
            if error.code != 404 or time.monotonic() > end:
                raise
        await asyncio.sleep(POLL)


def _is_ready(obj: Object) -> bool:
    found = (obj.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in found)
