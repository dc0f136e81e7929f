"""The result file and the table."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.mutation.tree import ROOT
from benchmarks.mutation.verdicts import Score, total

FILE = ROOT / "build" / "bench" / "mutation.json"
BAR = 0.8
"""The least share of mutants that the tests must notice, in each part."""
_COLUMNS = ("mutants", "killed", "timed_out", "survived", "no_tests", "other")


def part_result(scores: Mapping[str, Score], seconds: float) -> dict[str, Any]:
    """One part's figures; `seconds` is the wall time of its run."""
    whole = total(scores.values())
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        **whole.to_dict(),
        "bar": BAR,
        "met": whole.share >= BAR,
        "modules": {name: score.to_dict() for name, score in scores.items()},
        "survivors": whole.survivors,
    }


def write(parts: Mapping[str, dict[str, Any]]) -> Path:
    """Put these parts into the result file; parts of earlier runs stay, each with its date."""
    known = json.loads(FILE.read_text())["parts"] if FILE.exists() else {}
    content = {
        "workload": "mutation",
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "tool": f"mutmut {version('mutmut')}",
        "parts": known | dict(parts),
    }
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(content, indent=2) + "\n")
    return FILE


def show(parts: Mapping[str, dict[str, Any]], console: Console) -> None:
    """A line for each module, a sum for each part."""
    table = Table(title="mutation", title_justify="left")
    table.add_column("module")
    for column in (*_COLUMNS, "noticed", "left out", "with them"):
        table.add_column(column.replace("_", " "), justify="right")
    for name, part in parts.items():
        for module, figures in part["modules"].items():
            table.add_row(module.removeprefix("agentmemory/"), *_cells(figures))
        met = "[green]met[/green]" if part["met"] else "[red]missed[/red]"
        table.add_row(f"[bold]{name}[/bold] ({part['seconds']:.0f} s) {met}", *_cells(part), end_section=True)
    console.print(table)


def _cells(figures: Mapping[str, Any]) -> list[str]:
    return [
        *(str(figures[column]) for column in _COLUMNS),
        f"{figures['share']:.1%}",
        str(sum(figures["left_out"].values())),
        f"{figures['share_with_left_out']:.1%}",
    ]
