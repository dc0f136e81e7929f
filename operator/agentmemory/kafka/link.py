"""One live connection to a cluster: with `library` the only module that knows kafka-python's inner classes.

kafka-python runs a connection's input and output in a thread of its own; here its futures are turned into asyncio's,
so that a call costs no further thread and every wait has an end. Its admin helpers are not used: they raise the first
item's error and drop the others, keep a controller's id beyond its life, and retry a refused password until the time is
up. Requests go to any broker, which forwards them to the controller (KIP-590).
"""

import asyncio
import logging
import threading
import time
from typing import Any

import kafka.errors as kafka_errors
from kafka.future import Future
from kafka.net.selector import NetworkSelector

from agentmemory.kafka.credentials import Credentials
from agentmemory.kafka.library import Manager
from agentmemory.kafka.tls import client_context

CLIENT_ID = "agent-memory-operator"
CONNECT_LIMIT = 5.0
"""Seconds for one connection (TCP, TLS, login): a lost node never answers, the others shall have their turn."""
AT_ONCE = 64
"""Requests under way on one link; more wait for their turn. kafka-python refuses above its own limit."""
CLOSE_LIMIT = 2.0
"""Seconds that closing may take before the connection is left to its daemon thread."""


class Link:
    """Made by `Link.open`; `send` may be called many times at once."""

    def __init__(self, net: Any, manager: Any) -> None:
        self._net = net
        self._manager = manager
        self._waiters: set[asyncio.Future[Any]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._closed = False

    @classmethod
    async def open(cls, credentials: Credentials, limit: float) -> "Link":
        """Connects within `limit` seconds. Raises kafka-python's errors, TimeoutError, OSError; Invalid for bad PEM."""
        configs = _configs(credentials, limit)
        net = NetworkSelector(**configs)
        link = cls(net, Manager(net, **configs))
        net.start()
        try:
            async with asyncio.timeout(limit):
                await link._answer(link._manager.bootstrap_async(limit * 1000))
        except (TimeoutError, kafka_errors.KafkaTimeoutError) as exc:
            await link.close()
            raise link._manager.last_failure or exc from exc
        except BaseException:
            await link.close()
            raise
        return link

    async def send(self, request: Any, limit: float, node_id: int | None = None) -> Any:
        """The answer to a request, from that broker or whichever is at hand. Raises its errors or TimeoutError.

        Waits while no connection is ready (nothing is sent then), never sends twice.
        """
        deadline = time.monotonic() + limit
        pause = 0.02
        async with asyncio.timeout(limit), self._slots:
            while True:
                left_ms = (deadline - time.monotonic()) * 1000
                try:
                    return await self._answer(self._begin(request, left_ms, node_id))
                except kafka_errors.NodeNotReadyError:
                    await asyncio.sleep(pause)  # connections being made or in backoff; kafka-python signals neither
                    pause = min(pause * 2, 0.5)

    def _begin(self, request: Any, limit_ms: float, node_id: int | None) -> Future:
        if self._closed:
            raise _closing()
        return self._manager.call_soon(self._manager.send, request, node_id, limit_ms)

    async def _answer(self, future: Future) -> Any:
        """Waits for a kafka-python future, which its own thread settles."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Any] = loop.create_future()

        def settle() -> None:
            if waiter.done():  # given up, or the link was closed
                return
            if future.exception is None:
                waiter.set_result(future.value)
            elif isinstance(future.exception, Exception):
                waiter.set_exception(future.exception)
            else:  # the library's loop ended and threw GeneratorExit into what it was doing
                waiter.set_exception(_closing())

        def tell(_: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle)

        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)
        future.add_both(tell)
        return await waiter

    async def close(self) -> None:
        """Ends the connection and its thread; returns after CLOSE_LIMIT seconds at the latest.

        Who still waits for an answer gets KafkaConnectionError.
        """
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        self._closed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(_closing())

        def end() -> None:
            try:
                self._manager.close()
            finally:
                self._net.close()
                if not loop.is_closed():
                    loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=end, name="kafka-close", daemon=True).start()
        try:
            await asyncio.wait_for(ended.wait(), CLOSE_LIMIT)
        except TimeoutError:
            logging.getLogger(__name__).warning(
                "a Kafka connection did not close within %s s; left behind", CLOSE_LIMIT
            )


def _configs(credentials: Credentials, limit: float) -> dict[str, Any]:
    sasl = {
        "sasl_mechanism": credentials.mechanism,
        "sasl_plain_username": credentials.username,
        "sasl_plain_password": credentials.password,
    }
    return {
        "bootstrap_servers": credentials.servers(),
        "client_id": CLIENT_ID,
        "security_protocol": credentials.security_protocol,
        "ssl_context": client_context(credentials),
        "receive_message_max_bytes": 100_000_000,
        "request_timeout_ms": limit * 1000,
        "socket_connection_setup_timeout_ms": min(limit, CONNECT_LIMIT) * 1000,
        "reconnect_backoff_max_ms": 1000,
        # The library refuses instead of queueing above this; brokers take one by one.
        "max_in_flight_requests_per_connection": AT_ONCE + 1,
        **(sasl if credentials.username is not None else {}),
    }


def _closing() -> Exception:
    error: Exception = kafka_errors.KafkaConnectionError("the connection was closed")
    return error
