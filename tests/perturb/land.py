"""A whole country in memory: apiserver, kubelets, Kafka, object storage, an operator process.

A `User` acts on it; a `Fault` strikes.

It can be copied at rest (`Snapshot`), so that thousands of runs begin in the middle of a scenario. Everything is in one
task under a clock that stands still: a run is the same each time.
"""

import asyncio
import copy
from collections import Counter
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from agentmemory.brokers.reconcile import PoolReconciler
from agentmemory.buckets.reconcile import BucketReconciler
from agentmemory.clients.reconcile import ClientReconciler
from agentmemory.clusters.reconcile import ClusterReconciler
from agentmemory.core.errors import OperatorError
from agentmemory.core.key import Key, key_of
from agentmemory.core.queue import Priority
from agentmemory.families.reconcile import FamilyReconciler
from agentmemory.kube.resources import RESOURCES
from agentmemory.kube.resync import is_as_new
from agentmemory.settings import Settings
from agentmemory.tenants.reconcile import TenantReconciler
from tests.fakekafka import Call, FakeKafka
from tests.fakekube.clock import FakeClock
from tests.fakekube.cluster import FakeCluster
from tests.fakekube.fixture import World, as_key
from tests.fakekube.log import Event
from tests.fakekube.server import FakeKube
from tests.fakes3 import READS, FakeS3, FakeStores
from tests.fakes3 import Call as S3Call

from .effects import Effects
from .faults import Fault, Killed
from .machines import OPERATOR, Machines, bystanders, kafka_for, settle_bystanders
from .transport import Asked, Transport, answer_from
from .user import Kind

Object = dict[str, Any]
SOON = 12.0
"""Seconds in which everything that can go on does so: polls, backoffs. What is slower is asked for by the list."""
CONNECTIONS = "agentmemory.kube.session.Session"
RECONCILERS = (
    ClusterReconciler,
    PoolReconciler,
    BucketReconciler,
    TenantReconciler,
    FamilyReconciler,
    ClientReconciler,
)


class LocalApi:
    """Stands in for the library's ApiClient."""

    user_agent = ""

    def __init__(self, configuration: Any, transport: Transport) -> None:
        self.configuration = configuration
        self.rest_client = transport

    async def update_params_for_auth(self, *_: Any) -> None:
        """No credentials."""

    async def close(self) -> None:
        """Nothing to end."""


@dataclass
class LocalSession:
    """Stands in for the client's set of connections."""

    api: LocalApi
    calls: int = 0
    retired: bool = False


class Process(World):
    """The World with a fault between it and everything outside; a new process begins with lists."""

    def __init__(self, land: "Land") -> None:
        self.land = land
        self._watched = land.cluster.log.version  # how far the kubelets have seen
        super().__init__(FakeKube(land.cluster), land.clock, Settings())

    def _begin(self) -> None:
        log = self.cluster.log
        events, log.events = log.events, []  # World would replay them from the start
        try:
            with patch(CONNECTIONS, self._local_session):
                super()._begin()
        finally:
            log.events = events
        self.ctx.leading = self._may_write
        self.ctx.stores = FakeStores(self.land.s3)
        self._list()

    def _local_session(self, configuration: Any) -> "LocalSession":
        return LocalSession(LocalApi(configuration, Transport(self.cluster, self.land.line)))

    def _list(self) -> None:
        view, self._position = self.land.view()
        for key in sorted(view):
            if key.kind in self._selects and self._selects[key.kind](view[key]):
                self.feed.event(key.kind, None, view[key])

    def use(self, *factories: Any) -> None:
        """The first lists come after the reconcilers are there, as in a real process."""
        super().use(*factories)
        for obj in [obj for kind in self.reconcilers for obj in self.store.list(kind)]:
            self.queue.add(key_of(obj), Priority.RESYNC)

    def _may_write(self) -> bool:
        return self.land.fault.may_write()

    def pump(self) -> None:
        """Kubelets see all at once; the operator what the fault lets through."""
        while events := self.cluster.log.since(min(self._position, self._watched)):
            for event in events:
                if event.version > self._watched:
                    self._watched = event.version
                    self.land.saw(event)
                if event.version > self._position:
                    self._position = event.version
                    if event.kind in self._selects:
                        for brought in self.land.passed_on(event):
                            self.bring(brought)

    def bring(self, event: Event) -> None:
        """Hand an event to the store as the watch does, under its stream's selector."""
        selected = event.type != "DELETED" and self._selects[event.kind](event.obj)
        known = self.store.get(key_of(event.obj)) is not None
        if selected or known or event.type == "DELETED":
            self.feed.event(event.kind, event.type if selected else "DELETED", event.obj)

    async def relist(self) -> None:
        """The periodic resync: every list, compared with the store, and every object looked at."""
        self.pump()
        for kind, matches in self._selects.items():
            objs = [obj for obj in self.cluster.list(kind) if matches(obj)]
            self.feed.listed(kind, objs, str(self.cluster.log.version), self.clock.monotonic())
        for kind in self.reconcilers:
            for obj in self.store.list(kind):
                self.queue.add(key_of(obj), Priority.RESYNC)


