"""One fault: it stands between the operator and everything outside, and counts what passes.

`Fault` itself lets everything through: the reference run. Subclasses strike once, at their k-th occasion; `struck` says
whether there was one, so that a suite goes through every k until a run has fewer occasions than k.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from agentmemory.core.errors import OperatorError, Transient
from tests.fakekafka import Call, timed_out
from tests.fakekube.answers import ApiError, status
from tests.fakekube.log import Event
from tests.fakes3 import Call as S3Call

from .transport import Asked, cut

Object = dict[str, Any]


class Killed(asyncio.CancelledError):
    """The process ends here and now."""


class Fault:
    """Nothing strikes."""

    stale_reads = False
    """Whether what a restarted process asks for itself is answered from the old view."""
    stale_start = False
    """Whether a restarted process begins with the view of the step's beginning."""

    def __init__(self, k: int = 0) -> None:
        self.k = k
        self.struck = False
        self.armed = False
        self.counts: dict[str, int] = {}
        self.held: list[Event] = []

    def occasion(self, what: str) -> bool:
        """Count one; True when it is the k-th."""
        if not self.armed:
            return False
        self.counts[what] = self.counts.get(what, 0) + 1
        if self.counts[what] != self.k:
            return False
        self.struck = True
        return True

    def lift(self) -> bool:
        """The fault is over; True when the process has to be started anew."""
        return False

    def may_write(self) -> bool:
        """Whether the process holds its Lease."""
        return True

    async def kube(self, asked: Asked, effect: Callable[[], Object]) -> Object:
        """A call to Kubernetes."""
        return effect()

    def kafka_before(self, call: Call) -> OperatorError | None:
        """An error: the call has no effect."""
        return None

    def kafka_after(self, call: Call) -> OperatorError | None:
        """An error: the effect stays and the answer is lost. Of writes only."""
        return None

    def s3_before(self, call: S3Call) -> OperatorError | None:
        """An error: the call has no effect."""
        return None

    def s3_after(self, call: S3Call) -> OperatorError | None:
        """An error: the effect stays and the answer is lost. Of writes only."""
        return None

    def deliver(self, event: Event) -> list[Event]:
        """What the watch brings when this happens."""
        return [event]

    def flush(self) -> list[Event]:
        """What it brings once everything else is quiet."""
        held, self.held = self.held, []
        return held


class Crash(Fault):
    """The process is killed after its k-th write, wherever it goes to: the answer never comes."""

    async def kube(self, asked: Asked, effect: Callable[[], Object]) -> Object:
        try:
            return effect()
        finally:
            if asked.is_write and self.occasion("write"):
                raise Killed

    def kafka_after(self, call: Call) -> OperatorError | None:
        if self.occasion("write"):
            raise Killed
        return None

    def s3_after(self, call: S3Call) -> OperatorError | None:
        if self.occasion("write"):
            raise Killed
        return None


class Off(Fault):
    """The process is down while the user acts, and comes up afterwards (k = 1)."""

    def may_write(self) -> bool:
        return not self.armed or self.k > 1

    def deliver(self, event: Event) -> list[Event]:
        if self.armed and self.k == 1:
            self.struck = True
            return []
        return [event]

    def lift(self) -> bool:
        over, self.armed = self.struck, False
        return over


class StaleStart(Crash):
    """As Crash, and the new process's lists and watches show the step's beginning; it must wait until they do not."""

    stale_start = True


class StaleReads(StaleStart):
    """As Crash, and the new process's own reads show the step's beginning: an apiserver behind a cache of its own."""

    stale_reads = True


class LeaseLost(Fault):
    """At the k-th write the guard says no, and from then on; then another process leads."""

    lost = False

    def may_write(self) -> bool:
        if self.occasion("question"):
            self.lost = True
        return not self.lost

    def lift(self) -> bool:
        lost, self.lost = self.lost, False
        return lost


class AnswerLost(Fault):
    """The k-th write to Kubernetes takes effect and its answer is lost; the process goes on."""

    async def kube(self, asked: Asked, effect: Callable[[], Object]) -> Object:
        if asked.is_write and self.occasion("write"):
            with suppress(ApiError):  # a refusal is lost all the same
                effect()
            raise cut()
        return effect()


