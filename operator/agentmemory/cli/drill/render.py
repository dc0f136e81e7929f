"""A plan or a report as a screen for people, or as JSON for programs."""

import json
from dataclasses import asdict
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.filesize import decimal
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agentmemory.cli.drill.model import Report
from agentmemory.cli.drill.plan import Plan
from agentmemory.cli.drill.probe import Measured
from agentmemory.cli.drill.watch import MILESTONES

BAR = 12
UNKNOWN = "not known"


def to_json(report: Report) -> str:
    """Everything, with the names of the dataclasses' fields in camelCase; seconds and bytes as numbers."""
    made = _camel(asdict(report.plan)) | {"ran": report.ran}
    if report.ran:
        made |= {
            "fine": report.fine,
            "seconds": {name: _rounded(report.reached.get(name)) for name in MILESTONES},
            "missing": list(report.missing),
            "replacedBy": report.heir,
            "poolSays": report.said,
            "bytesCopied": {"data": report.copied, "how": report.copied_how},
            "probe": None if report.probe is None else _camel(asdict(report.probe)),
            "notMeasured": list(report.not_measured),
        }
    return json.dumps(made, indent=2)


def show(report: Report, console: Console) -> None:
    """The screen."""
    plan = report.plan
    parts: list[RenderableType] = [_head(plan), _steps(report)]
    parts += _result(report) if report.ran else _prospect(plan)
    console.print(Panel(Group(*parts), title="kubectl memory drill broker-loss", title_align="left", padding=(1, 2)))


def _head(plan: Plan) -> Text:
    leads = UNKNOWN if plan.leads is None else str(plan.leads)
    hosts = UNKNOWN if plan.hosts is None else str(plan.hosts)
    words = Text()
    words.append(f"MemoryCluster {plan.cluster}", style="bold")
    words.append(f", engine {plan.engine}\nbroker {plan.broker} (pod {plan.pod}); partitions it leads: {leads}; ")
    words.append(f"of which it has a copy: {hosts}\n")
    return words


def _steps(report: Report) -> Table:
    plan, ran = report.plan, report.ran
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("step", min_width=18)
    table.add_column("who", min_width=11)
    if ran:
        table.add_column("measured", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True, width=BAR)
    table.add_column("expected by", justify="right", min_width=8)
    table.add_column("where that comes from", style="dim", min_width=18)
    longest = max([*report.reached.values(), 0.001])
    for step in plan.steps:
        row: list[RenderableType] = [step.what, step.who]
        if ran:
            at = report.reached.get(step.name)
            row += [_measured(step.name, at, report), _bar(at, longest)]
        table.add_row(*row, "unknown" if step.by is None else f"{step.by:.0f} s", step.source)
    return table


def _measured(name: str, at: float | None, report: Report) -> Text:
    if at is not None:
        return Text(f"{at:.1f} s", style="green")
    return Text("missing", style="red") if name in report.missing else Text("not seen", style="dim")


def _bar(at: float | None, longest: float) -> Text:
    return Text("" if at is None else "━" * max(1, round(at / longest * BAR)), style="cyan")


def _prospect(plan: Plan) -> list[RenderableType]:
    """What a plan says besides its steps."""
    words = Text("\n")
    _line(words, "to be copied", plan.copies.words)
    _line(words, "a person must do", plan.person)
    _list(words, "when its machine is lost for good", plan.machine)
    _list(words, "not known", plan.unknown)
    if plan.refusals:
        _list(words, "a run would be refused now", [f"{found.reason}: {found.message}" for found in plan.refusals])
    else:
        words.append("\nNothing was done. To do it: add --run --yes")
    return [words]


def _result(report: Report) -> list[RenderableType]:
    words = Text("\n")
    size = UNKNOWN if report.copied is None else decimal(report.copied)
    _line(words, "bytes copied", f"{size} ({report.copied_how})")
    if report.heir is not None:
        _line(words, "replaced by", f"pod {report.heir}")
    if report.probe is not None:
        _probe(words, report.probe)
    if report.said:
        _line(words, "the BrokerPool says", report.said)
    _list(words, "not measured", report.not_measured)
    if report.fine:
        words.append("\nAll came back.", style="bold green")
    else:
        missing = ", ".join(MILESTONES[name] for name in report.missing)
        words.append(f"\nNot within the time: {missing or 'see the records above'}.", style="bold red")
    return [words]


def _probe(words: Text, probe: Measured) -> None:
    _line(
        words,
        "records",
        f"{probe.acknowledged_before} acknowledged before the loss, {probe.acknowledged} in all; lost: {probe.lost}; "
        f"never answered: {probe.unacknowledged} (topic {probe.topic}, {probe.partitions} partitions)",
    )
    if probe.affected:
        first, pause, over = map(_seconds, (probe.first_after, probe.longest_pause, probe.pause_over))
        _line(words, "first acknowledged after it", f"{first}, on a partition that the broker led ({probe.affected})")
        _line(words, "longest pause of one partition", f"{pause}, over {over} after the loss")


def _line(words: Text, name: str, value: str) -> None:
    words.append(f"{name}: ", style="bold")
    words.append(f"{value}\n")


def _list(words: Text, name: str, values: "list[str] | tuple[str, ...]") -> None:
    if not values:
        return
    words.append(f"{name}:\n", style="bold")
    for value in values:
        words.append(f"  - {value}\n")


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {_name(name): _camel(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_camel(item) for item in value]
    return round(value, 2) if isinstance(value, float) else value


def _name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
