"""`kubectl memory where`: the places where data rests, and what verified each of them."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentmemory.cli.options import Context, Kubeconfig, Namespace, Output, OutputOption

if TYPE_CHECKING:
    from agentmemory.cli.reach import Flags
    from agentmemory.cli.whereabouts import Whereabouts

VIOLATED = 1
"""Exit code when some place is not in its region; see `errands` for the others."""
_COLOURS = {"Verified": "green", "Declared": "yellow", "Violated": "bold red", "Unknown": "yellow"}


def where(
    kind: Annotated[str, typer.Argument(help="cluster, tenant or family; or kind/name.")] = "cluster",
    name: Annotated[str | None, typer.Argument(help="Its name; default: all of the namespace.")] = None,
    everywhere: Annotated[bool, typer.Option("-A", "--all-namespaces", help="In all namespaces.")] = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Where does the data rest, and who says so? Exit codes: 0 fine, 1 a place is elsewhere, 2 refused."""
    from agentmemory.cli import errands
    from agentmemory.cli.reach import Flags

    kind, _, behind = kind.partition("/")
    if behind and name is not None:
        raise typer.BadParameter(f"{kind}/{behind} has its name already; leave {name} out")
    chosen = behind or name
    if everywhere and chosen is not None:
        raise typer.BadParameter(f"{chosen} is in one namespace; give -n instead of -A")
    flags = Flags(namespace, kubeconfig, context)
    errands.perform(seek(flags, kind, chosen, output, os.environ, everywhere=everywhere))


async def seek(
    flags: "Flags", word: str, name: str | None, output: Output, environ: Mapping[str, str], *, everywhere: bool
) -> int:
    """Reads, prints, and returns the exit code. Raises OperatorError."""
    from agentmemory.cli.reach import reach
    from agentmemory.cli.whereabouts import Seeker, kind_of

    kind = kind_of(word)
    async with reach(flags, environ) as way:
        found = await Seeker(way.kube).find(kind, None if everywhere else way.namespace, name)
        if output is Output.JSON:
            typer.echo(json.dumps({"items": [as_dict(one) for one in found]}, indent=2))
        else:
            place = "any namespace" if everywhere else f"namespace {way.namespace}"
            show(found, f"no {kind} in {place}")
    return VIOLATED if any(one.state == "Violated" for one in found) else 0


def as_dict(one: "Whereabouts") -> dict[str, Any]:
    """For programs; lists and fields are always there."""
    return {
        "kind": one.object.kind,
        "namespace": one.object.namespace,
        "name": one.object.name,
        "state": one.state,
        "message": one.message,
        "chain": [{"object": link.object, "says": link.says, "regions": [*link.regions]} for link in one.chain],
        "places": [dict(place) for place in one.places],
    }


def show(found: Sequence["Whereabouts"], nothing: str) -> None:
    """For people."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False)
    if not found:
        console.print(nothing, markup=False)
    for one in found:
        _show_one(console, one)


def _show_one(console: Any, one: "Whereabouts") -> None:
    from rich.table import Table
    from rich.text import Text

    title = Text(f"{one.object.kind} {one.object.namespace}/{one.object.name}: ")
    console.print(title.append(one.state, _COLOURS[one.state]))
    for link in one.chain:
        console.print(f"  {link.object} {link.says} {', '.join(link.regions) or _silence(link.object)}", markup=False)
    if one.message:
        console.print(Text(f"  {one.message}", _COLOURS[one.state]))
    if one.places:
        table = Table("PLACE", "REGION", "STATE", "BY", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for place in one.places:
            state = place.get("state", "")
            cells = (place.get("name", ""), place.get("region", "-"), Text(state, _COLOURS.get(state, "")))
            table.add_row(cells[0], cells[1], cells[2], Text(place.get("by", "")))
        console.print(table)
    console.print()


def _silence(of: str) -> str:
    return "its cluster's region" if of.startswith("MemoryTenant ") else "no region"
