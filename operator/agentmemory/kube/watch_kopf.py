"""kopf as transport: its watch streams feed our store. The only module that imports kopf.

What is used of it: login, discovery, streams with reconnection. What is kept off: diffs, progress, finalizers,
annotations, Events, peering, daemons, timers, indices (see docs/adr/0005-kopf-as-transport.md).

kopf knows one list of namespaces for all kinds; so there is one kopf operator per list of namespaces.
"""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from os import sep
from pathlib import Path
from typing import Any, cast

import aiohttp
import kopf
import structlog
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from agentmemory.kube.connector import Connector
from agentmemory.kube.resources import RESOURCES, path
from agentmemory.kube.watch import OnEvent, OnStart, Target, WatchEnded

log = structlog.get_logger(__name__)

# The least pause between two logins (seconds).
RELOGIN = 5.0

# Where kopf's code is, to know its tasks by, and how often they are told to end.
KOPF_FOLDER = f"{Path(kopf.__file__).parent}{sep}"
ORPHAN_ROUNDS = 10

# An object with kopf's finalizer would be patched by kopf to take it off: so it must be one that nobody uses.
UNUSED_FINALIZER = "agentmemory.dev/never-set"


class NoDiffBase(kopf.DiffBaseStorage):
    """Nothing to compare with: changes are our store's business."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ARG002
        """No copy of the object."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002
        """Nothing was stored."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Nothing is stored."""


class NoProgress(kopf.ProgressStorage):
    """Handlers have no progress: the event handler only fills the store."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:  # noqa: ARG002
        """Nothing was stored."""
        return

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Nothing is stored."""

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Nothing is there."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Nothing is touched."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """The essence as it is."""
        return essence


class Backoffs:
    """1, 2, 4, 5, 5, ... seconds for ever: an apiserver that is away for long does not end the streams.

    Whether a stream is dead all the same is for the resync to find out.
    """

    def __iter__(self) -> Iterator[float]:
        yield from (1, 2, 4)
        while True:
            yield 5


class KopfWatch:
    """Implements kube.watch.Watch. `login` gives fresh credentials; `own_signals` puts our signal handlers back."""

    def __init__(
        self,
        login: Callable[[], Awaitable[Configuration]],
        own_signals: Callable[[], None] = lambda: None,
        agent: str = "agent-memory-operator",
    ) -> None:
        self._login = login
        self._own_signals = own_signals
        self._agent = agent

    async def run(self, targets: Sequence[Target], on_event: OnEvent, on_start: OnStart) -> None:
        """Stream until cancelled. Raises WatchEnded when a stream or a handler failed for good."""
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        tasks: set[asyncio.Task[Any]] = set()
        every: list[Sessions] = []
        try:
            for namespaces, kinds in _groups(targets).items():
                sessions = Sessions(self._login, self._agent, targets, on_start)
                every.append(sessions)
                tasks |= await self._spawn(namespaces, kinds, on_event, failed, sessions)
            await asyncio.wait({*tasks, failed}, return_when=asyncio.FIRST_COMPLETED)
            raise WatchEnded("WatchEnded", f"the watch ended: {_reason(tasks, failed)}")
        finally:
            failed.cancel()
            await _cancel(tasks, [one.settings for one in every])
            for sessions in every:
                await sessions.close()

    async def _spawn(
        self,
        namespaces: tuple[str, ...],
        kinds: list[Target],
        on_event: OnEvent,
        failed: asyncio.Future[None],
        sessions: "Sessions",
    ) -> set[asyncio.Task[Any]]:
        registry = kopf.OperatorRegistry()
        settings = sessions.settings
        kopf.on.login(registry=registry)(sessions.login)
        for target in kinds:
            _register(registry, settings, target, on_event, failed)
        spawned = await kopf.spawn_tasks(
            registry=registry,
            settings=settings,
            # kopf would make one of the user's name, and an image's numeric user has none; peering is off anyway.
            identity=cast(Any, self._agent),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
        )
        # kopf has taken SIGINT and SIGTERM for itself.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        self._own_signals()
        return {*spawned}


