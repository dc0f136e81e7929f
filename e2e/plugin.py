"""`kubectl memory` from a person's machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from e2e.kubectl import Kubectl

OPERATOR = Path(__file__).resolve().parent.parent / "operator"
COMMAND = [sys.executable, "-c", "from agentmemory.cli import kubectl; kubectl()"]


def memory(kubectl: Kubectl, *args: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, what is printed with `-o json`, and what was said on the way."""
    done = subprocess.run(
        [*COMMAND, *args, "-o", "json"],
        env={**os.environ, "KUBECONFIG": str(kubectl.kubeconfig), "PYTHONPATH": str(OPERATOR)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def places(kubectl: Kubectl, namespace: str, cluster: str) -> dict[str, tuple[str, str]]:
    """Where a MemoryCluster's data rests: region and state of each place, by `kubectl memory where`."""
    code, told, said = memory(kubectl, "where", f"cluster/{cluster}", "-n", namespace)
    assert code == 0, said
    return {place["name"]: (place["region"], place["state"]) for place in told["items"][0]["places"]}
