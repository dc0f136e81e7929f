"""A Service is reached through `kubectl port-forward`; one that has ended is made anew."""

from pathlib import Path

import pytest

from e2e.forward import Forwards
from e2e.stand.shell import StandError

FORWARDS = """#!/bin/sh
printf '%s\\n' "$*" >>{calls}
echo "Forwarding from 127.0.0.1:40123 -> 7070"
echo "Forwarding from [::1]:40123 -> 7070"
exec sleep 60
"""
REFUSES = """#!/bin/sh
echo 'error: services "s3" not found' >&2
exit 1
"""


def kubectl(folder: Path, script: str) -> Forwards:
    program = folder / "kubectl"
    program.write_text(script.format(calls=folder / "calls") if "calls" in script else script)
    program.chmod(0o755)
    return Forwards(program, folder / "kubeconfig")


def test_one_forward_serves_until_it_ends(tmp_path: Path) -> None:
    forwards = kubectl(tmp_path, FORWARDS)
    assert [forwards.address("storage", "s3", 7070) for _ in range(2)] == ["127.0.0.1:40123"] * 2
    calls = tmp_path / "calls"
    assert calls.read_text() == "-n storage port-forward service/s3 :7070\n"
    first, _ = forwards.running["storage", "s3", 7070]
    first.terminate()
    first.wait()
    assert forwards.address("storage", "s3", 7070) == "127.0.0.1:40123"
    second, _ = forwards.running["storage", "s3", 7070]
    second.terminate()
    second.wait()
    assert len(calls.read_text().splitlines()) == 2


def test_what_kubectl_says_is_told(tmp_path: Path) -> None:
    with pytest.raises(StandError, match="not found"):
        kubectl(tmp_path, REFUSES).address("storage", "s3", 7070)