class Sessions:
    """One kopf operator: its settings, its sessions from our own configuration; hears of streams that start."""

    def __init__(
        self,
        login: Callable[[], Awaitable[Configuration]],
        agent: str,
        targets: Sequence[Target],
        on_start: OnStart,
    ) -> None:
        self._login = login
        self._agent = agent
        self._targets = {path(target.kind, target.namespace): target for target in targets}
        self._on_start = on_start
        self._last: float | None = None
        self._made: list[aiohttp.ClientSession] = []
        self.settings = _settings()

    async def close(self) -> None:
        """Close what kopf forgets: sessions whose credentials were refused, or that it was cancelled with."""
        for session in self._made:
            await session.close()

    async def login(self, **_: Any) -> kopf.AiohttpSession:
        """Called by kopf at the start, and whenever the apiserver refuses the credentials (a token that expired)."""
        loop = asyncio.get_running_loop()
        if self._last is not None and loop.time() - self._last < RELOGIN:
            log.warning("the apiserver refuses our credentials; reading them again", retry_in=RELOGIN)
            await asyncio.sleep(RELOGIN)
        self._last = loop.time()
        configuration = await self._login()
        headers = {"User-Agent": self._agent}
        if token := await configuration.get_api_key_with_prefix("BearerToken"):
            headers["Authorization"] = token
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._answered)
        session = aiohttp.ClientSession(
            connector=Connector(limit=0, ssl=RESTClientObject(configuration).ssl_context),
            headers=headers,
            trace_configs=[trace],
        )
        self._made = [made for made in self._made if not made.closed] + [session]
        return kopf.AiohttpSession(server=configuration.host, aiohttp_session=session)

    async def _answered(self, _: Any, __: Any, params: aiohttp.TraceRequestEndParams) -> None:
        if params.response.status == 200 and params.url.query.get("sendInitialEvents") == "true":
            self._on_start(self._targets[params.url.path], None)


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.scanning.disabled = True  # the kinds are there: the resync waited for them
    settings.watching.initial_streaming = True
    settings.queueing.idle_timeout = 0.1
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = Backoffs()
    settings.persistence.finalizer = UNUSED_FINALIZER
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.process.ultimate_exiting_timeout = None
    return settings


def _register(
    registry: kopf.OperatorRegistry,
    settings: kopf.OperatorSettings,
    target: Target,
    on_event: OnEvent,
    failed: asyncio.Future[None],
) -> None:
    resource = RESOURCES[target.kind]
    names = (resource.group, resource.version, resource.plural)
    if target.selector:
        settings.watching.label_selectors[names] = target.selector

    async def feed(event: kopf.RawEvent, **_: Any) -> None:
        try:
            on_event(target.kind, event["type"], dict(event["object"]))
        except Exception as error:
            # kopf would log it and go on with a store that is wrong.
            if not failed.done():
                failed.set_exception(error)

    kopf.on.event(*names, id=f"feed-{resource.plural}", registry=registry)(feed)


def _groups(targets: Sequence[Target]) -> dict[tuple[str, ...], list[Target]]:
    """Targets by the namespaces that they are bound to; () is all namespaces."""
    where: dict[Target, list[str]] = {}
    for target in targets:
        bound = where.setdefault(Target(target.kind, None, target.selector), [])
        if target.namespace is not None:
            bound.append(target.namespace)
    groups: dict[tuple[str, ...], list[Target]] = {}
    for target, namespaces in where.items():
        groups.setdefault(tuple(sorted(namespaces)), []).append(target)
    return groups


def _reason(tasks: set[asyncio.Task[Any]], failed: asyncio.Future[None]) -> str:
    for future in (failed, *tasks):
        if future.done() and not future.cancelled():
            error = future.exception()
            if error is not None:
                return f"{type(error).__name__}: {error}"
    return "one of its tasks returned"


async def _cancel(tasks: set[asyncio.Task[Any]], settings: Sequence[kopf.OperatorSettings]) -> None:
    # Not kopf.run_tasks: it would cancel every other task of the loop too, running reconciles among them.
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=10)
    tasks.clear()
    await _end_orphans(settings)
    await _close_generators()


async def _end_orphans(settings: Sequence[kopf.OperatorSettings]) -> None:
    # When one watcher of kopf fails for good the others stay behind, waiting for new credentials for ever; as they
    # swallow a cancellation the event loop could never be closed, and the process would not end.
    for _ in range(ORPHAN_ROUNDS):
        orphans = {task for task in asyncio.all_tasks() if _works_with(task.get_coro(), settings)}
        if not orphans:
            return
        for task in orphans:
            task.cancel()
        await asyncio.wait(orphans, timeout=0.5)


def _works_with(coroutine: Any, settings: Sequence[kopf.OperatorSettings]) -> bool:
    """Whether these settings are among the variables of a task: so one of kopf's is known to belong to this watch."""
    frame = getattr(coroutine, "cr_frame", None)
    if frame is None or not frame.f_code.co_filename.startswith(KOPF_FOLDER):
        return False
    values = [*frame.f_locals.values()]
    return any(value is one for value in values for one in settings) or any(
        _works_with(value, settings) for value in values if asyncio.iscoroutine(value)
    )


async def _close_generators() -> None:
    # kopf leaves its generators to the garbage collector, in cycles with tracebacks. Found by the loop's own shutdown,
    # outer and inner ones are closed at once and complain with a trace; found now, they close one after the other.
    gc.collect()
    await asyncio.sleep(0)  # the collector's hook makes a task of each `aclose()`
    closing = {task for task in asyncio.all_tasks() if type(task.get_coro()).__name__ == "async_generator_athrow"}
    if closing:
        await asyncio.wait(closing, timeout=5)
