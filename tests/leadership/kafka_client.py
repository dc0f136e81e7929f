"""Stands in for KafkaPool in an operator process: every call goes to a `kafka_server.KafkaServer`."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from agentmemory.core.errors import Transient
from agentmemory.core.key import Key
from agentmemory.kafka.credentials import Credentials

from .wire import pack, unpack

TIME_LIMIT = 15.0


class RemotePool:
    """`url` is the server's; `replica` names the caller."""

    def __init__(self, url: str, replica: str) -> None:
        self._url = f"{url}/{replica}"
        self._session: aiohttp.ClientSession | None = None

    async def get(self, cluster: Key, credentials: Credentials, *, apart: bool = False) -> "RemoteAdmin":
        """Every cluster is the one that the server has."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIME_LIMIT))
        return RemoteAdmin(self._session, self._url, credentials)

    async def forget(self, cluster: Key) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


class RemoteAdmin:
    """Every method of KafkaAdmin."""

    def __init__(self, session: aiohttp.ClientSession, url: str, credentials: Credentials) -> None:
        self._session = session
        self._url = url
        self._credentials = credentials

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            content = pack((method, tuple(map(_plain, args)), kwargs, self._credentials))
            try:
                async with self._session.post(self._url, data=content) as answer:
                    good, value = unpack(await answer.read())
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise Transient("KafkaUnavailable", f"{method}: {error or type(error).__name__}") from error
            if not good:
                raise value
            return value

        return call

    async def close(self) -> None:
        """Nothing of its own."""


def _plain(value: Any) -> Any:
    """Views of dicts cannot be sent."""
    if isinstance(value, str | dict):
        return value
    try:
        return list(value)
    except TypeError:
        return value
