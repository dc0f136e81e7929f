"""The last screen of the demo: what was made, what the client did, how long it took, how to look further."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from e2e.demo.recorder import Recorder


def made(facts: dict[str, Any]) -> Table:
    table = Table(title="What was made", title_justify="left")
    for column in ("kind", "namespace", "name", "ready"):
        table.add_column(column)
    for item in facts["objects"]:
        table.add_row(item["kind"], item["namespace"], item["name"], item["ready"])
    return table


def events(facts: dict[str, Any]) -> Table:
    table = Table(title="What the agent left, by type", title_justify="left")
    for column in ("event type", "written", "context builder", "audit", "audit's replay"):
        table.add_column(column, justify="left" if column == "event type" else "right")
    for kind, count in facts["written"]["byType"].items():
        readers = (facts[reader]["byType"].get(kind, 0) for reader in ("contextBuilder", "audit", "replay"))
        table.add_row(kind, str(count), *(str(n) for n in readers))
    return table


def timings(recorder: Recorder) -> Table:
    table = Table(title="How long it took", title_justify="left")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for step in recorder.steps:
        table.add_row(step["step"], f"{step['seconds']:.1f}")
    table.add_row("[bold]all[/bold]", f"[bold]{recorder.seconds:.1f}[/bold]")
    return table


def replaced(fault: dict[str, Any]) -> str:
    if fault["replacement"] == fault["pod"]:
        return "made it again with its identity"
    return f"put {fault['replacement']} in its place, with no data moved"


def show(console: Console, recorder: Recorder, kubeconfig: str, kubectl: str) -> None:
    facts = recorder.facts
    fault = facts["fault"]
    records = facts["records"]
    console.print()
    console.print(made(facts))
    console.print(events(facts))
    console.print(timings(recorder))
    console.print(
        Panel(
            f"When the pod of broker {fault['pod']} was killed, the operator {replaced(fault)}; it was "
            f"registered after {fault['secondsUntilBack']:.1f} s.\n"
            f"{records['produced']} events were acknowledged in all, {records['readBack']} read back, "
            f"[bold]{records['lost']} lost[/bold].",
            title="What work must happen when a broker disappears?",
            title_align="left",
        )
    )
    console.print("Look further:")
    console.print(f"  export KUBECONFIG={kubeconfig}", soft_wrap=True)
    for command in (
        "get agentmemory -A",
        "-n support-agents describe topicfamily trail",
        "-n support-agents get secret support-bot-kafka -o yaml",
        "-n memory-system get pods,pvc -o wide",
        "-n agent-memory-operator logs deployment/agent-memory-operator-platform",
    ):
        console.print(f"  {kubectl} {command}", soft_wrap=True)
    console.print("The same facts: build/demo.json. Remove all of it: make demo-down")
