"""`kubectl memory drill`: tells, and shows when asked to, what happens when a part of a cluster is lost."""

import os
from typing import Annotated

import typer

from agentmemory.cli.options import Context, Kubeconfig, Namespace, Output, OutputOption

drill = typer.Typer(
    help="What happens when a part of a cluster is lost: told, or tried on purpose.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@drill.callback()
def _group() -> None:
    """Keeps `broker-loss` a command of its own, however many there are."""


@drill.command(name="broker-loss")
def broker_loss(
    cluster: Annotated[str | None, typer.Argument(help="MemoryCluster; may be left out where there is one.")] = None,
    broker: Annotated[int | None, typer.Option(help="Node id; default: one that may go and leads most.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Tell only, and touch nothing (the default).")] = False,
    run: Annotated[bool, typer.Option("--run", help="Delete the broker's pod and measure what happens.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Needed with --run: yes, take a broker away.")] = False,
    graceful: Annotated[
        bool, typer.Option("--graceful", help="Let the broker end in order; default: it has one second.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds within which all must be back.")] = 300.0,
    probe_client: Annotated[
        str | None,
        typer.Option(help="[namespace/]name of a MemoryClient to write and read as meanwhile; its records stay."),
    ] = None,
    admin_secret: Annotated[
        str | None,
        typer.Option(help="[namespace/]name of a Secret with which Kafka may be asked (tls.crt, tls.key, ca.crt)."),
    ] = None,
    operator_namespace: Annotated[str | None, typer.Option(help="Where the operator runs, if elsewhere.")] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """What work must happen when a broker disappears? Exit codes: 0 fine, 1 not back in time, 2 refused."""
    from agentmemory.cli import errands
    from agentmemory.cli.drill.command import Asked, carry_out
    from agentmemory.cli.reach import Flags

    if plan and run:
        raise typer.BadParameter("--plan and --run exclude each other")
    if run and not yes:
        errands.say("error: --run deletes a broker's pod; add --yes to mean it, or leave --run out to see the plan")
        raise typer.Exit(errands.REFUSED)
    asked = Asked(
        Flags(namespace, kubeconfig, context),
        cluster,
        broker,
        "Graceful" if graceful else "Kill",
        run,
        timeout,
        probe_client,
        admin_secret,
        operator_namespace,
        output,
    )
    errands.perform(carry_out(asked, os.environ))
