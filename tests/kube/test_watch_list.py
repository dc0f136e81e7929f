"""List and watch of our own on answers written by hand: what cannot be had from an apiserver that works."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from agentmemory.core.errors import Transient
from agentmemory.kube import streams
from agentmemory.kube.client import KubeClient
from agentmemory.kube.watch import Target, WatchEnded
from agentmemory.kube.watch_list import ListWatch, Tempo
from tests.fakekube.answers import status
from tests.fakekube.client import configuration_for
from tests.kube.objects import config_map

MAPS = Target("ConfigMap", "memory")
# One answer to a watch: a refusal's code, or the lines of a stream; None at its end keeps it open.
Answer = int | list[bytes | None]


def line(type_: str, version: int, name: str = "c", **metadata: Any) -> bytes:
    obj = config_map("memory", name)
    obj["metadata"] |= {"resourceVersion": str(version), **metadata}
    return json.dumps({"type": type_, "object": obj}).encode() + b"\n"


def bookmark(version: int, complete: bool = False) -> bytes:
    return line("BOOKMARK", version, **({"annotations": {"k8s.io/initial-events-end": "true"}} if complete else {}))


def error(code: int) -> bytes:
    return json.dumps({"type": "ERROR", "object": status(code, "as written")}).encode() + b"\n"


class Script:
    """Gives one answer after the other to watches; the last one again and again. Lists have one object."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.watches: list[dict[str, str]] = []
        self.lists = 0
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            self.lists += 1
            items = [config_map("memory", "listed")]
            return web.json_response({"metadata": {"resourceVersion": "50"}, "items": items})
        self.watches.append(dict(request.query))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, int):
            return web.json_response(status(answer, "as written"), status=answer)
        response = web.StreamResponse()
        await response.prepare(request)
        for text in answer:
            if text is None:
                await asyncio.Event().wait()
            else:
                await response.write(text)
        return response

    def froms(self) -> list[str | None]:
        """Where each watch began; None: from scratch."""
        return [None if "sendInitialEvents" in query else query["resourceVersion"] for query in self.watches]


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    served = Script()
    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", served.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    served.url = f"http://{host}:{port}"
    yield served
    await runner.cleanup()


class Run:
    """A watch of the script."""

    def __init__(self, script: Script, receive: Callable[..., None] | None = None) -> None:
        self.script = script
        self.events: list[tuple[str | None, str]] = []
        self.starts: list[str | None] = []
        self.receive = receive or self._event

    def _event(self, kind: str, type_: str | None, obj: Any) -> None:
        assert kind == "ConfigMap"
        self.events.append((type_, obj["metadata"]["name"]))

    def _start(self, target: Target, version: str | None) -> None:
        assert target == MAPS
        self.starts.append(version)

    async def __aenter__(self) -> "Run":
        async def connect() -> KubeClient:
            return KubeClient(configuration_for(self.script.url))

        watch = ListWatch(connect, Tempo(pause=0.01, longest=0.02))
        self.task = asyncio.create_task(watch.run([MAPS], self.receive, self._start))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                assert not self.task.done()
                await asyncio.sleep(0.002)


async def test_goes_on_at_the_last_event_or_bookmark(script: Script) -> None:
    script.answers = [
        [line("ADDED", 7), bookmark(9, complete=True)],
        [line("MODIFIED", 12)],
        [bookmark(30)],
        [line("DELETED", 31), None],
    ]
    async with Run(script) as run:
        await run.until(lambda: ("DELETED", "c") in run.events)
    assert run.events == [(None, "c"), ("MODIFIED", "c"), ("DELETED", "c")]
    assert script.froms() == [None, "9", "12", "30"]
    assert run.starts == ["9"]
    assert all(300 <= int(query["timeoutSeconds"]) <= 600 for query in script.watches)


async def test_what_exists_begins_anew_until_it_was_complete(script: Script) -> None:
    script.answers = [[line("ADDED", 99)], [line("ADDED", 99), bookmark(99, complete=True), None]]
    async with Run(script) as run:
        await run.until(lambda: bool(run.starts))
    assert run.starts == [None], "what the first beginning delivered may be gone"
    assert script.froms() == [None, None]


@pytest.mark.parametrize("trouble", [b"<html>\n", b'{"type": 1}\n', b"[]\n", error(500)])
async def test_a_line_that_is_no_event_breaks_the_stream_and_no_more(script: Script, trouble: bytes) -> None:
    script.answers = [[bookmark(9, complete=True), trouble], [line("ADDED", 10), None]]
    async with Run(script) as run:
        await run.until(lambda: ("ADDED", "c") in run.events)
    assert script.froms() == [None, "9"]


@pytest.mark.parametrize("trouble", [[error(410)], 410, 403, 404, 405])
async def test_begins_anew_when_it_may_not_go_on(script: Script, trouble: Answer) -> None:
    script.answers = [[bookmark(9, complete=True)], trouble, [bookmark(20, complete=True), None]]
    async with Run(script) as run:
        await run.until(lambda: len(run.starts) == 2)
    assert run.starts == ["9", None]
    assert script.froms() == [None, "9", None]


async def test_a_version_that_is_always_too_old_is_asked_for_with_pauses(script: Script) -> None:
    script.answers = [410]
    async with Run(script) as run:
        await run.until(lambda: len(script.watches) > 5)
    assert run.starts == []


@pytest.mark.parametrize("code", [400, 422])
async def test_lists_where_what_exists_is_not_streamed(script: Script, code: int) -> None:
    script.answers = [code, [error(410)], [line("ADDED", 60), None]]
    async with Run(script) as run:
        await run.until(lambda: ("ADDED", "c") in run.events)
    assert script.lists == 2
    assert run.starts == ["50", None]
    assert run.events == [(None, "listed"), (None, "listed"), ("ADDED", "c")]
    assert script.froms() == [None, "50", "50"]


async def test_a_failing_receiver_ends_the_watch(script: Script) -> None:
    script.answers = [[line("ADDED", 7), None]]

    def broken(*_: Any) -> None:
        raise Transient("Odd", "an error of ours is no error of the stream")

    async with Run(script, broken) as run:
        with pytest.raises(WatchEnded, match="an error of ours"):
            await asyncio.wait_for(run.task, 10)


class Pieces:
    """Stands in for aiohttp's reader."""

    def __init__(self, text: bytes, size: int) -> None:
        self.pieces = [text[start : start + size] for start in range(0, len(text), size)]

    async def iter_any(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


async def found(text: bytes, size: int) -> list[bytes]:
    pieces: Any = Pieces(text, size)
    return [line async for line in streams.lines(pieces)]


@pytest.mark.parametrize("size", [1, 2, 7, 70_001, 10_000_000])
async def test_lines_of_any_length_and_in_any_pieces(size: int) -> None:
    big = b"x" * (3_000_000 if size > 100 else 100)
    assert await found(b"a\n\n" + big + b"\nb\nunfinished", size) == [b"a", big, b"b"]


async def test_many_lines_at_once_leave_turns_to_others() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert len(await found(b"x\n" * 1000, 2000)) == 1000
    task.cancel()
    assert turns >= 1000 // streams.TURN
