"""What each engine does by itself when a broker goes: figures of its own code, with where they come from. Pure."""

from dataclasses import dataclass
from datetime import datetime

from agentmemory.engines.registry import engine_of

GIB = 1024**3


@dataclass(frozen=True)
class Recovery:
    """How an engine takes a dead broker's work over."""

    stateless: bool
    """Whether a broker holds nothing that a dead one takes along."""
    failover_loop: float = 0.0
    """Seconds between two looks for nodes whose log has to be replayed."""
    no_failover_before: float = 0.0
    """Seconds from a node's start in which nobody takes its work over."""
    replayed: int = 0
    """Bytes at most that another broker reads back from the write-ahead log."""
    source: str = ""
    """Where these figures come from."""

    def young_for(self, running_since: datetime | None, now: datetime) -> float:
        """Seconds until the node is old enough to be taken over; 0 when it is, or when its age is not known."""
        if running_since is None:
            return 0.0
        age = max(0.0, (now - running_since).total_seconds())  # a person's clock may be behind the cluster's
        return max(0.0, self.no_failover_before - age)


AUTOMQ = Recovery(
    stateless=True,
    failover_loop=1.0,
    no_failover_before=60.0,
    replayed=GIB,
    source="AutoMQ 1.7.3: its failover loop, and maxUnflushedBytes of the write-ahead log",
)


def recovery_of(name: str) -> Recovery:
    """The engine's figures. Raises Invalid for an engine that this release does not know."""
    if name == "automq":
        return AUTOMQ
    return Recovery(stateless=engine_of(name).capabilities.stateless_brokers)
