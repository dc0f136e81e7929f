"""A light way to the API server: bytes in, bytes out, so that the driver takes as little of the machine as it can."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Self, TypeVar

import aiohttp
import orjson

from benchmarks.scale.objects import Object, collection

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
DRIVER = "benchmark-driver/1"
CALL_LIMIT = 60.0
TRIES = 20

T = TypeVar("T")


class ApiError(Exception):
    """The API server said no, or nothing that counts; the text has the code and its words."""

    def __init__(self, code: int, method: str, path: str, said: str) -> None:
        super().__init__(f"{method} {path}: {code} {said[:300]}")
        self.code = code


class Api:
    """Open with `async with`. Calls that are told to come later (429) do so; `throttled` counts them."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None, agent: str = DRIVER) -> None:
        self._url, self._context, self._agent = url, context, agent
        self._session: aiohttp.ClientSession | None = None
        self.throttled = 0

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._context if self._context is not None else True, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, headers={"User-Agent": self._agent, "Accept": JSON}, trust_env=False
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("Api is not open")
        return self._session

    def url(self, path: str) -> str:
        return self._url + path

    async def call(self, method: str, path: str, body: bytes | None = None, content: str = JSON) -> bytes:
        """The answer's body. Raises ApiError for a refusal and for 429 that does not end."""
        headers = {"Content-Type": content} if body is not None else None
        timeout = aiohttp.ClientTimeout(total=CALL_LIMIT)
        for _ in range(TRIES):
            async with self.session.request(
                method, self._url + path, data=body, headers=headers, timeout=timeout
            ) as answer:
                found = await answer.read()
                if answer.status < 300:
                    return found
                if answer.status != 429:
                    raise ApiError(answer.status, method, path, found.decode(errors="replace"))
                self.throttled += 1
                wait = float(answer.headers.get("Retry-After") or 1)
            await asyncio.sleep(wait)
        raise ApiError(429, method, path, f"after {TRIES} tries")

    async def get(self, path: str) -> Object:
        return dict(orjson.loads(await self.call("GET", path)))

    async def find(self, path: str) -> Object | None:
        """None when there is none."""
        try:
            return await self.get(path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def create(self, obj: Object) -> bytes:
        return await self.call("POST", collection(obj), orjson.dumps(obj))

    async def merge(self, path: str, patch: Object) -> bytes:
        return await self.call("PATCH", path, orjson.dumps(patch), MERGE_PATCH)

    async def apply(self, path: str, obj: Object) -> bytes:
        return await self.call("PATCH", f"{path}?fieldManager=benchmark&force=true", orjson.dumps(obj), APPLY)

    async def delete(self, path: str) -> bytes:
        return await self.call("DELETE", path)


async def side_by_side(items: Iterable[T], do: Callable[[T], Awaitable[Any]], parallel: int) -> None:
    """`do` with every item, so many at once: what a plain concurrent loop is."""
    waiting = iter(items)

    async def one() -> None:
        for item in waiting:
            await do(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(parallel):
            group.create_task(one())
