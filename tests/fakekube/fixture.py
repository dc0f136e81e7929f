"""`World`: a fake cluster, a Context, and reconcilers driven step by step. For the tests of every kind.

How to use it (in tests/<package>/test_reconcile.py; the fixture `world` comes from tests/<package>/conftest.py, which
says `from tests.fakekube.fixture import world` and `__all__ = ["world"]`):

    from agentmemory.families.reconcile import FamilyReconciler
    from tests.fakekube.fixture import World

    async def test_family_becomes_ready(world: World) -> None:
        world.kafka(FakeKafka())                       # whatever stands in for KafkaPool in ctx.kafka
        world.use(FamilyReconciler)                    # constructors that take the Context
        world.put(TENANT, FAMILY)                      # as a user would: creates or merges; makes the namespace
        await world.run_until_quiet()                  # until no key is due; returns the number of reconciles
        assert world.condition("TopicFamily/support-agents/tool-calls", "Ready")["status"] == "True"

        world.fake.requests.clear()
        await world.resync()                           # every object again, with nothing changed
        assert world.fake.requests.writes() == []

Time stands still (FakeClock); `run_until_quiet(within=30)` also runs what becomes due in the next 30 seconds of it.
Events reach the store only between two reconciles, so runs are deterministic. To act as a kubelet or another
controller, add an actor: it is called for each event, with (world, type, object), and may change `world.cluster`:

    world.actors.append(kubelet)                       # from here: pods become ready, claims bound
    world.cluster.set_status(key, {...})               # straight into the server, from any test

Faults: `world.fake.faults.before.append(lambda request: 500 if request.verb == "create" else None)`, `.after` (the
effect stays, the answer is replaced; raise Drop to cut the connection), `.events`. `world.fake.requests` lists every
request; `.writes()`, `.of("get", "Pod")` select. Crash: `world.die_after(k)` lets k writes through and loses the answer
of the last; then `await world.restart()` and go on.
"""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agentmemory.context import Context
from agentmemory.core.backoff import Backoff
from agentmemory.core.feed import Feed
from agentmemory.core.key import Key, key_of
from agentmemory.core.queue import KeyedQueue, Priority
from agentmemory.core.router import Reconciler, Router
from agentmemory.core.store import Store
from agentmemory.core.workers import Workers
from agentmemory.kube.client import KubeClient
from agentmemory.kube.watch import targets
from agentmemory.settings import Settings

from .client import configuration_for
from .clock import FakeClock
from .cluster import FakeCluster
from .requests import Drop, Request
from .selectors import matcher
from .server import FakeKube

Object = dict[str, Any]
Actor = Callable[["World", str, Object], None]
Factory = Callable[[Context], Reconciler]

MAX_STEPS = 2_000


