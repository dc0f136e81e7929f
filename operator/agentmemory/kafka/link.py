"""One live connection to a cluster: the only module that knows kafka-python's inner classes.

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
from kafka.net.inet import KafkaNetSocket, create_connection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport
from kafka.protocol.metadata import MetadataRequest

from agentmemory.kafka.credentials import Credentials
from agentmemory.kafka.errors import tls_refusal
from agentmemory.kafka.tls import client_context

CLIENT_ID = "agent-memory-operator"
CONNECT_LIMIT = 5.0
"""Seconds for one connection (TCP, TLS, login): a lost node never answers, the others shall have their turn."""
CLOSE_LIMIT = 2.0
"""Seconds that closing may take before the connection is left to its daemon thread."""


_REFUSALS = (kafka_errors.SaslAuthenticationFailedError, kafka_errors.UnsupportedSaslMechanismError)


class _Socket(KafkaNetSocket):  # type: ignore[misc]
    """Closes a socket that could not connect; kafka-python leaves it to the garbage collector.

    The library chooses a socket's class by the scheme of `proxy_url`: this one needs no proxy.
    """

    SCHEMES = ("direct",)

    async def sock_connect(self, net: Any, sock: Any, sockaddr: Any, timeout_at: float | None = None) -> Any:
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise


class _Transport(KafkaSSLTransport):  # type: ignore[misc]
    """Hands over what came before the connection's end; kafka-python drops it, and with it why a login was refused."""

    def _sock_recv(self) -> tuple[bytes, Exception | None]:
        data, error = super()._sock_recv()
        return (data, None) if data else (data, error)  # the next read meets the end again


class _Manager(KafkaConnectionManager):  # type: ignore[misc]
    """Ends a bootstrap when Kafka refuses us or no address answers; kafka-python would go on until its time is up."""

    def __init__(self, net: Any, **configs: Any) -> None:
        super().__init__(net, **configs)
        self._connect_ms = configs["socket_connection_setup_timeout_ms"]
        self.last_failure: Exception | None = None
        self._tried: set[Any] = set()
        self._hopeless: dict[Any, Exception] = {}

    def maybe_raise_auth_failure(self, node_id: Any) -> None:
        """Asked by the library before each use of a node. (What it records itself it forgets within the same call.)"""
        if node_id in self._hopeless:
            raise self._hopeless[node_id]

    def get_connection(self, node_id: Any, **options: Any) -> Any:
        options["timeout_ms"] = min(options.get("timeout_ms") or self._connect_ms, self._connect_ms)
        connection = super().get_connection(node_id, **options)
        connection.init_future.add_errback(lambda exc: self._failed(node_id, exc))
        connection.init_future.add_callback(lambda _: self._check_kind(node_id, connection))
        return connection

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> _Transport:
        sock = await create_connection(
            self._net, node.host, node.port, self.config["socket_options"], "direct://", timeout_at
        )
        transport = _Transport(self._net, sock, host=node.host, ssl_context=self.config["ssl_context"])
        try:
            await self.wait_for(self._net.call_soon_with_future(transport.handshake), self._connect_ms)
        except Exception as exc:
            transport.abort()
            raise kafka_errors.KafkaConnectionError(f"TLS handshake failed: {exc}") from exc
        except BaseException:  # closed meanwhile
            transport.abort()
            raise
        return transport

    def _failed(self, node_id: Any, exc: Exception) -> None:
        self.last_failure = exc
        if isinstance(exc, _REFUSALS) or tls_refusal(exc) is not None:
            self._hopeless[node_id] = exc
            return
        self._tried.add(node_id)
        servers = [server.node_id for server in self.cluster.bootstrap_brokers()]
        if not self.bootstrapped and self._tried.issuperset(servers):
            self._hopeless.update(dict.fromkeys(servers, exc))

    def _check_kind(self, node_id: Any, connection: Any) -> None:
        try:
            connection.broker_version_data.api_version(MetadataRequest)
        except kafka_errors.IncompatibleBrokerVersion as exc:  # a controller's port
            self._hopeless[node_id] = exc


class Link:
    """Made by `Link.open`; `send` may be called many times at once."""

    def __init__(self, net: Any, manager: Any) -> None:
        self._net = net
        self._manager = manager

    @classmethod
    async def open(cls, credentials: Credentials, limit: float) -> "Link":
        """Connects within `limit` seconds. Raises kafka-python's errors, TimeoutError, OSError; Invalid for bad PEM."""
        configs = _configs(credentials, limit)
        net = NetworkSelector(**configs)
        link = cls(net, _Manager(net, **configs))
        net.start()
        try:
            async with asyncio.timeout(limit):
                await _await(link._manager.bootstrap_async(limit * 1000))
        except (TimeoutError, kafka_errors.KafkaTimeoutError) as exc:
            await link.close()
            raise link._manager.last_failure or exc from exc
        except BaseException:
            await link.close()
            raise
        return link

    async def send(self, request: Any, limit: float) -> Any:
        """The answer to a request, from whichever broker is at hand. Raises kafka-python's errors or TimeoutError.

        Waits while no connection is ready (nothing is sent then), never sends twice.
        """
        deadline = time.monotonic() + limit
        pause = 0.02
        async with asyncio.timeout(limit):
            while True:
                left_ms = (deadline - time.monotonic()) * 1000
                try:
                    return await _await(self._manager.call_soon(self._manager.send, request, None, left_ms))
                except kafka_errors.NodeNotReadyError:
                    await asyncio.sleep(pause)  # connections being made or in backoff; kafka-python signals neither
                    pause = min(pause * 2, 0.5)

    async def close(self) -> None:
        """Ends the connection and its thread; returns after CLOSE_LIMIT seconds at the latest."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            try:
                self._manager.close()
                self._net.close()
            finally:
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
        # More at once than the default 5: the library refuses instead of queueing above it; brokers take one by one.
        "max_in_flight_requests_per_connection": 100,
        **(sasl if credentials.username is not None else {}),
    }


async def _await(future: Future) -> Any:
    """Waits for a kafka-python future, which its own thread settles."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[Any] = loop.create_future()

    def settle() -> None:
        if waiter.done():  # given up meanwhile
            return
        if future.exception is None:
            waiter.set_result(future.value)
        else:
            waiter.set_exception(future.exception)

    def tell(_: Any) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle)

    future.add_both(tell)
    return await waiter
