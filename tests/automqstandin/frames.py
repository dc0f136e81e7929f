"""Kafka's frames: four bytes of length, a header, a body; read and written with kafka-python's codecs."""

import asyncio
import struct
from dataclasses import dataclass
from typing import Any

from kafka.protocol.metadata import ApiVersionsResponse

LENGTH = struct.Struct(">i")
HEAD = struct.Struct(">hhi")


@dataclass(frozen=True)
class Head:
    """What every request begins with."""

    api_key: int
    version: int
    correlation_id: int


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame without its length; None at the connection's end."""
    try:
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def framed(body: bytes) -> bytes:
    return LENGTH.pack(len(body)) + body


def head_of(frame: bytes) -> Head:
    return Head(*HEAD.unpack_from(frame))


def decode(kind: Any, frame: bytes, head: Head) -> Any:
    """A request."""
    return kind.decode(frame, version=head.version, header=True)


def encode(response: Any, head: Head) -> bytes:
    """The frame of an answer to the request with this head, its length included."""
    if response.API_VERSION is None:  # one that was decoded has it
        response.API_VERSION = head.version
    response.with_header(correlation_id=head.correlation_id)
    return bytes(response.encode(header=True, framed=True))


def with_apis(frame: bytes, head: Head, *keys: int) -> bytes:
    """An ApiVersions answer that names these calls too, each in version 0. The header is always the plain one."""
    answer = ApiVersionsResponse.decode(frame[4:], version=head.version)
    if answer.error_code:
        return framed(frame)
    entry = ApiVersionsResponse.ApiVersion
    answer.api_keys = [*answer.api_keys, *(entry(api_key=key, min_version=0, max_version=0) for key in keys)]
    return encode(answer, head)
