"""Entries of `status.enforcement`: for every declaration whether it is kept, and by what.

Pure helpers; which declaration has which state is for the kind's own package to say.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

from agentmemory.api.base import EnforcementEntry as EnforcementEntry

# Ten thousand families say much the same: equal entries are made, and turned into JSON, once.
SHARED = 2048


@lru_cache(SHARED)
def _entry(
    path: str,
    state: Literal["Enforced", "DependsOnProducer", "DependsOnNetwork", "Unsupported", "Unverified"],
    mechanism: str,
    reason: str,
) -> EnforcementEntry:
    return EnforcementEntry(path=path, state=state, mechanism=mechanism, reason=reason)


@lru_cache(SHARED)
def _as_dict(entry: EnforcementEntry) -> dict[str, Any]:
    return entry.to_dict()


def enforced(path: str, mechanism: str, reason: str = "") -> EnforcementEntry:
    """The cluster keeps it whatever clients do; `mechanism` says by what."""
    return _entry(path, "Enforced", mechanism, reason)


def depends_on_producer(path: str, mechanism: str, reason: str) -> EnforcementEntry:
    """It holds as long as producers keep to the contract that `reason` states."""
    return _entry(path, "DependsOnProducer", mechanism, reason)


def depends_on_network(path: str, mechanism: str, reason: str) -> EnforcementEntry:
    """It holds as long as the network or its policies do what `reason` states."""
    return _entry(path, "DependsOnNetwork", mechanism, reason)


def unsupported(path: str, reason: str) -> EnforcementEntry:
    """Nothing keeps it; `reason` says why and what would."""
    return _entry(path, "Unsupported", "", reason)


def unverified(path: str, mechanism: str, reason: str) -> EnforcementEntry:
    """It has been asked for, and whether it holds could not be looked at yet."""
    return _entry(path, "Unverified", mechanism, reason)


def to_list(entries: Iterable[EnforcementEntry]) -> list[dict[str, Any]]:
    """As the list stands in the status: sorted by path, so that equal findings are equal lists.

    Entries are shared: not to be changed. Raises ValueError when one path has two entries.
    """
    ordered = sorted(entries, key=lambda entry: entry.path)
    for first, second in pairwise(ordered):
        if first.path == second.path:
            raise ValueError(f"two enforcement entries for {first.path}")
    return [_as_dict(entry) for entry in ordered]
