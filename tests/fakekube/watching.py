"""Watch streams over the log: history, initial events, bookmarks, 410, selectors, event faults."""

import asyncio
import json
from typing import Any

from aiohttp import web

from .answers import status
from .kinds import KINDS
from .log import Event, Log
from .requests import Faults, Object, Request
from .selectors import Matcher

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Watching:
    """All open streams of a server."""

    def __init__(self, log: Log, faults: Faults) -> None:
        self._log = log
        self._faults = faults
        self._generation = 0  # streams of an older generation end
        self.open = 0

    def close(self) -> None:
        """End every open stream."""
        self._generation += 1
        for wake in [*self._log.wake]:
            wake()

    async def serve(self, http: web.Request, request: Request, matches: Matcher) -> web.StreamResponse:
        """Stream events until the client leaves, `timeoutSeconds` pass or `close` is called."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(http)
        changed = asyncio.Event()
        self._log.wake.append(changed.set)
        self.open += 1
        stream = _Stream(self._log, self._faults, request, matches, response)
        generation = self._generation
        try:
            async with asyncio.timeout(float(request.query.get("timeoutSeconds", "3600"))):
                await stream.begin()
                while generation == self._generation and not stream.ended:
                    changed.clear()
                    await stream.catch_up()
                    await changed.wait()
        except TimeoutError:
            await stream.bookmark()
        except ConnectionResetError:
            pass  # the client went away
        finally:
            self.open -= 1
            self._log.wake.remove(changed.set)
        return response


class _Stream:
    def __init__(
        self, log: Log, faults: Faults, request: Request, matches: Matcher, response: web.StreamResponse
    ) -> None:
        self._log, self._faults, self._request = log, faults, request
        self._matches, self._response = matches, response
        self._position = 0
        self.ended = False

    async def begin(self) -> None:
        """Send what stands before the live events."""
        query = self._request.query
        version = query.get("resourceVersion", "")
        initial = query.get("sendInitialEvents") == "true"
        if version not in ("", "0") and not initial:
            self._position = int(version)
            if self._position < self._log.compacted:
                self.ended = True
                await self.send("ERROR", status(410, f"too old resource version: {version}", "Expired"))
            return
        self._position = self._log.version
        for obj in [obj for obj in self._log.objects.values() if self._concerns(obj)]:
            await self.send("ADDED", obj)
        if initial:
            await self.bookmark({INITIAL_EVENTS_END: "true"})

    async def catch_up(self) -> None:
        """Send the events since the last time."""
        for event in self._log.since(self._position):
            self._position = event.version
            seen = self._seen(event)
            if seen is None:
                continue
            outcomes = [(seen, event.obj)]
            for change in self._faults.events:
                outcomes = [result for outcome in outcomes for result in change(*outcome)]
            for type_, obj in outcomes:
                await self.send(type_, obj)

    async def bookmark(self, annotations: Object | None = None) -> None:
        """Tell the position."""
        if self._request.query.get("allowWatchBookmarks") != "true":
            return
        resource = KINDS[self._request.kind].resource
        metadata: Object = {"resourceVersion": str(self._position)}
        if annotations:
            metadata["annotations"] = annotations
        await self.send("BOOKMARK", {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata})

    async def send(self, type_: str, obj: Any) -> None:
        await self._response.write(json.dumps({"type": type_, "object": obj}).encode() + b"\n")

    def _concerns(self, obj: Object) -> bool:
        in_namespace = self._request.namespace in ("", obj["metadata"].get("namespace", ""))
        return obj["kind"] == self._request.kind and in_namespace and self._matches(obj)

    def _seen(self, event: Event) -> str | None:
        """The type under which a stream with a selector sees the event; None when it does not."""
        now = self._concerns(event.obj)
        if event.type != "MODIFIED" or event.previous is None:
            return event.type if now else None
        before = self._concerns(event.previous)
        if now:
            return "MODIFIED" if before else "ADDED"
        return "DELETED" if before else None
