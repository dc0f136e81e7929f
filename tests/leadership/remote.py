"""An object in another process: every method is a call to a `shared_server.SharedServer`."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from agentmemory.core.errors import Transient

from .wire import pack, unpack

TIME_LIMIT = 15.0


class Line:
    """Connections to the server at `url`; `replica` names the caller."""

    def __init__(self, url: str, replica: str) -> None:
        self._url = f"{url}/{replica}"
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, content: bytes) -> bytes:
        """The answer. Raises what aiohttp raises."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIME_LIMIT))
        async with self._session.post(self._url, data=content) as answer:
            return await answer.read()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


class Remote:
    """`way` is how the caller comes: credentials, a location."""

    def __init__(self, line: Line, way: Any) -> None:
        self._line = line
        self._way = way

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            content = pack((method, tuple(map(_plain, args)), kwargs, self._way))
            try:
                good, value = unpack(await self._line.ask(content))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise Transient("NoAnswer", f"{method}: {error or type(error).__name__}") from error
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
