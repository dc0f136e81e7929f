"""Connections to an apiserver, all of which end with their connector."""

import asyncio
from functools import partial
from typing import Any, cast

import aiohttp

# Seconds that `close` waits for connections that it has aborted. The event loop ends them in its next turns.
ABORT_LIMIT = 1.0


class Connector(aiohttp.TCPConnector):
    """A TCPConnector whose `close` ends every connection that it ever made.

    aiohttp's own forgets a connection that came back half read, as that of a watch that was cancelled: with TLS its
    socket then stays open until the other side has answered the goodbye, for up to 30 seconds.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._open: dict[aiohttp.client_proto.ResponseHandler, asyncio.WriteTransport] = {}

    async def connect(self, *args: Any, **options: Any) -> aiohttp.connector.Connection:
        """As TCPConnector does."""
        connection = await super().connect(*args, **options)
        protocol, transport = connection.protocol, connection.transport
        if protocol is not None and transport is not None and protocol not in self._open:
            ended = protocol.closed
            if ended is not None:
                # Not to be checked: uvloop's transports are no subclasses of asyncio's.
                self._open[protocol] = cast(asyncio.WriteTransport, transport)
                ended.add_done_callback(partial(self._forget, protocol))
        return connection

    async def close(self, **options: Any) -> None:
        """As TCPConnector does; connections that still say goodbye are aborted. Returns when all have ended."""
        await super().close(**options)
        for transport in self._open.values():
            transport.abort()
        ends = [protocol.closed for protocol in self._open]
        waited = [end for end in ends if end is not None]
        if waited:
            await asyncio.wait(waited, timeout=ABORT_LIMIT)

    def _forget(self, protocol: aiohttp.client_proto.ResponseHandler, ended: asyncio.Future[None]) -> None:
        self._open.pop(protocol, None)
        if not ended.cancelled():
            ended.exception()  # asked for, or the loop would complain that nobody did
