"""The process: watch, resync, lease and workers in one TaskGroup; the first of them to die ends it.

start ──► rights and CRDs are there (retried) ──► watch, lists ──► ready, standby ──► Lease ──► queue opens
SIGTERM ─► queue closes ──► running reconciles end (bounded) ──► watch stops ──► Lease released ──► exit 0
"""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import structlog
from kubernetes.aio.client import Configuration

from agentmemory import logs, wiring
from agentmemory.context import Context
from agentmemory.core.clock import Clock, SystemClock
from agentmemory.core.errors import Invalid, OperatorError
from agentmemory.core.feed import Feed
from agentmemory.core.lease import Lease, LeaseLost, Timing
from agentmemory.core.metrics import Metrics
from agentmemory.core.queue import KeyedQueue, Priority
from agentmemory.core.router import Reconciler, Router
from agentmemory.core.store import Store
from agentmemory.core.workers import Workers
from agentmemory.kube import config, leases
from agentmemory.kube.client import KubeClient
from agentmemory.kube.resync import Pace, Resync
from agentmemory.kube.watch import Watch, targets
from agentmemory.kube.watch_list import ListWatch
from agentmemory.objectstore.endpoints import Rules, kubernetes_addresses
from agentmemory.objectstore.pool import StorePool
from agentmemory.objectstore.store import Stores
from agentmemory.settings import Settings, from_environment
from agentmemory.version import VERSION
from agentmemory.web import application, serve

log = structlog.get_logger(__name__)

# Objects are parsed JSON: many containers and no cycles, of which the default (700, 10, 10) looks for far too often.
COLLECT = (50_000, 20, 20)

Login = Callable[[], Awaitable[Configuration]]


