"""Connections that go only where they may: the name is resolved once, each address is checked, and the checked one is
dialled, so that a name cannot lead elsewhere between check and connection. With `client` the only user of urllib3.
"""

import socket
import sys
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from agentmemory.objectstore.endpoints import Rules


def pool_classes(rules: Rules) -> dict[str, Any]:
    """For urllib3's `PoolManager.pool_classes_by_scheme`: pools whose connections keep the rules.

    A connection to a forbidden address raises the Invalid of `Rules.check_address`.
    """

    class Plain(AWSHTTPConnection):  # type: ignore[misc]
        def _new_conn(self) -> socket.socket:
            return _dial(self, rules)

    class Secure(AWSHTTPSConnection):  # type: ignore[misc]
        def _new_conn(self) -> socket.socket:
            return _dial(self, rules)

    class PlainPool(AWSHTTPConnectionPool):  # type: ignore[misc]
        ConnectionCls = Plain

    class SecurePool(AWSHTTPSConnectionPool):  # type: ignore[misc]
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _dial(connection: Any, rules: Rules) -> socket.socket:
    """As urllib3's own `_new_conn`, by address. Raises urllib3's errors, which botocore reads."""
    host = connection.host.lower()
    try:
        dialled = _connect(connection, _addresses(connection, rules, host))
    except socket.gaierror as exc:
        raise NameResolutionError(host, connection, exc) from exc
    except TimeoutError as exc:
        raise ConnectTimeoutError(connection, f"no connection to {host} in {connection.timeout} s") from exc
    except OSError as exc:
        raise NewConnectionError(connection, f"no connection to {host}: {exc}") from exc
    sys.audit("http.client.connect", connection, host, connection.port)
    return dialled


def _addresses(connection: Any, rules: Rules, host: str) -> list[str]:
    """All addresses of the host; one forbidden among them refuses them all."""
    infos = socket.getaddrinfo(host, connection.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
    for address in addresses:
        rules.check_address(host, address)
    return addresses


def _connect(connection: Any, addresses: list[str]) -> socket.socket:
    """To the first address that answers; the last one's error when none does."""
    failed: OSError = OSError("the name has no address")
    for address in addresses:
        try:
            return create_connection(
                (address, connection.port), connection.timeout, socket_options=connection.socket_options
            )
        except OSError as exc:
            failed = exc
    raise failed
