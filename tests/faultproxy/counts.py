"""How often was called what, as it went over the wire."""

from collections import Counter
from collections.abc import Collection

from .rules import WRITES, Call, Match, Names

# verb, kind, subresource, user agent
Line = tuple[str, str, str, str]


class Counts:
    """Calls since the start or the last `clear`, refused ones and lost ones included."""

    def __init__(self) -> None:
        self._lines: Counter[Line] = Counter()

    def add(self, call: Call) -> None:
        """One more."""
        self._lines[call.verb, call.kind, call.subresource, call.agent] += 1

    def clear(self) -> None:
        """Begin again at zero."""
        self._lines.clear()

    def total(self, *, verb: Names = None, kind: Names = None, subresource: Names = None, agent: str = "") -> int:
        """Calls of these verbs, kinds and subresources by agents that begin so."""
        match = Match(verb=verb, kind=kind, subresource=subresource, agent=agent)
        return sum(number for line, number in self._lines.items() if match(_call(line)))

    def writes(self, *, but: Collection[str] = (), agent: str = "") -> int:
        """Calls that may change something, without those of the kinds `but`."""
        kinds = {kind for _, kind, _, _ in self._lines} - set(but)
        return self.total(verb=WRITES, kind=kinds, agent=agent)

    def table(self) -> dict[str, int]:
        """`verb Kind[/subresource] agent` -> number, the most frequent first."""
        return {_text(line): number for line, number in self._lines.most_common()}


def _call(line: Line) -> Call:
    verb, kind, subresource, agent = line
    return Call(verb, kind, subresource=subresource, agent=agent)


def _text(line: Line) -> str:
    verb, kind, subresource, agent = line
    return f"{verb} {kind}{'/' if subresource else ''}{subresource} {agent}".strip()