@dataclass
class Process:
    """All parts of one process. `login` gives fresh credentials each time it is called."""

    settings: Settings
    login: Login
    build: wiring.Build = wiring.build
    kafka: Any = None
    stores: Stores | None = None
    watch: Watch | None = None
    timing: Timing = field(default_factory=Timing)
    pace: Pace | None = None
    clock: Clock = field(default_factory=SystemClock)
    metrics: Metrics = field(default_factory=Metrics)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    def __post_init__(self) -> None:
        self.store = Store()
        self.queue = KeyedQueue(self.clock, opened=False)
        self.reconcilers: dict[str, Reconciler] = {}
        self.feed = Feed(self.store, self.metrics)
        self.targets = targets(self.settings.role, self.settings.cluster_namespaces)
        self.lease = self._make_lease() if self.settings.lease else None
        self._resync: Resync | None = None

    async def run(self) -> None:
        """Run until `stopping` is set (returns) or a part fails (raises an ExceptionGroup or an OperatorError)."""
        async with AsyncExitStack() as stack:
            app = application(self.metrics, self._waiting_for)
            self.port = await stack.enter_async_context(serve(app, self.settings.port))
            kube = await stack.enter_async_context(await self._connect(guard=self._leading))
            stack.push_async_callback(self._stop_lease)
            resync = self._resync = self._assemble(kube, stack)
            self._publish()
            available = asyncio.create_task(resync.available(), name="available")
            if await _either(available, self.stopping):
                await self._work(resync)

    def install_signals(self) -> None:
        """SIGTERM and SIGINT ask for a graceful stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)

    async def _work(self, resync: Resync) -> None:
        watch = self.watch or self._make_watch()
        workers = Workers(self.queue, self.reconcilers, self.metrics, self.settings.concurrency)
        async with asyncio.TaskGroup() as group:
            working = group.create_task(workers.run(), name="workers")
            background = [
                group.create_task(watch.run(self.targets, self.feed.event, resync.started), name="watch"),
                group.create_task(resync.run(), name="resync"),
                group.create_task(self._lead(resync), name="lease"),
            ]
            group.create_task(self._stop(working, background), name="stop")

    def _make_watch(self) -> Watch:
        if self.settings.watch == "list":
            return ListWatch(self._connect)
        from agentmemory.kube.watch_kopf import KopfWatch  # its imports cost 30 MB

        return KopfWatch(self.login, self.install_signals, f"{self.settings.manager}/{VERSION}")

    async def _lead(self, resync: Resync) -> None:
        await resync.synced.wait()
        if self.lease is None:
            self._open()
            return
        taken = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._begin(taken, resync, self.lease), name="begin")
            group.create_task(self.lease.run(taken.set), name="keep-lease")

    async def _begin(self, taken: asyncio.Event, resync: Resync, lease: Lease) -> None:
        """Work once all that the leader before us wrote has come in."""
        await taken.wait()
        await resync.catch_up(lease.taken_at)
        self._open()

    def _open(self) -> None:
        # What came in so far stays: the collector need not walk ten thousand families again and again.
        gc.collect()
        gc.freeze()
        log.info("working", role=self.settings.role, waiting=len(self.queue))
        self.queue.open()

    async def _stop(self, working: asyncio.Task[None], background: list[asyncio.Task[None]]) -> None:
        await self.stopping.wait()
        log.info("stopping", running=self.queue.running)
        self.queue.close()
        _, late = await asyncio.wait({working}, timeout=self.settings.stop_limit)
        if late:
            log.warning("reconciles were cut off", running=self.queue.running, limit=self.settings.stop_limit)
        for task in (working, *background):
            task.cancel()

    def _assemble(self, kube: KubeClient, stack: AsyncExitStack) -> Resync:
        if self.kafka is None:
            from agentmemory.kafka.connection import KafkaPool  # heavy, and not needed to fail early

            self.kafka = KafkaPool()
        stack.push_async_callback(self.kafka.close)
        if self.stores is None:
            self.stores = StorePool(Rules(frozenset(self.settings.s3_allow_hosts), kubernetes_addresses()))
        stack.push_async_callback(self.stores.close)
        context = Context(
            store=self.store,
            kube=kube,
            kafka=self.kafka,
            clock=self.clock,
            settings=self.settings,
            enqueue=lambda key, after: self.queue.add(key, Priority.CHILD, after),
            leading=self._leading,
            awaited=self.queue.is_awaited,
            stores=self.stores,
        )
        self.reconcilers.update((one.kind, one) for one in self.build(self.settings.role, context))
        self.store.listen(Router(self.store, self.queue, self.reconcilers, self.metrics))
        pace = self.pace or Pace(interval=self.settings.resync)
        return Resync(kube, self.feed, self.queue, self.targets, frozenset(self.reconcilers), self.clock, pace)

    def _waiting_for(self) -> str | None:
        """What readiness waits for; None when ready (a standby is ready too)."""
        if self.stopping.is_set():
            return "the end"
        if self._resync is None:
            return "the start"
        return self._resync.waiting_for()

    def _leading(self) -> bool:
        return self.lease is None or self.lease.held

    async def _connect(self, guard: Callable[[], bool] = lambda: True) -> KubeClient:
        manager, login = self.settings.manager, self.login
        return KubeClient(await login(), manager=manager, metrics=self.metrics, guard=guard, login=login)

    def _make_lease(self) -> Lease:
        name, namespace = self.settings.manager, self.settings.namespace
        # A restarted container keeps its pod's name, so the name alone is no identity.
        identity = f"{self.settings.pod_name}_{uuid4().hex[:8]}"
        return Lease(leases.opener(self._connect, namespace, name, self.clock), identity, self.clock, self.timing)

    async def _stop_lease(self) -> None:
        if self.lease is not None:
            await self.lease.stop()

    def _publish(self) -> None:
        gauge = self.metrics.gauge
        gauge("queue_depth", "Keys that could be reconciled now.", lambda: self.queue.ready)
        gauge("queue_delayed", "Keys that wait for their time.", lambda: len(self.queue) - self.queue.ready)
        gauge("queue_oldest_seconds", "How long the oldest ready key has waited.", self.queue.oldest_age)
        gauge("reconciles_running", "Reconciles at this moment.", lambda: self.queue.running)
        gauge("lease_held", "1 when this process leads.", lambda: float(self._leading()))


async def _either(task: asyncio.Task[None], event: asyncio.Event) -> bool:
    """True when the task ended first (its error is raised), False when the event came first (it is cancelled)."""
    waiter = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        task.result()
        return True
    finally:
        for one in (task, waiter):
            one.cancel()
        await asyncio.gather(task, waiter, return_exceptions=True)


async def main(environ: Mapping[str, str], role: str | None = None) -> int:
    """The process's life; returns its exit code: 0 stopped, 1 a part died (start anew), 2 it cannot start as it is."""
    try:
        logs.configure(environ.get("AGENTMEMORY_LOG_LEVEL", "info"))
        gc.set_threshold(*COLLECT)
        settings = from_environment(environ, role)
        process = Process(settings, lambda: config.load(environ))
        process.install_signals()
        log.info("starting", role=settings.role, version=VERSION, resync=settings.resync)
        await process.run()
    except Invalid as error:
        print(f"error: {error.message}", file=sys.stderr)  # noqa: T201 - before anything else can tell it
        return 2
    except Exception as error:
        _tell(error)
        return 1
    log.info("stopped")
    return 0


def _tell(error: BaseException) -> None:
    """What ended the process: our own errors in one line, anything else with its trace."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            _tell(inner)
    elif isinstance(error, LeaseLost):
        log.error("the lease was lost", message=str(error))
    elif isinstance(error, OperatorError):
        log.error("the process ends", reason=error.reason, message=error.message)
    else:
        log.error("the process ends", error=str(error), exc_info=error)
