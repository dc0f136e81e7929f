"""The workers: take a key, reconcile it, turn what came out into what happens next."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from agentmemory.core.errors import Conflict, Denied, Invalid, OperatorError, Transient
from agentmemory.core.key import Key
from agentmemory.core.metrics import Metrics
from agentmemory.core.outcome import Again, Outcome
from agentmemory.core.queue import Closed, KeyedQueue, Priority
from agentmemory.core.router import CURRENT, URGENT, Reconciler

__all__ = ["Reconciler", "Workers", "work"]

log = structlog.get_logger(__name__)

# Rights and ownership are put right by people: no need to ask more often (seconds).
SLOW_RETRY = 60.0
# A reconcile that takes longer is cut off and tried again, so that it cannot hold a worker for ever (seconds).
TIME_LIMIT = 300.0


# One more worker to so many takes nothing but what a user asked for: it is free while the others replay.
KEPT_FREE = 4


@dataclass
class Workers:
    """`concurrency` reconciles at once over one queue, and a quarter of that beside them for users' edits alone."""

    queue: KeyedQueue
    reconcilers: Mapping[str, Reconciler]
    metrics: Metrics = field(default_factory=Metrics)
    concurrency: int = 16
    time_limit: float = TIME_LIMIT
    # The last error logged per key: the same one is not logged again until it changes or goes away.
    _told: dict[Key, tuple[str, str]] = field(default_factory=dict)

    async def run(self) -> None:
        """Work until the queue is closed; running reconciles are ended first."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.concurrency):
                group.create_task(self._worker(Priority.RESYNC), name=f"worker-{number}")
            for number in range(max(1, self.concurrency // KEPT_FREE)):
                group.create_task(self._worker(Priority.USER), name=f"worker-user-{number}")

    async def _worker(self, least: Priority) -> None:
        while True:
            try:
                key = await self.queue.get(least)
            except Closed:
                return
            await self.step(key)

    async def step(self, key: Key) -> None:
        """Reconcile one key that was taken from the queue and give it back."""
        started = time.perf_counter()
        CURRENT.set(key)
        URGENT.set(self.queue.is_urgent(key))
        try:
            outcome = await self._reconcile(key)
        except OperatorError as error:
            result = self._failed(key, error)
        except Exception as error:
            result = self._broke(key, error)
        except BaseException:
            self.queue.done(key)  # cancelled: the process is going down
            raise
        else:
            result = self._ended(key, outcome)
        finally:
            CURRENT.set(None)
        self.metrics.reconciles.labels(key.kind, result).inc()
        self.metrics.reconcile_seconds.labels(key.kind).observe(time.perf_counter() - started)

    async def _reconcile(self, key: Key) -> Outcome:
        try:
            async with asyncio.timeout(self.time_limit) as limit:
                return await self.reconcilers[key.kind].reconcile(key)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Transient("TimedOut", f"reconciling {key} took longer than {self.time_limit:g} s") from error

    def _ended(self, key: Key, outcome: Outcome) -> str:
        if self._told.pop(key, None) is not None:
            log.info("recovered", key=str(key))
        if isinstance(outcome, Again):
            self.queue.again(key, outcome.after)
            log.debug("again", key=str(key), after=outcome.after, why=outcome.why)
            return "again"
        self.queue.done(key)
        return "done"

    def _failed(self, key: Key, error: OperatorError) -> str:
        delay: float | None = None
        match error:
            case Invalid():
                result = "invalid"
                self.queue.done(key)
            case Denied() | Conflict():
                result = "denied" if isinstance(error, Denied) else "conflict"
                delay = self.queue.retry(key, SLOW_RETRY)
            case Transient():
                result = "transient"
                delay = self.queue.retry(key, error.retry_after)
            case _:
                return self._broke(key, error)
        if self._is_news(key, error.reason, error.message):
            log.warning(result, key=str(key), reason=error.reason, message=error.message, retry_in=delay)
        return result

    def _broke(self, key: Key, error: Exception) -> str:
        delay = self.queue.retry(key)
        if self._is_news(key, type(error).__name__, ""):
            log.error("bug", key=str(key), error=str(error), retry_in=delay, exc_info=error)
        return "bug"

    def _is_news(self, key: Key, kind: str, message: str) -> bool:
        signature = (kind, message)
        if self._told.get(key) == signature:
            return False
        self._told[key] = signature
        return True


async def work(
    queue: KeyedQueue,
    reconcilers: Mapping[str, Reconciler],
    *,
    metrics: Metrics | None = None,
    concurrency: int = 16,
    time_limit: float = TIME_LIMIT,
) -> None:
    """Run workers until the queue is closed. See Workers."""
    await Workers(queue, reconcilers, metrics or Metrics(), concurrency, time_limit).run()
