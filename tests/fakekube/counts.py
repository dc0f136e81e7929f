"""How often who asked for what: the counts that a fake in a process of its own keeps instead of a record."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .requests import READS, Request

Object = dict[str, Any]


@dataclass(frozen=True)
class Count:
    """So many requests of one sort. An apply counts as a `patch`, as RBAC and audit logs see it."""

    verb: str
    kind: str
    subresource: str | None
    user_agent: str
    count: int


class Counts:
    """Requests by verb, kind, subresource and user agent."""

    def __init__(self, counts: Iterable[Count] = ()) -> None:
        self._counter: Counter[tuple[str, str, str | None, str]] = Counter()
        for one in counts:
            self._counter[(one.verb, one.kind, one.subresource, one.user_agent)] += one.count

    @classmethod
    def of_json(cls, found: list[Object]) -> "Counts":
        """From what `as_json` made."""
        return cls(Count(**one) for one in found)

    def add(self, request: Request) -> None:
        """One more."""
        verb = "patch" if request.verb == "apply" else request.verb
        self._counter[(verb, request.kind, request.subresource, request.user_agent)] += 1

    def clear(self) -> None:
        """From zero."""
        self._counter.clear()

    def as_json(self) -> list[Object]:
        """Sorted, one object for each sort of request."""
        keys = sorted(self._counter, key=str)
        names = ("verb", "kind", "subresource", "user_agent")
        return [dict(zip(names, key, strict=True)) | {"count": self._counter[key]} for key in keys]

    def of(
        self, verb: str | None = None, kind: str | None = None, subresource: str | None = None, user_agent: str = ""
    ) -> int:
        """How many fit: None fits all, `user_agent` is how it starts."""
        wanted = (verb, kind, subresource)
        return sum(
            count
            for (*key, agent), count in self._counter.items()
            if all(one in (None, found) for one, found in zip(wanted, key, strict=True))
            and agent.startswith(user_agent)
        )

    def writes(self, user_agent: str = "", *, leases: bool = False) -> int:
        """How many may have changed something, by default without Leases."""
        return sum(
            count
            for (verb, kind, _, agent), count in self._counter.items()
            if verb not in READS and (leases or kind != "Lease") and agent.startswith(user_agent)
        )
