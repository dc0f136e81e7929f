"""Which call gets which fault. Pure: no I/O, no clock."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from .gates import Gate
from .snapshots import Snapshot

READS = frozenset({"get", "list", "watch"})
WRITES = frozenset({"create", "update", "patch", "delete"})

# One name, several, or None for any.
Names = str | Collection[str] | None


@dataclass(frozen=True)
class Call:
    """One request. `subresource` and `name` are empty where the path has none; a create's name is its object's."""

    verb: str
    kind: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    agent: str = ""
    style: str = ""  # of a patch: apply merge json strategic

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return self.verb in WRITES

    def __str__(self) -> str:
        what = f"{self.verb} {self.kind} {self.namespace}/{self.name}"
        return what + (f"/{self.subresource}" if self.subresource else "")


@dataclass(frozen=True)
class Match:
    """True for the calls that have all that is given; `subresource=""` is the object itself, `agent` a prefix."""

    verb: Names = None
    kind: Names = None
    namespace: Names = None
    name: Names = None
    subresource: Names = None
    agent: str = ""
    style: Names = None

    def __call__(self, call: Call) -> bool:
        wanted = (
            (self.verb, call.verb),
            (self.kind, call.kind),
            (self.namespace, call.namespace),
            (self.name, call.name),
            (self.subresource, call.subresource),
            (self.style, call.style),
        )
        return call.agent.startswith(self.agent) and all(fits(names, found) for names, found in wanted)


def fits(names: Names, found: str) -> bool:
    """Whether `found` is the name, or one of the names."""
    if names is None or isinstance(names, str):
        return names is None or names == found
    return found in names


@dataclass(frozen=True)
class Delay:
    """Send it on after `seconds`."""

    seconds: float


@dataclass(frozen=True)
class Refuse:
    """Answer with a Status of this code instead of sending it on; `retry_after` in whole seconds."""

    code: int
    reason: str = ""
    message: str = "refused by the fault proxy"
    retry_after: int | None = None


@dataclass(frozen=True)
class DropBefore:
    """Cut the connection; the call has no effect."""


@dataclass(frozen=True)
class DropAfter:
    """Cut the connection once the call has had its effect."""


@dataclass(frozen=True)
class Hold:
    """Wait at the gate: before the effect, or with `answered` between the effect and its answer."""

    gate: Gate
    answered: bool = False


@dataclass(frozen=True)
class Stale:
    """Answer a read from the snapshot; a watch goes on live from there, once `until` is open."""

    snapshot: Snapshot
    until: Gate | None = None


Action = Delay | Refuse | DropBefore | DropAfter | Hold | Stale

Subject = TypeVar("Subject")
Deed = TypeVar("Deed")


@dataclass
class Rule(Generic[Subject, Deed]):
    """Acts on `times` (None: all) of what matches, after `after` others that match. `hits`: how often it has acted."""

    match: Callable[[Subject], bool]
    action: Deed
    after: int = 0
    times: int | None = 1
    on_hit: Callable[[Subject], None] | None = None
    seen: int = 0
    hits: int = 0

    def offer(self, subject: Subject) -> bool:
        """Count the subject when it matches; whether the rule wants to act on it."""
        if not self.match(subject):
            return False
        self.seen += 1
        return self.seen > self.after and (self.times is None or self.hits < self.times)

    def hit(self, subject: Subject) -> None:
        """Tell the test."""
        if self.on_hit is not None:
            self.on_hit(subject)


@dataclass
class Rules(Generic[Subject, Deed]):
    """Every rule sees every subject; the first that wants to acts."""

    rules: list[Rule[Subject, Deed]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Rule[Subject, Deed]]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    def add(
        self,
        match: Callable[[Subject], bool],
        action: Deed,
        *,
        after: int = 0,
        times: int | None = 1,
        on_hit: Callable[[Subject], None] | None = None,
    ) -> Rule[Subject, Deed]:
        """A rule behind the others."""
        rule = Rule(match, action, after, times, on_hit)
        self.rules.append(rule)
        return rule

    def remove(self, rule: Rule[Subject, Deed]) -> None:
        """From now on it does not act. Raises ValueError when it is not here."""
        self.rules.remove(rule)

    def clear(self) -> None:
        """No rules; what is held stays held."""
        self.rules.clear()

    def decide(self, subject: Subject) -> Rule[Subject, Deed] | None:
        """The rule that acts on this subject, its hit counted."""
        willing = [rule for rule in self.rules if rule.offer(subject)]
        if not willing:
            return None
        willing[0].hits += 1
        return willing[0]
