"""The record of every request, and the faults that a test may inject around it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentmemory.core.key import Key

Object = dict[str, Any]

READS = frozenset({"get", "list", "watch"})


class Drop(Exception):  # noqa: N818 - an order to the server
    """Raised by a hook: cut the connection without an answer."""


@dataclass(slots=True)
class Request:
    """One request as the server understood it. `code` is 0 until it was answered."""

    number: int
    verb: str  # get list watch create update patch apply delete deletecollection, as in RBAC (apply apart)
    kind: str
    namespace: str
    name: str
    subresource: str | None
    query: Mapping[str, str]
    body: Object | None
    user_agent: str
    code: int = 0

    @property
    def key(self) -> Key:
        """The object asked for; its name is empty for a collection."""
        return Key(self.kind, self.namespace, self.name)

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return self.verb not in READS

    def __str__(self) -> str:
        sub = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {self.kind} {self.namespace}/{self.name}{sub}"


# None: go on; a code, or a code with a Status object: answer that; may sleep, raise Drop, or raise ApiError.
Verdict = int | tuple[int, Object] | None
Hook = Callable[[Request], Awaitable[Verdict] | Verdict]
# (type, object) as the log has it -> what the watcher gets: [] drops it, twice duplicates it.
EventFilter = Callable[[str, Object], list[tuple[str, Object]]]


@dataclass
class Faults:
    """`before` hooks run before the effect, `after` hooks after it (the answer is lost, the effect stays)."""

    before: list[Hook] = field(default_factory=list)
    after: list[Hook] = field(default_factory=list)
    events: list[EventFilter] = field(default_factory=list)

    def clear(self) -> None:
        """No more faults."""
        self.before.clear()
        self.after.clear()
        self.events.clear()


class Requests(list[Request]):
    """All requests since the start or the last `clear()`."""

    def writes(self, *, leases: bool = False) -> list[Request]:
        """Those that may change something, by default without Leases."""
        return [request for request in self if request.is_write and (leases or request.kind != "Lease")]

    def of(self, verb: str, kind: str | None = None) -> list[Request]:
        """Those of a verb, and of a kind."""
        return [request for request in self if request.verb == verb and kind in (None, request.kind)]
