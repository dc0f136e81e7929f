"""`kubectl memory`: what a person asks of a cluster. kubectl finds it as the executable `kubectl-memory`.

A new command is a function in a module of its own, whose heavy imports are inside it; it is added here.
"""

import typer

from agentmemory.cli.drill import drill
from agentmemory.cli.where import where
from agentmemory.version import VERSION

plugin = typer.Typer(
    name="kubectl memory",
    help="The durable memory of AI agents: where it rests, and what happens when a broker goes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
plugin.add_typer(drill, name="drill")
plugin.command()(where)


@plugin.command()
def version() -> None:
    """Print the version."""
    typer.echo(VERSION)
