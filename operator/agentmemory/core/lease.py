"""The Lease of this process, kept by a thread of its own.

The thread has its own event loop and its own connection, so that work in the main loop never delays a renewal. The
other way round, a main loop that hangs must not keep the Lease for ever: it gives a heartbeat, and without one the
thread stops renewing. Loss is final: the process must end, another one (or the next start) takes over.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from agentmemory.core.clock import Clock, SystemClock
from agentmemory.core.elector import Elector, LeaseApi, LeaseRecord, Timing
from agentmemory.core.errors import OperatorError

__all__ = ["Lease", "LeaseApi", "LeaseLost", "LeaseRecord", "Timing"]

log = structlog.get_logger(__name__)

OpenApi = Callable[[], AbstractAsyncContextManager[LeaseApi]]


class LeaseLost(Exception):  # noqa: N818 - an order to end
    """This process led and does so no more."""


class Lease:
    """`start`, then await `acquired` and `lost`; `stop` releases. `held` may be asked from any thread."""

    def __init__(
        self, open_api: OpenApi, identity: str, clock: Clock | None = None, timing: Timing | None = None
    ) -> None:
        self._open_api = open_api
        self._identity = identity
        self._clock = clock or SystemClock()
        self._timing = timing or Timing()
        self._elector: Elector | None = None
        self._beat = self._clock.monotonic()
        self._thread: threading.Thread | None = None
        # The thread's loop while it runs, and what wakes it; `_lock` guards the three.
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._stopping = False
        self._main: asyncio.AbstractEventLoop | None = None
        self._acquired: asyncio.Future[None] | None = None
        self._lost: asyncio.Future[None] | None = None
        self._told = ""

    @property
    def held(self) -> bool:
        """Whether we may act as leader at this very moment."""
        return self._elector is not None and self._elector.held

    @property
    def taken_at(self) -> str:
        """Whatever another leader wrote is older than this resourceVersion; empty before this process leads."""
        return "" if self._elector is None else self._elector.taken_at

    async def run(self, on_acquired: Callable[[], None]) -> None:
        """Wait for the Lease, call `on_acquired`, then keep it until it is lost (raises LeaseLost) or `stop`."""
        self.start()
        heart = asyncio.create_task(self._heartbeat(), name="lease-heartbeat")
        try:
            await self.acquired()
            on_acquired()
            await self.lost()
        finally:
            heart.cancel()

    def start(self) -> None:
        """Start the thread. Call it in the main loop."""
        self._main = asyncio.get_running_loop()
        self._acquired, self._lost = self._main.create_future(), self._main.create_future()
        self.beat()
        self._thread = threading.Thread(target=self._thread_main, name="lease", daemon=True)
        self._thread.start()

    def beat(self) -> None:
        """The main loop lives."""
        self._beat = self._clock.monotonic()

    async def acquired(self) -> None:
        """Return when this process leads. Raises what ended the thread before that."""
        assert self._acquired is not None, "start() comes first"
        await asyncio.shield(self._acquired)

    async def lost(self) -> None:
        """Raise LeaseLost when this process leads no more; return when it was stopped."""
        assert self._lost is not None, "start() comes first"
        await asyncio.shield(self._lost)

    async def stop(self) -> None:
        """Release the Lease when it is held and end the thread. Takes at most one attempt's time limit."""
        if self._thread is None:
            return
        with self._lock:
            self._stopping = True
            if self._loop is not None and self._stop is not None:
                self._loop.call_soon_threadsafe(self._stop.set)
        await asyncio.to_thread(self._thread.join)
        self._thread = None

    async def _heartbeat(self) -> None:
        while True:
            self.beat()
            await self._clock.sleep(self._timing.deadline / 10)

    # --- in the thread ---

    def _thread_main(self) -> None:
        try:
            asyncio.run(self._keep())
        except BaseException as error:
            log.error("the lease's thread ended", error=str(error))
            self._tell(LeaseLost(f"the lease cannot be kept: {error}"))
        else:
            self._tell(None)

    async def _keep(self) -> None:
        stop = asyncio.Event()
        with self._lock:
            self._loop, self._stop = asyncio.get_running_loop(), stop
            if self._stopping:
                stop.set()
        try:
            async with self._open_api() as api:
                await self._lead(Elector(api, self._identity, self._clock, self._timing), stop)
        finally:
            with self._lock:
                self._loop = None

    async def _lead(self, elector: Elector, stop: asyncio.Event) -> None:
        self._elector = elector
        leading = False
        while not stop.is_set():
            await self._attempt(elector)
            if elector.held and not leading:
                leading = True
                log.info("leading", identity=self._identity)
                self._on_main(self._acquired, None)
            elif leading and not elector.held:
                raise LeaseLost("another process may lead from now on")
            await self._pause(stop)
        await self._release(elector)

    async def _attempt(self, elector: Elector) -> None:
        silent = self._clock.monotonic() - self._beat
        if silent > self._timing.deadline:
            log.error("the main loop hangs; the lease is not renewed", seconds=round(silent, 1))
            return
        try:
            await elector.attempt()
        except (OperatorError, TimeoutError) as error:
            self._complain(str(error) or "no answer in time", elector.held)
        else:
            self._told = ""

    def _complain(self, what: str, held: bool) -> None:
        if what != self._told:
            self._told = what
            log.warning("the lease was neither taken nor renewed", error=what, held=held)

    async def _pause(self, stop: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._timing.period):
                await stop.wait()
        except TimeoutError:
            return

    async def _release(self, elector: Elector) -> None:
        try:
            await elector.release()
        except (OperatorError, TimeoutError) as error:
            log.warning("the lease was not released; it expires", error=str(error) or type(error).__name__)

    def _tell(self, error: LeaseLost | None) -> None:
        self._on_main(self._lost, error)
        if error is not None:
            self._on_main(self._acquired, error)

    def _on_main(self, future: asyncio.Future[None] | None, error: BaseException | None) -> None:
        assert future is not None, "start() made it"
        assert self._main is not None, "start() set it"

        def settle() -> None:
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
                future.exception()  # nobody may be waiting for it

        if not self._main.is_closed():
            self._main.call_soon_threadsafe(settle)