class World:
    """See the module's head. Open with `World.open()` or the `world` fixture."""

    def __init__(self, fake: FakeKube, clock: FakeClock, settings: Settings) -> None:
        self.fake = fake
        self.clock = clock
        self.settings = settings
        self.actors: list[Actor] = []
        self._factories: tuple[Factory, ...] = ()
        self._kafka: Any = None
        self._dead = False
        self._begin()

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings | None = None) -> AsyncIterator["World"]:
        """A world with an empty cluster."""
        clock = FakeClock()
        async with FakeKube(FakeCluster(clock.now)) as fake:
            world = cls(fake, clock, settings or Settings())
            try:
                yield world
            finally:
                await world.ctx.kube.close()

    @property
    def cluster(self) -> FakeCluster:
        """The server's state, for acting as somebody else and for looking."""
        return self.fake.cluster

    def kafka(self, pool: Any) -> None:
        """What `ctx.kafka` is."""
        self._kafka = self.ctx.kafka = pool

    def use(self, *factories: Factory) -> None:
        """Build these reconcilers with the Context; those used before go."""
        self._factories = factories
        self.reconcilers.clear()
        for factory in factories:
            reconciler = factory(self.ctx)
            self.reconcilers[reconciler.kind] = reconciler

    # --- acting as a user ---

    def put(self, *objs: Object) -> None:
        """Create each object, or merge it over the one that is there; creates the namespace."""
        for obj in objs:
            self.cluster.put(obj)

    def edit(self, key: Key | str, patch: Object) -> Object:
        """Merge patch, as `kubectl patch --type merge`."""
        return self.cluster.patch(as_key(key), patch)

    def delete(self, key: Key | str) -> None:
        """As `kubectl delete --wait=false`."""
        self.cluster.delete(as_key(key))

    def get(self, key: Key | str) -> Object:
        """The object in the server. Raises ApiError 404."""
        return self.cluster.get(as_key(key))

    def find(self, key: Key | str) -> Object | None:
        """The object in the server, or None."""
        return self.cluster.find(as_key(key))

    def condition(self, key: Key | str, type_: str = "Ready") -> Object:
        """One condition of an object; {} when it has none of that type."""
        conditions = (self.get(key).get("status") or {}).get("conditions") or []
        return next((condition for condition in conditions if condition["type"] == type_), {})

    # --- running ---

    def pump(self) -> None:
        """Deliver all events so far to the actors and the store."""
        while events := self.cluster.log.since(self._position):
            for event in events:
                self._position = event.version
                for actor in self.actors:
                    actor(self, event.type, event.obj)
                if event.kind in self._selects:
                    selected = event.type != "DELETED" and self._selects[event.kind](event.obj)
                    self.feed.event(event.kind, event.type if selected else "DELETED", event.obj)

    async def run_until_quiet(self, within: float = 0.0, limit: int = MAX_STEPS) -> int:
        """Reconcile until no key is due within `within` seconds of fake time; the number of reconciles.

        Fails after `limit` of them: a reconcile that wakes itself for ever.
        """
        end = self.clock.monotonic() + within
        steps = 0
        self.pump()
        while await self._next_due(end):
            key = await self.queue.get()
            assert steps < limit, f"not quiet after {limit} reconciles; next: {key}"
            await self.workers.step(key)
            steps += 1
            self.pump()
        return steps

    async def resync(self, within: float = 0.0) -> int:
        """Ask for every object of the used kinds again, as the periodic resync does, and run until quiet."""
        self.pump()
        for kind in self.reconcilers:
            for obj in self.store.list(kind):
                self.queue.add(key_of(obj), Priority.RESYNC)
        return await self.run_until_quiet(within)

    def die_after(self, writes: int) -> None:
        """Let so many writes of the operator take effect, lose the last one's answer, and let none follow."""
        counter = itertools.count(1)

        def hook(request: Request) -> None:
            if request.is_write and next(counter) == writes:
                self._dead = True
                raise Drop

        self.fake.faults.after.append(hook)

    @property
    def dead(self) -> bool:
        """Whether `die_after` has struck."""
        return self._dead

    async def restart(self) -> None:
        """A new process: everything in memory is gone, faults too; objects are listed anew."""
        await self.ctx.kube.close()
        self.fake.faults.clear()
        self._dead = False
        self._begin()
        self.use(*self._factories)

    async def _next_due(self, end: float) -> bool:
        while not self.queue.due():
            due = self.queue.next_due()
            if due is None or due > end:
                return False
            await self.clock.advance(due - self.clock.monotonic())
            self.pump()
        return True

    def _begin(self) -> None:
        self.store = Store()
        self.queue = KeyedQueue(self.clock, Backoff(jitter=0.0))
        self.reconcilers: dict[str, Reconciler] = {}
        self.workers = Workers(self.queue, self.reconcilers)
        self.feed = Feed(self.store)
        self.store.listen(Router(self.store, self.queue, self.reconcilers))
        self.ctx = Context(
            store=self.store,
            kube=KubeClient(configuration_for(self.fake.url), manager=self.settings.manager, guard=self._may_write),
            kafka=self._kafka,
            clock=self.clock,
            settings=self.settings,
            enqueue=lambda key, after: self.queue.add(key, Priority.CHILD, after),
        )
        self._selects = {target.kind: matcher(target.selector) for target in targets(self.settings.role)}
        # A new process sees what exists as if it had just been made.
        self._position = 0
        for kind in self._selects:
            self.store.mark_synced(kind)
        if self.cluster.log.events and self.cluster.log.events[0].version > 101:
            raise AssertionError("the event log was compacted: the world replays it from the start")

    def _may_write(self) -> bool:
        return not self._dead


def as_key(key: Key | str) -> Key:
    """`Kind/namespace/name` as a Key."""
    return key if isinstance(key, Key) else Key(*key.split("/", 2))


def kubelet(world: World, type_: str, obj: Object) -> None:
    """An actor: every new pod runs and is ready at once, every claim is bound."""
    if type_ != "ADDED":
        return
    key = key_of(obj)
    if key.kind == "Pod":
        world.cluster.set_status(key, running(obj))
    elif key.kind == "PersistentVolumeClaim":
        world.cluster.set_status(key, {"phase": "Bound"})


def running(pod: Object, ready: bool = True) -> Object:
    """The status of a pod whose containers run."""
    containers = [
        {"name": container["name"], "ready": ready, "restartCount": 0, "state": {"running": {}}}
        for container in pod["spec"].get("containers", ())
    ]
    return {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        "containerStatuses": containers,
    }


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A World in which the platform's and the tenant's kinds are watched."""
    async with World.open() as opened:
        yield opened
