"""A port that was given out is nobody else's, in no process."""

import subprocess
import sys
from pathlib import Path

import pytest

from e2e.stand import ports


def test_none_is_one_that_the_kernel_gives_to_outgoing_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = tmp_path / "range"
    narrow.write_text("15010\t60999\n")
    monkeypatch.setattr(ports, "EPHEMERAL", narrow)
    assert set(ports.free_ports(3)) <= set(range(15_000, 15_010))


def test_no_port_left_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = tmp_path / "range"
    everything.write_text("1024 65535")
    monkeypatch.setattr(ports, "EPHEMERAL", everything)
    with pytest.raises(OSError, match="no free port left in 15000 to 29999"):
        ports.free_ports(1)


def test_a_port_is_given_once_though_nobody_listens() -> None:
    given = ports.free_ports(4)
    assert len(set(given)) == 4
    again = subprocess.run(
        [sys.executable, "-c", f"from e2e.stand import ports; print([ports._reserve(p) for p in {given}])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout.strip() == str([False] * 4)
