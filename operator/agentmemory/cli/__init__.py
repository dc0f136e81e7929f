"""The command lines: the operator's own (`cli`), and `kubectl memory` (`kubectl`, in cli/plugin.py)."""

import os
import sys
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from agentmemory.version import VERSION

cli = typer.Typer(
    help="Keeps the durable memory of AI agents on a Kafka-compatible cluster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cli.command()
def run(
    role: Annotated[str | None, typer.Option(help="platform, tenant or all [env: AGENTMEMORY_ROLE]")] = None,
) -> None:
    """Run the operator until SIGTERM. Everything else is set by AGENTMEMORY_* variables (see the chart)."""
    from agentmemory.app import main  # seconds of imports that `version` and `--help` need not wait for

    raise typer.Exit(_until_complete(main(os.environ, role)))


@cli.command(name="release-finalizers")
def release_finalizers() -> None:
    """Take the operator's finalizer off every object, before it is uninstalled. Data in Kafka stays as it is."""
    from agentmemory.cli.finalizers import main

    raise typer.Exit(_until_complete(main(os.environ)))


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(VERSION)


def kubectl() -> None:
    """The executable `kubectl-memory`, which kubectl runs for `kubectl memory`."""
    from agentmemory.cli.plugin import plugin

    plugin(prog_name="kubectl memory")


def _until_complete(main: Coroutine[Any, Any, int]) -> int:
    if sys.platform == "linux":
        import uvloop

        return uvloop.run(main)
    import asyncio

    return asyncio.run(main)
