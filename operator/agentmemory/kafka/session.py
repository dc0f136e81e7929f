"""Keeps a link to a cluster alive: connects once for all who wait, reconnects after a failure, maps the errors."""

import asyncio
import time
from typing import Any

import kafka.errors as kafka_errors

from agentmemory.core.errors import OperatorError, Transient
from agentmemory.kafka.credentials import Credentials
from agentmemory.kafka.errors import from_exception
from agentmemory.kafka.link import CLOSE_LIMIT, Link

COOLDOWN = 1.0
"""Seconds for which a failed connect answers all further calls, so that a thousand objects make one attempt."""


class Session:
    """The connection of one KafkaAdmin."""

    def __init__(self, credentials: Credentials, limit: float) -> None:
        self._credentials = credentials
        self.limit = limit
        self._link: Link | None = None
        self._opening: asyncio.Task[Link] | None = None
        self._failure: OperatorError | None = None
        self._failed_at = 0.0
        self._closed = False

    async def send(self, request: Any, what: str, *, again: bool, node_id: int | None = None) -> Any:
        """The answer to a request; raises Transient, Denied or Invalid that begins with `what`.

        `node_id` names the broker whose own answer is wanted; without it any broker's will do.

        `again` allows a second try after a lost connection: for reads, and for writes that change nothing when
        repeated. Any failure to get an answer drops the link, so that the next call starts from the bootstrap
        addresses: what the old one knew of the brokers may be stale.
        """
        for last in (False, True):
            link = await self._get(what)
            try:
                return await link.send(request, self.limit, node_id)
            except (kafka_errors.KafkaError, TimeoutError, OSError) as exc:
                if not isinstance(exc, kafka_errors.IncompatibleBrokerVersion):
                    await self._drop(link)
                if last or not again or not isinstance(exc, kafka_errors.KafkaConnectionError):
                    raise from_exception(exc, what, self._credentials.bootstrap) from exc
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Ends the link; bounded by Link.close. Calls under way and later ones get Transient."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening], timeout=2 * CLOSE_LIMIT)
        if self._link is not None:
            await self._drop(self._link)

    async def _get(self, what: str) -> Link:
        if self._closed:
            raise Transient(
                "KafkaConnectionClosed", f"{what}: the connection was replaced or the operator is stopping."
            )
        if self._link is not None:
            return self._link
        if self._failure is not None and time.monotonic() < self._failed_at + COOLDOWN:
            raise _again(self._failure)
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        return await self._shared(self._opening, what)

    async def _shared(self, opening: "asyncio.Task[Link]", what: str) -> Link:
        """Waits for the one attempt, without ending it when this waiter is cancelled."""
        await asyncio.wait([opening])
        if opening.cancelled():
            raise Transient("KafkaConnectionClosed", f"{what}: the connection was closed while it was being made.")
        error = opening.exception()
        if isinstance(error, OperatorError):
            raise _again(error)
        return opening.result()

    async def _open(self) -> Link:
        try:
            return await Link.open(self._credentials, self.limit)
        except (kafka_errors.KafkaError, TimeoutError, OSError) as exc:
            raise from_exception(exc, "connecting to Kafka", self._credentials.bootstrap) from exc

    def _opened(self, opening: "asyncio.Task[Link]") -> None:
        self._opening = None
        if opening.cancelled():
            return
        error = opening.exception()
        if error is None:
            self._link, self._failure = opening.result(), None
        elif isinstance(error, OperatorError):
            self._failure, self._failed_at = error, time.monotonic()

    async def _drop(self, link: Link) -> None:
        if self._link is link:
            self._link = None
            await link.close()


def _again(error: OperatorError) -> OperatorError:
    """A copy for one more waiter: one exception object raised in many tasks would collect all their tracebacks."""
    if isinstance(error, Transient):
        return type(error)(error.reason, error.message, error.retry_after)
    return type(error)(error.reason, error.message)
