"""What a drill is asked for, works with, and reports."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentmemory.api.labels import CLUSTER, ROLE
from agentmemory.cli.drill.application import Application
from agentmemory.cli.drill.facts import Facts
from agentmemory.cli.drill.kafkaside import KafkaSide
from agentmemory.cli.drill.plan import How, Plan
from agentmemory.cli.drill.probe import Measured, Probe
from agentmemory.cli.drill.watch import Timeline
from agentmemory.core.clock import Clock
from agentmemory.kube.client import KubeClient

Object = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What was asked for."""

    namespace: str
    cluster: str | None = None
    broker: int | None = None
    how: How = "Kill"
    run: bool = False
    timeout: float = 300.0
    probe_client: str | None = None
    admin_secret: str | None = None
    operator_namespace: str | None = None
    in_cluster: bool = False
    """Whether the cluster's DNS is at hand."""


@dataclass(frozen=True)
class Report:
    """What a drill found; times in seconds since the pod was deleted."""

    plan: Plan
    ran: bool = False
    reached: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    heir: str | None = None
    said: str = ""
    """What the BrokerPool says in the end, when it is not Ready."""
    copied: int | None = None
    copied_how: str = ""
    probe: Measured | None = None
    not_measured: tuple[str, ...] = ()

    @property
    def fine(self) -> bool:
        """Nothing is missing, and nothing that was acknowledged is lost."""
        return not self.missing and (self.probe is None or self.probe.fine)


Opener = Callable[[KubeClient, Facts, Request, Application | None], Awaitable[tuple[KafkaSide | None, str]]]
Prober = Callable[[Application, float], Probe]
Told = Callable[[float, str, Timeline], None]


@dataclass(frozen=True)
class Means:
    """What a drill works with; tests put their own in."""

    kube: KubeClient
    clock: Clock
    open_kafka: Opener
    probe: Prober
    told: Told


async def pods_of(kube: KubeClient, facts: Facts) -> list[Object]:
    """The cluster's brokers' pods now."""
    selector = f"{CLUSTER}={facts.cluster.metadata.name},{ROLE}=broker"
    pods, _ = await kube.list("Pod", facts.cluster.metadata.namespace, selector)
    return pods
