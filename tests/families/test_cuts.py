"""Which changes throw records away, so that they are paced."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.families import desired
from agentmemory.families.model import Needs, Seen

HOUR = 3_600_000

# what: the settings found, the changes to them, whether records go earlier than they would have
CHANGES: dict[str, tuple[dict[str, str], dict[str, str | None], bool]] = {
    "nothing": ({"retention.ms": "5"}, {}, False),
    "another setting": ({}, {"compression.type": "zstd"}, False),
    "shorter": ({"retention.ms": f"{10 * HOUR}"}, {"retention.ms": f"{9 * HOUR}"}, True),
    "longer, as numbers and not as texts": ({"retention.ms": f"{9 * HOUR}"}, {"retention.ms": f"{10 * HOUR}"}, False),
    "the same": ({"retention.ms": "5"}, {"retention.ms": "5"}, False),
    "at last a time": ({"retention.ms": "-1"}, {"retention.ms": "5"}, True),
    "a time where none is set": ({}, {"retention.ms": "5"}, True),
    "for ever": ({"retention.ms": "5"}, {"retention.ms": "-1"}, False),
    "no more time of its own": ({"retention.ms": "5"}, {"retention.ms": None}, False),
    "no time at all": ({"retention.ms": "5"}, {"retention.ms": "0"}, True),
    "zero is not more than zero": ({"retention.ms": "0"}, {"retention.ms": "0"}, False),
    "smaller": ({"retention.bytes": "1000"}, {"retention.bytes": "999"}, True),
    "larger": ({"retention.bytes": "999"}, {"retention.bytes": "1000"}, False),
    "at last a size": ({"retention.ms": "5"}, {"retention.bytes": "1"}, True),
    "longer and smaller": (
        {"retention.ms": "5", "retention.bytes": "5"},
        {"retention.ms": "6", "retention.bytes": "4"},
        True,
    ),
    "compacted topics begin to expire": ({"cleanup.policy": "compact"}, {"cleanup.policy": "compact,delete"}, True),
    "compacted topics expire only": ({"cleanup.policy": "compact"}, {"cleanup.policy": "delete"}, True),
    "they expired before": ({"cleanup.policy": "compact,delete"}, {"cleanup.policy": "delete"}, False),
    "they expire no more": ({"cleanup.policy": "delete"}, {"cleanup.policy": "compact"}, False),
    "still compacted": ({"cleanup.policy": "compact"}, {"compression.type": "zstd"}, False),
    "policy is the broker's": ({"cleanup.policy": "compact"}, {"cleanup.policy": None}, False),
    "no policy was set": ({}, {"cleanup.policy": "delete"}, False),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_cuts(case: str) -> None:
    found, changes, cuts = CHANGES[case]
    seen = {"a": Seen("id-a", 4, found), "b": Seen("id-b", 2, {})}
    needed = Needs((), {}, {"a": changes, "b": {"compression.type": "zstd"}})
    assert desired.cuts(needed, seen) == ({"a": seen["a"]} if cuts else {})


limits = st.one_of(st.none(), st.integers(-1, 20).map(str))


@given(old=limits, new=limits)
def test_a_change_and_its_way_back_never_both_spare_everything(old: str | None, new: str | None) -> None:
    def cut(before: str | None, then: str | None) -> bool:
        found = {} if before is None else {"retention.ms": before}
        return bool(desired.cuts(Needs((), {}, {"a": {"retention.ms": then}}), {"a": Seen("i", 1, found)}))

    if None not in (old, new) and old != new:
        assert cut(old, new) != cut(new, old)


def test_without_leaves_the_rest() -> None:
    changes: dict[str, Any] = {"a": {"retention.ms": "5"}, "b": {"retention.ms": "6"}}
    needed = Needs((), {"a": 7, "b": 8}, changes)
    assert desired.without(needed, {"a"}) == Needs((), {"a": 7, "b": 8}, {"b": {"retention.ms": "6"}})
    assert desired.without(needed, ()) == needed
