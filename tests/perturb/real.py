"""Driver 2: the same scenarios on a real apiserver behind the fault proxy, with the real process in this loop.

A run is a whole scenario from an empty country on. Nothing waits for time: after each step the picture must become the
reference's, and the reference waits until the operator has gone quiet over two of its own resyncs, and the robots with
it.
"""

import asyncio
import copy
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from agentmemory.app import Process
from agentmemory.core.clock import SystemClock
from agentmemory.core.errors import Invalid
from agentmemory.core.key import Key, key_of
from agentmemory.kube.client import KubeClient
from agentmemory.kube.config import from_file
from agentmemory.kube.resources import RESOURCES
from agentmemory.kube.resync import Pace
from agentmemory.settings import Settings
from tests import teams
from tests.engines.stage import NAMESPACE
from tests.fakekafka import Call as KafkaCall
from tests.fakekafka import FakeKafka, FakePool, timed_out
from tests.fakekube.fixture import as_key
from tests.fakes3 import READS, FakeS3, FakeStores
from tests.fakes3 import Call as S3Call
from tests.faultproxy import Call, DropAfter, DropBefore, FaultProxy

from .machines import OPERATOR, kafka_for, plain
from .normal import differences, picture
from .oracles import broken
from .robots import Robots
from .scenarios import OTHERS
from .user import Kind, Scenario, Step

Object = dict[str, Any]
Watching = Literal["kopf", "list"]

SPACES = (NAMESPACE, teams.PLATFORM, teams.TEAM, OTHERS, OPERATOR)
KINDS = tuple(kind for kind in RESOURCES if kind not in ("Lease", "Node", "Event", "Namespace"))
AGENT = "agent-memory-operator"
PACE = Pace(interval=1.0, grace=20.0, spread=0.2, retry=0.1)
PATIENCE = 45.0
"""Seconds in which a step must come to its end, on a machine with more to do."""


def counts(call: Call) -> bool:
    """Whether a call is a write of the operator's; Leases and Events apart."""
    return call.is_write and call.agent.startswith(AGENT) and call.kind not in ("Lease", "Event")


REFUSED = ("partitions cannot shrink",)
"""Bad edits that a real API server refuses by its own rules, and fakekube does not."""


class LaterClock(SystemClock):
    """The time of day is some seconds on."""

    ahead = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead)


