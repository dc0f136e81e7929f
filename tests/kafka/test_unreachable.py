"""Addresses behind which there is no Kafka: every call ends in time and says why."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from agentmemory.core.errors import Invalid, Transient
from agentmemory.kafka import link
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.connection import Credentials
from tests.kafka.realkafka import free_port


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word, as a hung process does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


async def _fails(bootstrap: str, limit: float) -> tuple[Transient, float]:
    admin = KafkaAdmin(Credentials(bootstrap, None), limit=limit)
    start = time.monotonic()
    with pytest.raises(Transient) as caught:
        await admin.describe_cluster()
    took = time.monotonic() - start
    await admin.close()
    return caught.value, took


async def test_nobody_listens() -> None:
    error, took = await _fails(f"127.0.0.1:{free_port()},127.0.0.1:{free_port()}", limit=20)
    assert error.reason == "KafkaUnreachable"
    assert "ECONNREFUSED" in error.message
    assert took < 5


async def test_no_such_name() -> None:
    error, took = await _fails("no-such-host.invalid:9091", limit=20)
    assert "DNS" in error.message
    assert took < 15


async def test_silence_ends_at_the_limit(silent: str) -> None:
    error, took = await _fails(silent, limit=1)
    assert silent in error.message
    assert took < 3.5


async def test_a_silent_server_does_not_use_up_the_others_time(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one of two addresses dead the other is tried too, whichever comes first."""
    monkeypatch.setattr(link, "CONNECT_LIMIT", 0.5)
    error, took = await _fails(f"{silent},127.0.0.1:{free_port()}", limit=20)
    assert error.reason == "KafkaUnreachable"
    assert took < 5


async def test_closing_is_bounded_while_connecting(silent: str) -> None:
    admin = KafkaAdmin(Credentials(silent, None), limit=30)
    call = asyncio.create_task(admin.describe_cluster())
    await asyncio.sleep(0.1)
    start = time.monotonic()
    await admin.close()
    assert time.monotonic() - start < 4
    with pytest.raises(Transient):
        await call


async def test_bad_pem_is_told_before_connecting() -> None:
    admin = KafkaAdmin(Credentials("127.0.0.1:1", "no pem"))
    with pytest.raises(Invalid, match=r"ca\.crt"):
        await admin.describe_cluster()
    await admin.close()


async def test_no_thread_is_left_behind() -> None:
    before = set(threading.enumerate())
    await _fails(f"127.0.0.1:{free_port()}", limit=5)
    for thread in set(threading.enumerate()) - before:
        thread.join(5)  # the one that closed the connection has told so, and ends right after
    assert set(threading.enumerate()) <= before
