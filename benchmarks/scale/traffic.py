"""Calls to the API server as it saw them itself, by who made them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from agentmemory.kube.resources import RESOURCES

OPERATOR = "agent-memory-operator"
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
KIND_OF = {resource.plural: resource.kind for resource in RESOURCES.values()}


class Call(NamedTuple):
    agent: str
    verb: str
    kind: str
    subresource: str


class Traffic(Counter[Call]):
    """How often each call was made in some time."""

    def of_operator(self) -> Traffic:
        """The operator's own calls, its Leases left out."""
        return Traffic(
            {call: count for call, count in self.items() if call.agent.startswith(OPERATOR) and call.kind != "Lease"}
        )

    def number(self, *verbs: str, kind: str | None = None) -> int:
        return sum(count for call, count in self.items() if call.verb in verbs and kind in (None, call.kind))

    def writes(self) -> int:
        return self.number(*WRITES)

    def by_name(self) -> dict[str, int]:
        """`patch TopicFamily/status`: count, the largest first; whoever made them."""
        named: Counter[str] = Counter()
        for call, count in self.items():
            named[f"{call.verb} {call.kind}".strip() + (f"/{call.subresource}" if call.subresource else "")] += count
        return dict(named.most_common())


def of_audit(file: Path, begin: int) -> Traffic:
    """The requests that the audit log has from this offset on."""
    found = Traffic()
    with file.open("rb") as log:
        log.seek(begin)
        found.update(_calls(log))
    return found


def _calls(lines: Iterator[bytes]) -> Iterator[Call]:
    for line in lines:
        if not line.endswith(b"\n"):
            return
        event = orjson.loads(line)
        if event["stage"] != ("ResponseStarted" if event["verb"] == "watch" else "ResponseComplete"):
            continue
        agent, about = event.get("userAgent", ""), event.get("objectRef")
        if about is None:
            yield Call(agent, "discover", "", "")
            continue
        kind = KIND_OF.get(about["resource"], about["resource"])
        yield Call(agent, event["verb"], kind, about.get("subresource", ""))