@dataclass
class Country:
    """A real apiserver with robots, Kafka in memory, the operator. Implements `User`."""

    admin: KubeClient
    proxy: FaultProxy
    watching: Watching
    kind: Kind
    kafka: FakeKafka = field(init=False)
    s3: FakeS3 = field(default_factory=FakeS3)
    clock: LaterClock = field(default_factory=LaterClock)
    killed: asyncio.Event = field(default_factory=asyncio.Event)
    born: dict[str, str] = field(default_factory=dict)
    robots: Robots = field(init=False)
    deaths: int = 0
    cpu: float = 0.0

    def __post_init__(self) -> None:
        self.kafka = kafka_for(self.kind)
        self.robots = Robots(self.admin, self.kafka, SPACES, nodes=self.kind != "team")
        self.kafka.after.append(self._after)
        self.s3.after.append(self._s3_after)
        self._strike_at = 0
        self._mode = ""
        self._count = 0
        self._process: asyncio.Task[None] | None = None
        self._began = 0.0

    # --- acting as a user ---

    async def put(self, *objs: Object) -> None:
        for obj in copy.deepcopy(objs):
            if obj["metadata"].get("namespace"):
                await self._make(plain("Namespace", "", obj["metadata"]["namespace"]))
            await self._make(obj)

    async def edit(self, key: Key | str, patch_: Object) -> None:
        try:
            await self.admin.merge_patch(as_key(key), patch_)
        except Invalid as error:  # its user leaves it at that
            if not any(rule in error.message for rule in REFUSED):
                raise

    async def delete(self, *keys: Key | str) -> None:
        for key in keys:
            await self.admin.delete(as_key(key))

    async def scale(self, key: Key | str, replicas: int) -> None:
        await self.admin.merge_patch(as_key(key), {"spec": {"replicas": replicas}}, subresource="scale")

    async def wait(self, seconds: float) -> None:
        self.clock.ahead += seconds

    async def _make(self, obj: Object) -> None:
        if obj["kind"] == "Namespace":
            obj["metadata"].pop("namespace", None)  # it has none
        key = key_of(obj)
        live = await self.admin.get(key)
        if live is not None and obj["kind"] == "Namespace":
            return
        made = await self.admin.create(obj) if live is None else await self.admin.merge_patch(key, obj)
        if made is not None and obj["kind"] == "MemoryCluster":
            self.born[made["metadata"]["uid"]] = f"{'/'.join(key)}#1"

    # --- faults ---

    def arm(self, fault: str, k: int) -> None:
        """`crash`: dies after its k-th write. `answer-lost`: the k-th write's answer is lost, and it goes on."""
        self._mode, self._strike_at, self._count = fault, k, 0
        if fault in ("crash", "answer-lost"):
            self.proxy.rules.add(self._strikes, DropAfter(), times=1, on_hit=self._struck)
        if fault == "call-cut":
            self.proxy.rules.add(self._strikes, DropBefore(), times=1, on_hit=self._struck)

    @property
    def struck(self) -> bool:
        """Whether the fault has had its occasion."""
        return self._count >= self._strike_at

    def _strikes(self, call: Call) -> bool:
        if not counts(call):
            return False
        self._count += 1
        return self._count == self._strike_at

    def _struck(self, call: Call) -> None:
        if self._mode == "crash":
            # From here on this process writes nothing more; its task is cancelled as soon as the loop turns.
            self._cut = self.proxy.rules.add(lambda other: other.agent.startswith(AGENT), DropBefore(), times=None)
            self.killed.set()

    def _after(self, call: KafkaCall) -> Any:
        if self.killed.is_set():
            raise asyncio.CancelledError
        if self._mode not in ("crash", "kafka-timeout"):
            return None
        self._count += 1
        if self._count != self._strike_at:
            return None
        if self._mode == "kafka-timeout":
            return timed_out(call.method)
        self._struck(Call("", ""))
        raise asyncio.CancelledError

    def _s3_after(self, call: S3Call) -> None:
        if self.killed.is_set():
            raise asyncio.CancelledError
        if call.name in READS or self._mode != "crash":
            return
        self._count += 1
        if self._count == self._strike_at:
            self._struck(Call("", ""))
            raise asyncio.CancelledError

    # --- running ---

    async def live(self) -> None:
        """The operator, started anew whenever it is killed; until cancelled."""
        while True:
            run = asyncio.create_task(self._new_process().run())
            death = asyncio.create_task(self.killed.wait())
            try:
                await asyncio.wait({run, death}, return_when=asyncio.FIRST_COMPLETED)
                if not self.killed.is_set():
                    run.result()
                    return
            finally:
                for task in (run, death):
                    task.cancel()
                await asyncio.gather(run, death, return_exceptions=True)
            self.deaths += 1
            self.killed.clear()
            self._mode = ""
            with suppress(ValueError):  # the run may be over: its last write was the one to die after
                self.proxy.rules.remove(self._cut)

    def _new_process(self) -> Process:
        settings = Settings(role="all", port=0, lease=False, namespace=OPERATOR, engine_poll=0.3, watch=self.watching)
        return Process(
            settings,
            self.proxy.configuration,
            kafka=FakePool(self.kafka),
            stores=FakeStores(self.s3),
            pace=PACE,
            clock=self.clock,
        )

    async def objects(self) -> list[Object]:
        """Everything in the scenario's namespaces."""
        return await theirs(self.admin)

    async def picture(self, objects: list[Object] | None = None) -> Object:
        """Without history: uids and generations differ from run to run."""
        objects = [_undressed(obj) for obj in (await self.objects() if objects is None else objects)]
        for obj in objects:
            self.born.setdefault(obj["metadata"]["uid"], f"{'/'.join(key_of(obj))}#1")
        found = picture(objects, self.kafka, self.s3, self.born, history=False)
        return {name: it for name, it in found.items() if "theirs" not in name}

    async def until_quiet(self) -> Object:
        """The picture once resyncs and the robots' rounds have come and gone and nobody did anything.

        On a busy machine the robots are the slow ones, and an operator that waits for a pod is quiet too.
        """
        async with asyncio.timeout(PATIENCE):
            while True:
                acts, lists, rounds = self._acts(), self._lists(), self.robots.rounds
                while self._acts() == acts and (  # noqa: ASYNC110
                    self._lists() < lists + 2 or self.robots.rounds < rounds + 2
                ):
                    await asyncio.sleep(0.05)
                objects = await self.objects()
                if self._acts() == acts and not broken(objects, self.kafka):
                    return await self.picture(objects)

    async def until_equal(self, wanted: Object) -> list[str]:
        """What still differs when patience ends; [] as soon as nothing does."""
        found: list[str] = ["never looked"]
        end = time.monotonic() + PATIENCE
        while found and time.monotonic() < end:
            began = time.monotonic()
            objects = await self.objects()
            found = differences(wanted, await self.picture(objects)) or broken(objects, self.kafka)
            if found:  # to look costs the API server more than the operator does: a quarter of the time is enough
                await asyncio.sleep(max(0.2, 3 * (time.monotonic() - began)))
        return found

    def _acts(self) -> int:
        """Writes of the operator, and what robots did."""
        made = sum(number for line, number in self._table().items() if not line.startswith(("get", "list", "watch")))
        return made + len(self.kafka.writes()) + len(self.s3.writes) + self.robots.acts

    def _lists(self) -> int:
        return self.proxy.counts.total(verb="list", kind="MemoryCluster", agent=AGENT)

    def _table(self) -> dict[str, int]:
        return {line: number for line, number in self.proxy.counts.table().items() if " Lease" not in line}


