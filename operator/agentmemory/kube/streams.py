"""A watch's answer: one JSON object per line, of any length."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import orjson

from agentmemory.core.errors import Transient

# After so many lines from one piece of input everybody else has a turn: some 5 ms of parsing and storing.
TURN = 50


async def lines(content: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    """Complete lines as they come in, without aiohttp's limit on their length. An unfinished last one is left out."""
    pieces: list[bytes] = []
    async for chunk in content.iter_any():
        if b"\n" not in chunk:
            pieces.append(chunk)
            continue
        *complete, rest = b"".join((*pieces, chunk)).split(b"\n")
        for number, line in enumerate(complete, 1):
            if line:
                yield line
            if number % TURN == 0:
                await asyncio.sleep(0)
        pieces = [rest] if rest else []


def parse(line: bytes) -> dict[str, Any]:
    """One event. Raises Transient for what is none (a proxy in between)."""
    try:
        event = orjson.loads(line)
        if isinstance(event["type"], str) and isinstance(event["object"], dict):
            return event  # type: ignore[no-any-return]
    except (ValueError, TypeError, KeyError):
        pass
    raise Transient("BadAnswer", f"the watch sent what is no event: {line[:100]!r}")