@dataclass(frozen=True)
class Snapshot:
    """A land at rest."""

    cluster: FakeCluster
    clock: FakeClock
    kafka: FakeKafka
    s3: FakeS3
    disks: dict[str, str]
    formatted: list[tuple[str, str]]
    born: dict[str, str]
    lives: Counter[Key]
    elapsed: float


class Land:
    """See the module's head. `await Land.new("team")`, act as a user, `await land.settle()`."""

    def __init__(self, snapshot: Snapshot | None = None, kind: Kind = "team") -> None:
        self.clock = FakeClock()
        self.fault = Fault()
        self.killed = asyncio.Event()
        self.effects = Effects()
        self.born: dict[str, str] = {}
        """Uid of every object there ever was, to its key and the number of its life."""
        self.lives: Counter[Key] = Counter()
        self.writes: list[str] = []
        """Every write that the operator asked for, Leases apart."""
        self._old_view: tuple[dict[Key, Object], int] | None = None
        if snapshot is None:
            self.cluster = FakeCluster(self.clock.now, faithful=True)
            self.kafka = kafka_for(kind)
            self.s3 = FakeS3()
        else:
            self.clock.jump(snapshot.elapsed)
            self.cluster = copied(snapshot.cluster, snapshot.clock, self.clock)
            self.kafka = copy.deepcopy(snapshot.kafka)
            self.s3 = copy.deepcopy(snapshot.s3)
            self.born, self.lives = dict(snapshot.born), Counter(snapshot.lives)
        self.process = Process(self)
        self.machines = Machines(self.process, self.kafka)
        if snapshot is None:
            self.cluster.namespace(OPERATOR)
            settle_bystanders(self.cluster, self.kafka, self.s3)
        else:
            self.machines.disks, self.machines.formatted = dict(snapshot.disks), list(snapshot.formatted)
        self.kafka.before.append(self._before)
        self.kafka.after.append(self._after)
        self.s3.before.append(self._s3_before)
        self.s3.after.append(self._s3_after)
        self.process.kafka(self.machines.connections)
        self.process.use(*RECONCILERS)

    def snapshot(self) -> Snapshot:
        """A copy of everything outside the process."""
        hooks, self.kafka.before, self.kafka.after, self.kafka.calls = (self.kafka.before, self.kafka.after), [], [], []
        s3_hooks, self.s3.before, self.s3.after, self.s3.calls = (self.s3.before, self.s3.after), [], [], []
        try:
            return Snapshot(
                copied(self.cluster, self.clock, self.clock),
                self.clock,
                copy.deepcopy(self.kafka),
                copy.deepcopy(self.s3),
                dict(self.machines.disks),
                list(self.machines.formatted),
                dict(self.born),
                Counter(self.lives),
                self.clock.monotonic() - 1000.0,
            )
        finally:
            self.kafka.before, self.kafka.after = hooks
            self.s3.before, self.s3.after = s3_hooks

    # --- acting as a user (see user.py) ---

    async def put(self, *objs: Object) -> None:
        self.process.put(*copy.deepcopy(objs))

    async def edit(self, key: Key | str, patch_: Object) -> None:
        self.process.edit(key, patch_)

    async def delete(self, *keys: Key | str) -> None:
        for key in keys:
            self.process.delete(key)

    async def scale(self, key: Key | str, replicas: int) -> None:
        self.cluster.patch(as_key(key), {"spec": {"replicas": replicas}}, "scale")

    async def wait(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        await self._run(seconds)
        await self.clock.advance(max(0.0, end - self.clock.monotonic()))

    # --- running ---

    async def settle(self) -> None:
        """Until nothing more happens, the fault is over, a list has been compared, and nothing more happens again."""
        await self._run(SOON)
        await self._flush()
        if self.fault.lift():
            await self._restart()
            await self._run(SOON)
        self.fault.armed = False
        await self._flush()
        await self.process.relist()
        await self._run(SOON)
        await self._flush()

    async def warm_up(self) -> None:
        """The process looks at everything that is there."""
        await self._run(0.0)

    async def rest(self) -> None:
        """Another list and some time on."""
        await self.process.relist()
        await self._run(SOON)

    def arm(self, fault: Fault) -> None:
        """From here on this fault strikes; nothing has been counted yet."""
        self.process.pump()
        self.fault = fault
        fault.armed = True
        self.effects = Effects(self.kafka, self.s3)
        self._old_view = self._present()

    async def close(self) -> None:
        """The end."""
        await self.process.ctx.kube.close()

    def view(self) -> tuple[dict[Key, Object], int]:
        """What a process that starts now is shown, and since when events follow."""
        if self._is_blind() and not self.fault.stale_reads and self._old_view is not None:
            return self._old_view
        return self._present()

    def saw(self, event: Event) -> None:
        """Kubelets and the scribe see an event."""
        key, uid = key_of(event.obj), event.obj["metadata"]["uid"]
        if event.type == "ADDED":
            self.lives[key] += 1
            self.born[uid] = f"{'/'.join(key)}#{self.lives[key]}"
        self.effects.kube(event.type, key)
        self.machines.act(self.process, event.type, event.obj)

    def passed_on(self, event: Event) -> list[Event]:
        """What the operator's watch brings of an event."""
        if self._is_blind() and not self.fault.stale_reads:
            self.fault.held.append(event)
            return []
        return self.fault.deliver(event)

    async def line(self, asked: Asked, effect: Any) -> Object:
        """Between the process and the apiserver."""
        if self.killed.is_set():
            raise Killed
        if asked.is_write:
            self.writes.append(str(asked))
        if self._is_blind() and self.fault.stale_reads and not asked.is_write and self._old_view is not None:
            return answer_from(*self._old_view, asked)
        try:
            return await self.fault.kube(asked, effect)
        except Killed:
            self.killed.set()
            raise

    # --- inside ---

    def _present(self) -> tuple[dict[Key, Object], int]:
        log = self.cluster.log
        entries = {key: log.find(key) for key in log}
        return {key: entry.obj for key, entry in entries.items() if entry is not None}, log.version

    def _is_blind(self) -> bool:
        return self.fault.stale_start and self.fault.struck and self.fault.armed

    def _before(self, call: Call) -> Any:
        if self.killed.is_set():
            raise Killed
        if call.is_write:
            self.writes.append(str(call))
        return self.fault.kafka_before(call)

    def _after(self, call: Call) -> Any:
        if not self.effects.kafka(self.kafka) and call.method == "create_topics":
            self.writes.remove(str(call))  # refused: asked again at each look, in case that brokers have come
        try:
            return self.fault.kafka_after(call)
        except Killed:
            self.killed.set()
            raise

    def _s3_before(self, call: S3Call) -> OperatorError | None:
        if self.killed.is_set():
            raise Killed
        if call.name not in READS:
            self.writes.append(f"{call.name} {call.bucket}")
        return self.fault.s3_before(call)

    def _s3_after(self, call: S3Call) -> OperatorError | None:
        if call.name in READS:
            return None
        self.effects.s3(self.s3)
        try:
            return self.fault.s3_after(call)
        except Killed:
            self.killed.set()
            raise

    def _waits_for_lists(self) -> bool:
        """A new leader does not work while its lists are older than its Lease (`app.Process`, `Resync.catch_up`)."""
        if not self._is_blind() or self.fault.stale_reads or self._old_view is None:
            return False
        return not is_as_new(str(self._old_view[1]), str(self.cluster.log.version))

    async def _run(self, within: float) -> None:
        if self._waits_for_lists():
            return
        run = asyncio.create_task(self.process.run_until_quiet(within=within))
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
        await self._restart()
        await self._run(within)

    async def _restart(self) -> None:
        await self.process.restart()
        self.killed.clear()

    async def _flush(self) -> None:
        """Bring what was held back, until nothing is."""
        if self._is_blind():
            self.fault.armed = False  # from here on it sees everything
            await self._run(SOON)
        while held := self.fault.flush():
            for event in held:
                self.process.bring(event)
            await self._run(SOON)

    def objects(self) -> list[Object]:
        """Everything in the apiserver."""
        return [obj for kind in KINDS for obj in self.cluster.list(kind)]

    def outside(self) -> Object:
        """What is none of the operator's business."""
        return bystanders(self.cluster, self.kafka, self.s3)


def copied(cluster: FakeCluster, old: FakeClock, new: FakeClock) -> FakeCluster:
    """A cluster of its own under the new clock. Committed states are never changed in place, so they are shared."""
    log = cluster.log
    memo: dict[int, Any] = {id(old): new, id(log.events): []}
    for lane in map(log.lane, KINDS):
        memo[id(lane.events)] = []
        memo |= {id(entry): entry for entry in lane.entries.values()}
    return copy.deepcopy(cluster, memo)


KINDS = tuple(kind for kind in RESOURCES if kind not in ("Lease", "Node"))
