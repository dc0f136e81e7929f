"""Holds the branch coverage of the pure parts: core, domain, api and every policy.py and desired.py."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path

from coverage import Coverage

BAR = 95.0
GATES = {
    "core": lambda path: "/core/" in path,
    "domain": lambda path: "/domain/" in path,
    "api": lambda path: "/api/" in path,
    "policy.py": lambda path: path.endswith("/policy.py"),
    "desired.py": lambda path: path.endswith("/desired.py"),
}


def measure() -> dict[str, dict[str, int]]:
    """Per file: statements and branches, all and covered."""
    coverage = Coverage()
    coverage.load()
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        coverage.json_report(outfile=report.name)
        return {path: facts["summary"] for path, facts in json.load(Path(report.name).open())["files"].items()}


def percent(files: list[dict[str, int]]) -> float:
    everything = sum(f["num_statements"] + f["num_branches"] for f in files)
    covered = sum(f["covered_lines"] + f["covered_branches"] for f in files)
    return 100.0 * covered / everything if everything else 0.0


def main() -> int:
    files = measure()
    failed = False
    out = io.StringIO()
    for gate, chosen in GATES.items():
        members = {path: facts for path, facts in files.items() if chosen("/" + path)}
        value = percent(list(members.values()))
        failed |= value < BAR
        out.write(f"coverage {gate:<11}{value:6.1f} %  {'ok' if value >= BAR else f'BELOW {BAR:.0f} %'}\n")
        if value < BAR:
            for path, facts in sorted(members.items(), key=lambda item: percent([item[1]]))[:10]:
                out.write(f"    {percent([facts]):6.1f} %  {path}\n")
    print(out.getvalue(), end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
