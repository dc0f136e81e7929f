"""Writes every generated file of the repository; with --check only says which one differs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CRDS = ROOT / "crds"
CHART_CRDS = ROOT / "charts" / "agent-memory-operator" / "files" / "crds"


def chart_copies(check: bool) -> list[str]:
    """Keep the chart's copies of the CRDs equal to crds/; returns the names that differed."""
    wanted = {path.name: path.read_text() for path in CRDS.glob("*.yaml")}
    present = {path.name: path.read_text() for path in CHART_CRDS.glob("*.yaml")}
    differing = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    if check:
        return differing
    CHART_CRDS.mkdir(parents=True, exist_ok=True)
    for name in differing:
        if name in wanted:
            (CHART_CRDS / name).write_text(wanted[name])
        else:
            (CHART_CRDS / name).unlink()
    return []


def main() -> int:
    check = "--check" in sys.argv[1:]
    command = [sys.executable, "-m", "agentmemory.api.crdgen", *(["--check"] if check else [])]
    if subprocess.run(command, cwd=ROOT, env=None).returncode:
        return 1
    differing = chart_copies(check)
    for name in differing:
        print(f"{CHART_CRDS.relative_to(ROOT) / name} differs from crds/{name}: run `make generate`")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
