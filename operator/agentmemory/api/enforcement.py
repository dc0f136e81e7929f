"""Entries of `status.enforcement`: for every declaration whether it is kept, and by what.

Pure helpers; which declaration has which state is for the kind's own package to say.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from agentmemory.api.base import EnforcementEntry as EnforcementEntry


def enforced(path: str, mechanism: str, reason: str = "") -> EnforcementEntry:
    """The cluster keeps it whatever clients do; `mechanism` says by what."""
    return EnforcementEntry(path=path, state="Enforced", mechanism=mechanism, reason=reason)


def depends_on_producer(path: str, mechanism: str, reason: str) -> EnforcementEntry:
    """It holds as long as producers keep to the contract that `reason` states."""
    return EnforcementEntry(path=path, state="DependsOnProducer", mechanism=mechanism, reason=reason)


def depends_on_network(path: str, mechanism: str, reason: str) -> EnforcementEntry:
    """It holds as long as the network or its policies do what `reason` states."""
    return EnforcementEntry(path=path, state="DependsOnNetwork", mechanism=mechanism, reason=reason)


def unsupported(path: str, reason: str) -> EnforcementEntry:
    """Nothing keeps it; `reason` says why and what would."""
    return EnforcementEntry(path=path, state="Unsupported", reason=reason)


def unverified(path: str, mechanism: str, reason: str) -> EnforcementEntry:
    """It has been asked for, and whether it holds could not be looked at yet."""
    return EnforcementEntry(path=path, state="Unverified", mechanism=mechanism, reason=reason)


def to_list(entries: Iterable[EnforcementEntry]) -> list[dict[str, Any]]:
    """As the list stands in the status: sorted by path, so that equal findings are equal lists.

    Raises ValueError when one path has two entries: the list is a map by path.
    """
    ordered = sorted(entries, key=lambda entry: entry.path)
    for first, second in pairwise(ordered):
        if first.path == second.path:
            raise ValueError(f"two enforcement entries for {first.path}")
    return [entry.to_dict() for entry in ordered]
