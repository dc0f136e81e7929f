"""`drill broker-loss` from its flags to its exit code."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console

from agentmemory.cli import errands
from agentmemory.cli.drill import render
from agentmemory.cli.drill.application import Application
from agentmemory.cli.drill.model import Means, Report, Request
from agentmemory.cli.drill.plan import How
from agentmemory.cli.drill.probe import Probe
from agentmemory.cli.drill.run import drill, open_kafka
from agentmemory.cli.drill.watch import MILESTONES, Timeline
from agentmemory.cli.options import Output
from agentmemory.cli.reach import Flags, reach
from agentmemory.core.clock import SystemClock


@dataclass(frozen=True)
class Asked:
    """The command line."""

    flags: Flags
    cluster: str | None
    broker: int | None
    how: How
    run: bool
    timeout: float
    probe_client: str | None
    admin_secret: str | None
    operator_namespace: str | None
    output: Output


async def carry_out(asked: Asked, environ: Mapping[str, str]) -> int:
    """The exit code. Raises OperatorError for what keeps it from beginning."""
    async with reach(asked.flags, environ) as found:
        means = Means(found.kube, SystemClock(), open_kafka, _probe, _tell)
        request = Request(
            namespace=found.namespace,
            cluster=asked.cluster,
            broker=asked.broker,
            how=asked.how,
            run=asked.run,
            timeout=asked.timeout,
            probe_client=asked.probe_client,
            admin_secret=asked.admin_secret,
            operator_namespace=asked.operator_namespace,
            in_cluster=bool(environ.get("KUBERNETES_SERVICE_HOST")),
        )
        report = await drill(means, request)
    if asked.output is Output.JSON:
        sys.stdout.write(render.to_json(report) + "\n")
    else:
        render.show(report, Console())
    return code_of(report, asked)


def code_of(report: Report, asked: Asked) -> int:
    """A plan is fine whatever it says; a run that was refused, or is not all back, is not."""
    if not asked.run:
        return errands.FINE
    if not report.ran:
        errands.say("refused; nothing was done: " + "; ".join(found.message for found in report.plan.refusals))
        return errands.REFUSED
    return errands.FINE if report.fine else errands.LATE


def _probe(application: Application, patience: float) -> Probe:
    return Probe(application.credentials, application.topic, application.event_type, patience)


def _tell(at: float, name: str, timeline: Timeline) -> None:
    by = f" (pod {timeline.heir})" if name == "scheduled" else ""
    errands.say(f"{at:7.1f} s  {MILESTONES[name]}{by}")
