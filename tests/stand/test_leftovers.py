"""`down` leaves nothing, and what the kernel is still taking away is no leftover."""

from pathlib import Path

import pytest

from e2e.stand import leftovers
from e2e.stand.shell import StandError


def test_what_the_kernel_takes_away_in_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looks = [["network interface amstand-n2"], ["network interface amstand-n2"], []]
    monkeypatch.setattr(leftovers, "found", lambda _: looks.pop(0) if len(looks) > 1 else looks[0])
    leftovers.demand_nothing(tmp_path)
    assert looks == [[]]


def test_what_stays_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(leftovers, "found", lambda _: ["mount /a", "process etcd of b"])
    with pytest.raises(StandError, match=r"mount /a\n  process etcd of b"):
        leftovers.demand_nothing(tmp_path, seconds=0.2)