class CallCut(Fault):
    """The k-th call to Kubernetes, whatever it is, never arrives."""

    async def kube(self, asked: Asked, effect: Callable[[], Object]) -> Object:
        if self.occasion("call"):
            raise cut()
        return effect()


class Busy(Fault):
    """Every (k + 1)-th call to Kubernetes is answered 429 or 503, as long as the step goes on."""

    over = False
    calls = 0

    async def kube(self, asked: Asked, effect: Callable[[], Object]) -> Object:
        if self.armed:
            self.calls += 1
        if self.armed and not self.over and self.k < 4 and self.calls % (self.k + 1) == 0:
            self.struck = True
            code = 429 if self.calls % 2 else 503
            raise ApiError(code, "injected", details=status(code, "injected").get("details"))
        return effect()

    def lift(self) -> bool:
        self.over = True
        return False


class KafkaTimeout(Fault):
    """The k-th write to Kafka takes effect and its answer does not come."""

    def kafka_after(self, call: Call) -> OperatorError | None:
        return timed_out(call.method) if self.occasion("write") else None


class KafkaCut(Fault):
    """The k-th call to Kafka, whatever it is, has no effect and no answer."""

    def kafka_before(self, call: Call) -> OperatorError | None:
        return timed_out(call.method) if self.occasion("call") else None


class S3Timeout(Fault):
    """The k-th write to object storage takes effect and its answer does not come."""

    def s3_after(self, call: S3Call) -> OperatorError | None:
        return no_answer(call) if self.occasion("write") else None


class S3Cut(Fault):
    """The k-th call to object storage, whatever it is, has no effect and no answer."""

    def s3_before(self, call: S3Call) -> OperatorError | None:
        return no_answer(call) if self.occasion("call") else None


def no_answer(call: S3Call) -> Transient:
    """What comes of a call that nobody answers."""
    return Transient("NoAnswer", f"{call.name} on bucket {call.bucket}: the server does not answer; it is tried again")


class Dropped(Fault):
    """The k-th event never comes: the next list repairs it."""

    def deliver(self, event: Event) -> list[Event]:
        return [] if self.occasion("event") else [event]


class Doubled(Fault):
    """The k-th event comes twice, the second time after all others."""

    def deliver(self, event: Event) -> list[Event]:
        if self.occasion("event"):
            self.held.append(event)
            return [event, event]
        return [event]


class Delayed(Fault):
    """The k-th event comes when everything else is quiet."""

    def deliver(self, event: Event) -> list[Event]:
        if self.occasion("event"):
            self.held.append(event)
            return []
        return [event]


class Swapped(Fault):
    """The k-th event comes after the one that follows it."""

    def deliver(self, event: Event) -> list[Event]:
        if self.occasion("event"):
            self.held.append(event)
            return []
        return [event, *self.flush()]


class Slow(Fault):
    """Events come only when the process has nothing left to do (k = 1); the newest first (k = 2)."""

    over = False

    def deliver(self, event: Event) -> list[Event]:
        if not self.armed or self.over or self.k > 2:
            return [event]
        self.struck = True
        self.held.append(event)
        return []

    def flush(self) -> list[Event]:
        held = super().flush()
        return held if self.k == 1 else held[::-1]

    def lift(self) -> bool:
        self.over = True
        return False


class Deaf(Fault):
    """No event comes at all: there are only the lists (k = 1)."""

    over = False

    def deliver(self, event: Event) -> list[Event]:
        if not self.armed or self.over or self.k > 1:
            return [event]
        self.struck = True
        return []

    def lift(self) -> bool:
        self.over = True
        return False


FAULTS: dict[str, type[Fault]] = {
    "crash": Crash,
    "off": Off,
    "stale-start": StaleStart,
    "stale-reads": StaleReads,
    "lease": LeaseLost,
    "answer-lost": AnswerLost,
    "call-cut": CallCut,
    "busy": Busy,
    "kafka-timeout": KafkaTimeout,
    "kafka-cut": KafkaCut,
    "s3-timeout": S3Timeout,
    "s3-cut": S3Cut,
    "dropped": Dropped,
    "doubled": Doubled,
    "delayed": Delayed,
    "swapped": Swapped,
    "slow": Slow,
    "deaf": Deaf,
}
