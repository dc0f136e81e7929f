"""Which watch event gets which fault. Pure: what comes in as a line goes out as steps."""

import json
from dataclasses import dataclass
from typing import Any

from .rules import Names, Rules, fits


@dataclass(frozen=True)
class Event:
    """One event of a watch stream."""

    type: str
    kind: str
    namespace: str = ""
    name: str = ""
    version: str = ""
    agent: str = ""


@dataclass(frozen=True)
class EventMatch:
    """True for the events that have all that is given. Bookmarks only when they are asked for."""

    type: Names = ("ADDED", "MODIFIED", "DELETED")
    kind: Names = None
    namespace: Names = None
    name: Names = None
    agent: str = ""

    def __call__(self, event: Event) -> bool:
        wanted = (
            (self.type, event.type),
            (self.kind, event.kind),
            (self.namespace, event.namespace),
            (self.name, event.name),
        )
        return event.agent.startswith(self.agent) and all(fits(names, found) for names, found in wanted)


@dataclass(frozen=True)
class DropEvent:
    """It never arrives."""


@dataclass(frozen=True)
class DelayEvent:
    """It and all that follow it in the stream come `seconds` later."""

    seconds: float


@dataclass(frozen=True)
class DuplicateEvent:
    """It arrives so often."""

    times: int = 2


@dataclass(frozen=True)
class Reorder:
    """It arrives behind the next `after` events, or `within` seconds later when there are none."""

    after: int = 1
    within: float = 1.0


@dataclass(frozen=True)
class CutStream:
    """The connection is cut in its place."""


@dataclass(frozen=True)
class Hang:
    """Nothing arrives from here on, but the connection stays."""


@dataclass(frozen=True)
class Expire:
    """In its place comes an ERROR 410 event, then the stream ends."""


EventAction = DropEvent | DelayEvent | DuplicateEvent | Reorder | CutStream | Hang | Expire
EventRules = Rules[Event, EventAction]


@dataclass(frozen=True)
class Send:
    """Write this line to the watcher."""

    line: bytes


@dataclass(frozen=True)
class Pause:
    """Wait so long."""

    seconds: float


@dataclass(frozen=True)
class End:
    """End the stream properly."""


Step = Send | Pause | CutStream | Hang | End


@dataclass
class _Withheld:
    line: bytes
    behind: int
    within: float


class Faulty:
    """The faults of one stream; it knows what it withholds for later."""

    def __init__(self, kind: str, agent: str, rules: EventRules) -> None:
        self._kind = kind
        self._agent = agent
        self._rules = rules
        self._withheld: list[_Withheld] = []

    @property
    def patience(self) -> float | None:
        """After so many seconds without an event `flush` must be called; None: nothing is withheld."""
        return min((one.within for one in self._withheld), default=None)

    def take(self, line: bytes) -> list[Step]:
        """What to do for this line."""
        if not self._rules and not self._withheld:
            return [Send(line)]
        event = event_of(line, self._kind, self._agent)
        rule = self._rules.decide(event)
        if rule is None:
            return [Send(line), *self._passed()]
        rule.hit(event)
        if isinstance(rule.action, Reorder):
            self._withheld.append(_Withheld(line, rule.action.after, rule.action.within))
            return []
        return [*_steps(rule.action, line, event), *self._passed()]

    def flush(self) -> list[Step]:
        """Everything withheld."""
        withheld, self._withheld = self._withheld, []
        return [Send(one.line) for one in withheld]

    def _passed(self) -> list[Step]:
        for one in self._withheld:
            one.behind -= 1
        due = [one for one in self._withheld if one.behind <= 0]
        self._withheld = [one for one in self._withheld if one.behind > 0]
        return [Send(one.line) for one in due]


def _steps(action: EventAction, line: bytes, event: Event) -> list[Step]:
    match action:
        case DelayEvent(seconds):
            return [Pause(seconds), Send(line)]
        case DuplicateEvent(times):
            return [Send(line)] * times
        case CutStream() | Hang():
            return [action]
        case Expire():
            return [Send(expired(event.version)), End()]
        case _:
            return []


def event_of(line: bytes, kind: str, agent: str) -> Event:
    """The event in a line of a watch of `kind`."""
    content: dict[str, Any] = json.loads(line)
    metadata = content["object"].get("metadata") or {}
    namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
    return Event(content["type"], kind, namespace, name, metadata.get("resourceVersion", ""), agent)


def expired(version: str) -> bytes:
    """What an apiserver sends when a watch's version is too old."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"too old resource version: {version}",
        "reason": "Expired",
        "code": 410,
    }
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
