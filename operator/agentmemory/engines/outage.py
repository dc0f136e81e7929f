"""A Kafka cluster that does not answer: told in the same words however long it takes, and its end met within seconds.

All that wait for one cluster retry at one common rate, however many they are; the first that gets through wakes the
others. So an outage costs next to nothing, and nobody waits for the next resync. While it lasts, one of them asks every
PAUSE seconds and the others are told at once what it met (Breaker): a call that hangs until its limit must not hold up
the workers that serve other clusters.
"""

from collections.abc import Callable

import structlog

from agentmemory.core.clock import Clock
from agentmemory.core.errors import OperatorError, Transient
from agentmemory.core.key import Key
from agentmemory.core.outcome import Again

log = structlog.get_logger(__name__)

# Seconds between two tries of one object when it waits alone.
PAUSE = 2.0
# Tries a second for one cluster, over all that wait for it.
RATE = 50.0
# What agentmemory.kafka calls a request without an answer.
LOST = frozenset({"KafkaTimedOut", "KafkaUnreachable", "KafkaConnectionClosed"})


class Unanswered(Transient):
    """A cluster cannot be asked at present. Reason and message are the same each time: a condition is written once."""

    def __init__(self, reason: str, message: str, cluster: Key) -> None:
        super().__init__(reason, message)
        self.cluster = cluster


def unanswered(cluster: Key, error: OperatorError) -> OperatorError:
    """The error as Unanswered when it stands for a missing answer, else the error itself."""
    if error.reason not in LOST:
        return error
    found = Unanswered(
        "KafkaUnavailable",
        f"Kafka of MemoryCluster {cluster.namespace}/{cluster.name} does not answer; it is asked again until it does",
        cluster,
    )
    found.__cause__ = error
    return found


class Breaker:
    """Lets one ask through every PAUSE seconds while a cluster does not answer (a circuit breaker, half open)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # cluster -> what was met, and from when on the next one may ask (monotonic seconds)
        self._out: dict[Key, tuple[Unanswered, float]] = {}

    def check(self, cluster: Key) -> None:
        """Raises what was met last, unless the cluster answers or it is time to ask again."""
        met = self._out.get(cluster)
        if met is None:
            return
        error, again_at = met
        now = self._clock.monotonic()
        if now < again_at:
            raise _copy(error)
        self._out[cluster] = (error, now + PAUSE)

    def met(self, error: Unanswered) -> None:
        """There was no answer."""
        self._out[error.cluster] = (error, self._clock.monotonic() + PAUSE)

    def passed(self, cluster: Key) -> None:
        """There was one."""
        self._out.pop(cluster, None)


def _copy(error: Unanswered) -> Unanswered:
    copy = Unanswered(error.reason, error.message, error.cluster)
    copy.__cause__ = error.__cause__
    return copy


class Outages:
    """The objects of one kind that wait, by cluster."""

    def __init__(self, enqueue: Callable[[Key, float], None]) -> None:
        self._enqueue = enqueue
        self._waiting: dict[Key, set[Key]] = {}

    def wait(self, key: Key, error: Unanswered) -> Again:
        """`key` met no answer."""
        waiting = self._waiting.setdefault(error.cluster, set())
        if not waiting:
            log.warning("kafka does not answer", cluster=str(error.cluster), why=str(error.__cause__ or error))
        waiting.add(key)
        return Again(max(PAUSE, len(waiting) / RATE), error.reason)

    def over(self, cluster: Key) -> None:
        """The cluster answered somebody."""
        waiting = self._waiting.pop(cluster, None)
        if waiting is None:
            return
        log.info("kafka answers again", cluster=str(cluster), waited=len(waiting))
        for key in waiting:
            self._enqueue(key, 0.0)
