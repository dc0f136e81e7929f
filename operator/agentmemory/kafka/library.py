"""kafka-python's connection classes, mended in four places where they hide or prolong a failure."""

from typing import Any

import kafka.errors as kafka_errors
from kafka.net.inet import KafkaNetSocket, create_connection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.transport import KafkaSSLTransport
from kafka.protocol.metadata import MetadataRequest

from agentmemory.kafka.errors import tls_refusal

_REFUSALS = (kafka_errors.SaslAuthenticationFailedError, kafka_errors.UnsupportedSaslMechanismError)


class Socket(KafkaNetSocket):  # type: ignore[misc]
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


class Transport(KafkaSSLTransport):  # type: ignore[misc]
    """Hands over what came before the connection's end; kafka-python drops it, and with it why a login was refused."""

    def _sock_recv(self) -> tuple[bytes, Exception | None]:
        data, error = super()._sock_recv()
        return (data, None) if data else (data, error)  # the next read meets the end again


class Manager(KafkaConnectionManager):  # type: ignore[misc]
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
        known = node_id in self._conns
        connection = super().get_connection(node_id, **options)
        if not known:
            connection.init_future.add_errback(lambda exc: self._failed(node_id, exc))
            connection.init_future.add_callback(lambda _: self._check_kind(node_id, connection))
        return connection

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> Transport:
        sock = await create_connection(
            self._net, node.host, node.port, self.config["socket_options"], "direct://", timeout_at
        )
        transport = Transport(self._net, sock, host=node.host, ssl_context=self.config["ssl_context"])
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
