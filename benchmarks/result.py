"""Figures against their bars: one JSON file a workload, one table."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).resolve().parent.parent / "build" / "bench"


@dataclass(frozen=True)
class Figure:
    """One measurement; `bar` is the most that it may be, in `unit`."""

    name: str
    value: float
    unit: str
    bar: float
    note: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.bar


@dataclass
class Result:
    workload: str
    figures: list[Figure] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: float, unit: str, bar: float, note: str = "") -> None:
        self.figures.append(Figure(name, round(value, 3), unit, bar, note))

    def write(self) -> Path:
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{self.workload}.json"
        content = {
            "workload": self.workload,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
            "figures": [asdict(figure) | {"met": figure.met} for figure in self.figures],
            "details": self.details,
        }
        path.write_text(json.dumps(content, indent=2) + "\n")
        return path

    def show(self, console: Console) -> None:
        table = Table(title=f"{self.workload}", title_justify="left")
        for column in ("figure", "measured", "bar", "", "note"):
            table.add_column(column, justify="right" if column in ("measured", "bar") else "left")
        for figure in self.figures:
            verdict = "[green]met[/green]" if figure.met else "[red]missed[/red]"
            table.add_row(
                figure.name, f"{figure.value:g} {figure.unit}", f"{figure.bar:g} {figure.unit}", verdict, figure.note
            )
        console.print(table)