def _undressed(obj: Object) -> Object:
    """Without what the apiserver hands out at random."""
    spec = obj.get("spec")
    if obj["kind"] == "Service" and spec and spec.get("clusterIP") != "None":
        return {**obj, "spec": {name: it for name, it in spec.items() if name not in ("clusterIP", "clusterIPs")}}
    return obj


@asynccontextmanager
async def country(kubeconfig: Path, watching: Watching, kind: Kind) -> AsyncIterator[Country]:
    """An empty one, with the operator and the robots at work."""
    async with await FaultProxy.of(kubeconfig) as proxy, KubeClient(await from_file(kubeconfig)) as admin:
        await sweep(admin)
        made = Country(admin, proxy, watching, kind)
        await made.put(plain("Namespace", "", OPERATOR), *(plain("ConfigMap", space, "theirs") for space in SPACES))
        tasks = [asyncio.create_task(made.live()), asyncio.create_task(made.robots.run())]
        cpu = time.process_time()
        try:
            yield made
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            made.cpu = time.process_time() - cpu
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await sweep(admin)


async def theirs(admin: KubeClient) -> list[Object]:
    """Everything in the scenario's namespaces: one call a kind, the whole cluster has hardly more."""
    listed = [obj for kind in KINDS for obj in (await admin.list(kind))[0]]
    return [obj for obj in listed if obj["metadata"].get("namespace") in SPACES]


async def sweep(admin: KubeClient) -> None:
    """Take everything out of the scenario's namespaces."""
    for obj in await theirs(admin):
        if obj["metadata"].get("finalizers"):
            await admin.merge_patch(key_of(obj), {"metadata": {"finalizers": None}})
        await admin.delete(key_of(obj), grace_seconds=0)


@dataclass(frozen=True)
class Told:
    """What came of a run."""

    pictures: dict[str, Object]
    findings: list[str]
    struck: bool
    seconds: float
    cpu: float


def steps_of(scenario: Scenario) -> tuple[Step, ...]:
    """All that is done in a run."""
    return (*scenario.given, *scenario.steps)


async def go(
    kubeconfig: Path, scenario: Scenario, watching: Watching, fault: str = "", k: int = 0, wanted: Told | None = None
) -> Told:
    """One run. Without `wanted` it is the reference; the fault strikes in the perturbed steps only."""
    began = time.monotonic()
    pictures: dict[str, Object] = {}
    found: list[str] = []
    async with country(kubeconfig, watching, scenario.land) as made:
        for number, step in enumerate(steps_of(scenario)):
            if number == len(scenario.given) and fault:
                made.arm(fault, k)
            await step.act(made)
            if wanted is None:
                pictures[f"{number} {step.name}"] = await made.until_quiet()
                continue
            differing = await made.until_equal(wanted.pictures[f"{number} {step.name}"])
            found += [f"{step.name}: {line}" for line in differing]
            if differing:
                break
        if wanted is not None and not found:
            made.proxy.rules.clear()
            found += differences(pictures_of(wanted), await made.until_quiet())
        struck = bool(fault) and made.struck
    return Told(pictures, found, struck, time.monotonic() - began, made.cpu)


def pictures_of(told: Told) -> Object:
    """The last picture of a run."""
    return list(told.pictures.values())[-1]
