"""Counts requests in the API server's audit log: who wrote what, between two instants."""

import datetime
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class Request(NamedTuple):
    """What is counted: `subresource` is "" for the object itself, `code` the HTTP status."""

    user: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    at: datetime.datetime

    @property
    def is_write(self) -> bool:
        return self.verb in WRITES


class Kind(NamedTuple):
    user: str
    verb: str
    resource: str
    subresource: str


@dataclass(frozen=True)
class AuditLog:
    """The log file of one API server."""

    file: Path

    def requests(
        self, since: datetime.datetime | None = None, until: datetime.datetime | None = None
    ) -> Iterator[Request]:
        """The requests received in [since, until) in the order in which they were answered; times must be aware.

        A watch counts once, when it has begun; a line that is still being written is left for the next look.
        """
        with self.file.open() as lines:
            for line in lines:
                if not line.endswith("\n"):
                    return
                request = _request(json.loads(line))
                if request and (since is None or request.at >= since) and (until is None or request.at < until):
                    yield request

    def count(
        self, since: datetime.datetime | None = None, until: datetime.datetime | None = None, user: str = ""
    ) -> Counter[Kind]:
        """How many requests of each user, verb, resource and subresource; `user` narrows to one (its whole name)."""
        return Counter(
            Kind(request.user, request.verb, request.resource, request.subresource)
            for request in self.requests(since, until)
            if user in ("", request.user)
        )

    def writes(
        self, since: datetime.datetime | None = None, until: datetime.datetime | None = None, user: str = ""
    ) -> list[Request]:
        """The writing requests, refused ones too."""
        return [r for r in self.requests(since, until) if r.is_write and user in ("", r.user)]


def service_account(namespace: str, name: str) -> str:
    """The name under which a ServiceAccount appears."""
    return f"system:serviceaccount:{namespace}:{name}"


def _request(event: dict[str, Any]) -> Request | None:
    wanted = "ResponseStarted" if event["verb"] == "watch" else "ResponseComplete"
    if event["stage"] not in (wanted, "Panic"):
        return None
    about = event.get("objectRef", {})
    return Request(
        user=event["user"]["username"],
        verb=event["verb"],
        resource=about.get("resource", ""),
        subresource=about.get("subresource", ""),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        code=int(event.get("responseStatus", {}).get("code", 0)),
        at=datetime.datetime.fromisoformat(event["requestReceivedTimestamp"].replace("Z", "+00:00")),
    )
