"""Watch streams over the log: history, initial events, bookmarks, 410, selectors, event faults."""

import asyncio
from typing import Any

import orjson
from aiohttp import web

from .answers import ApiError, cause, status
from .kinds import KINDS
from .log import Event, Lane, Log
from .requests import Faults, Object, Request
from .selectors import Matcher

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
BOOKMARK_SECONDS = 60.0
# Bytes per write, so that a slow reader of a long history waits in the socket and not in our memory.
CHUNK = 2**18
# What stands before an object in the line of its event.
HEADS = {
    type_: f'{{"type":"{type_}","object":'.encode() for type_ in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")
}
Line = tuple[str, bytes]  # type and the object's JSON


class Watching:
    """All open streams of a server."""

    def __init__(self, log: Log, faults: Faults) -> None:
        self._log = log
        self._faults = faults
        self._generation = 0  # streams of an older generation end
        self._wakes: list[asyncio.Event] = []
        self.bookmark_seconds = BOOKMARK_SECONDS

    @property
    def open(self) -> int:
        """How many streams there are."""
        return len(self._wakes)

    def close(self) -> None:
        """End every open stream."""
        self._generation += 1
        for wake in self._wakes:
            wake.set()

    async def serve(self, http: web.BaseRequest, request: Request, matches: Matcher) -> web.StreamResponse:
        """Stream events until the client leaves, `timeoutSeconds` pass or `close` is called."""
        _check(request)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(http)
        changed = asyncio.Event()
        lane = self._log.lane(request.kind)
        lane.wake.append(changed.set)
        self._wakes.append(changed)
        stream = _Stream(self._log, lane, self._faults, request, matches, response)
        generation = self._generation
        try:
            async with asyncio.timeout(float(request.query.get("timeoutSeconds") or 3600)):
                await stream.begin()
                while generation == self._generation and not stream.ended:
                    changed.clear()
                    await stream.catch_up()
                    await self._changed_or_bookmark(changed, stream)
        except TimeoutError:
            await _last_words(stream)
        except ConnectionResetError:
            pass  # the client went away
        finally:
            lane.wake.remove(changed.set)
            self._wakes.remove(changed)
        return response

    async def _changed_or_bookmark(self, changed: asyncio.Event, stream: "_Stream") -> None:
        if stream.ended:
            return
        if not stream.bookmarks:
            await changed.wait()
            return
        # A handle of its own is cheaper than wait_for, which makes a task for every event.
        due = asyncio.get_running_loop().call_later(self.bookmark_seconds, changed.set)
        try:
            await changed.wait()
        finally:
            late = asyncio.get_running_loop().time() >= due.when()
            due.cancel()
        if late:
            await stream.catch_up()
            await stream.bookmark()


class _Stream:
    def __init__(
        self, log: Log, lane: Lane, faults: Faults, request: Request, matches: Matcher, response: web.StreamResponse
    ) -> None:
        self._log, self._lane, self._faults, self._request = log, lane, faults, request
        self._matches, self._response = matches, response
        self._namespace = request.namespace
        self._position = 0
        self.bookmarks = request.query.get("allowWatchBookmarks") == "true"
        self.ended = False

    async def begin(self) -> None:
        """Send what stands before the live events."""
        query = self._request.query
        version = int(query.get("resourceVersion") or 0)
        initial = query.get("sendInitialEvents") == "true"
        if version and not initial:
            self._position = version
            if version < self._lane.compacted:
                await self._expire(self._lane.compacted)
            return
        self._position = self._log.version
        now = [self._lane.entries[key] for key in self._lane.order()]
        await self._send([("ADDED", entry.raw) for entry in now if self._concerns(entry.obj)])
        if initial:
            await self.bookmark({INITIAL_EVENTS_END: "true"})

    async def catch_up(self) -> None:
        """Send the events since the last time."""
        if self._position < self._lane.lost:
            await self._expire(self._lane.lost)
            return
        lines: list[Line] = []
        for event in self._lane.since(self._position):
            self._position = event.version
            self._add(event, lines)
        if lines:
            await self._send(lines)

    async def _expire(self, oldest: int) -> None:
        self.ended = True
        gone = status(410, f"too old resource version: {self._position} ({oldest})", "Expired")
        await self._send([("ERROR", orjson.dumps(gone))])

    async def bookmark(self, annotations: Object | None = None) -> None:
        """Tell the position; all that is before it has been sent."""
        if not self.bookmarks:
            return
        if self._lane.events and self._position < self._lane.events[-1].version:
            version = self._position
        else:
            version = self._position = max(self._position, self._log.version)
        resource = KINDS[self._request.kind].resource
        metadata: Object = {"resourceVersion": str(version)}
        if annotations:
            metadata["annotations"] = annotations
        told = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        await self._send([("BOOKMARK", orjson.dumps(told))])

    async def _send(self, lines: list[Line]) -> None:
        parts: list[bytes] = []
        size = 0
        for type_, raw in lines:
            parts += (HEADS[type_], raw, b"}\n")
            size += len(raw)
            if size >= CHUNK:
                await self._response.write(b"".join(parts))
                parts, size = [], 0
        if parts:
            await self._response.write(b"".join(parts))

    def _add(self, event: Event, lines: list[Line]) -> None:
        seen = self._seen(event)
        if seen is None:
            return
        type_, obj = seen
        if self._faults.events:
            outcomes = [(type_, obj)]
            for change in self._faults.events:
                outcomes = [result for outcome in outcomes for result in change(*outcome)]
            lines += [(now, orjson.dumps(changed)) for now, changed in outcomes]
        else:
            lines.append((type_, event.entry.raw if obj is event.obj else orjson.dumps(obj)))

    def _concerns(self, obj: Object) -> bool:
        return (not self._namespace or self._namespace == obj["metadata"].get("namespace")) and self._matches(obj)

    def _seen(self, event: Event) -> tuple[str, Any] | None:
        """What a stream with a selector sees of the event; None when it sees nothing."""
        now, previous = self._concerns(event.obj), event.previous
        if event.type != "MODIFIED" or previous is None:
            return (event.type, event.obj) if now else None
        before = self._concerns(previous)
        if now:
            return "MODIFIED" if before else "ADDED", event.obj
        if not before:
            return None
        # It left the selection: its last state there, under the version of the change.
        metadata = {**previous["metadata"], "resourceVersion": event.obj["metadata"]["resourceVersion"]}
        return "DELETED", {**previous, "metadata": metadata}


async def _last_words(stream: _Stream) -> None:
    """Where it stood, as the real one tells of a watch that had minutes."""
    try:
        await stream.bookmark()
    except ConnectionResetError:
        return


def _check(request: Request) -> None:
    version = request.query.get("resourceVersion") or "0"
    if not version.isdigit():
        why = f'Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'
        raise ApiError(500, f"resourceVersion: {why}", "")
    if request.query.get("sendInitialEvents") == "true" and not request.query.get("resourceVersionMatch"):
        said = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        refused = ApiError(422, f'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: {said}')
        causes = [cause("FieldValueForbidden", said, "resourceVersionMatch")]
        refused.status["details"] = {"group": "meta.k8s.io", "kind": "ListOptions", "causes": causes}
        raise refused
