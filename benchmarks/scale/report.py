"""What a run found, a table of all results that there are, and a picture of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.result import FOLDER
from benchmarks.scale.figures import COMMON, Figures
from benchmarks.scale.options import Options
from benchmarks.scale.plot import draw

Result = dict[str, Any]


def results(folder: Path = FOLDER) -> list[Result]:
    """All results of W1 to W8, by workload, target and number."""
    found = [json.loads(file.read_text()) | {"name": file.stem} for file in folder.glob("W*.json")]
    return sorted(found, key=lambda one: (one["workload"], one["target"], one["n"], one["name"]))


def show(options: Options, figures: Figures, folder: Path = FOLDER) -> None:
    """Print this run's bars and the table."""
    console = Console(width=None if Console().is_terminal else 180)
    console.print(f"[bold]{options.name}[/bold]: written to {folder / options.name}.json")
    for bar in figures.bars:
        console.print(f"  {'[green]met   [/green]' if bar.met else '[red]missed[/red]'} {bar.text()}")
    found = results(folder)
    console.print(_table(found))
    draw(found, folder / "results.svg")
    console.print(f"picture: {folder / 'results.svg'}")


def markdown(folder: Path = FOLDER) -> str:
    """All results as a Markdown table, a line for each, as docs/measurements.md has it."""
    lines = ["| run | " + " | ".join(_title(name) for name in COMMON) + " |", "| --- |" + " ---: |" * len(COMMON)]
    lines += [f"| {one['name']} | " + " | ".join(_text(one[name]) for name in COMMON) + " |" for one in results(folder)]
    bars = ["| run | bar | measured | limit | |", "| --- | --- | ---: | --- | --- |"]
    for one in results(folder):
        for bar in one["bars"]:
            limit = f"{'≥' if bar['least'] else '≤'} {bar['limit']:g} {bar['unit']}".strip()
            verdict = "met" if bar["met"] else "**missed**"
            bars.append(f"| {one['name']} | {bar['name']} | {bar['value']:g} | {limit} | {verdict} |")
    return "\n".join([*lines, "", *bars])


def _title(name: str) -> str:
    return name.replace("_per_", "/").replace("operator_", "").replace("_", " ")


def _table(found: list[Result]) -> Table:
    table = Table(title="all results in build/bench", title_justify="left")
    table.add_column("run", no_wrap=True)
    for name in COMMON:
        table.add_column(_title(name), justify="right")
    table.add_column("bars")
    for one in found:
        missed = [bar["name"] for bar in one["bars"] if not bar["met"]]
        verdict = f"[red]missed: {', '.join(missed)}[/red]" if missed else "[green]met[/green]"
        table.add_row(one["name"], *(_text(one[name]) for name in COMMON), verdict)
    return table


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
