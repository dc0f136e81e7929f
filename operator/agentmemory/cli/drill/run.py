"""The story of a drill: gather, judge, and when a person said so take one broker away and watch it come back."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from agentmemory.api.base import parse
from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.labels import CLUSTER, ROLE
from agentmemory.cli.drill.addresses import Addresses, resolving
from agentmemory.cli.drill.application import Application, find
from agentmemory.cli.drill.engine import Recovery, recovery_of
from agentmemory.cli.drill.facts import Broker, Facts, gather
from agentmemory.cli.drill.kafkaside import KafkaSide, admin_ways, open_side
from agentmemory.cli.drill.plan import KILL_GRACE, How, Plan, plan_of
from agentmemory.cli.drill.probe import Measured, Probe
from agentmemory.cli.drill.safety import refusals
from agentmemory.cli.drill.watch import Look, Timeline
from agentmemory.core.clock import Clock
from agentmemory.core.errors import Invalid, OperatorError, Transient
from agentmemory.core.key import Key
from agentmemory.kafka.model import PartitionRef
from agentmemory.kube.client import KubeClient
from agentmemory.kube.errors import Stale

Object = dict[str, Any]
PAUSE = 0.2
"""Seconds between two looks: no time that is shown is finer."""


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
    ran: bool
    reached: Mapping[str, float]
    missing: tuple[str, ...]
    heir: str | None
    said: str
    """What the BrokerPool says in the end, when it is not Ready."""
    copied: int | None
    copied_how: str
    probe: Measured | None
    not_measured: tuple[str, ...]

    @property
    def fine(self) -> bool:
        """Nothing is missing, and nothing that was acknowledged is lost."""
        return not self.missing and (self.probe is None or (not self.probe.lost and _all_back(self.probe)))


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


async def drill(means: Means, request: Request) -> Report:
    """A refusal is in the report's plan, with `ran` False; raises OperatorError for what cannot be told."""
    facts = await gather(means.kube, request.namespace, request.cluster, means.clock.now())
    if facts.cluster.spec.engine == "external":
        raise Invalid("ExternalCluster", "its brokers are run by somebody else: ask them what happens when one goes")
    recovery = recovery_of(facts.cluster.spec.engine)
    application = None
    if request.probe_client is not None:
        application = await find(means.kube, facts.cluster, request.probe_client, request.namespace)
    async with _kafka(means, facts, request, application) as (side, addresses):
        facts, broker = await _complete(facts, request, recovery, side[0], side[1], application)
        plan = plan_of(facts, broker, recovery, request.how, refusals(facts, broker, recovery))
        if plan.refusals or not request.run:
            return _unrun(plan)
        probe = None if application is None else means.probe(application, request.timeout)
        return await _run(means, request, facts, broker, plan, side[0], addresses, probe)


async def open_kafka(
    kube: KubeClient, facts: Facts, request: Request, application: Application | None
) -> tuple[KafkaSide | None, str]:
    """The usual Opener."""
    ways = await admin_ways(kube, facts.cluster, request.admin_secret, request.operator_namespace)
    return await open_side(ways + ([] if application is None else [application.way()]))


@asynccontextmanager
async def _kafka(
    means: Means, facts: Facts, request: Request, application: Application | None
) -> AsyncIterator[tuple[tuple[KafkaSide | None, str], Addresses]]:
    """A way into Kafka, if there is one, as whom, and the names of the cluster."""
    addresses = Addresses(facts.cluster.metadata.name, facts.cluster.metadata.namespace)
    async with AsyncExitStack() as stack:
        if not request.in_cluster:
            addresses.see(await _pods(means.kube, facts))
            stack.enter_context(resolving(addresses))
        side, asked = await means.open_kafka(means.kube, facts, request, application)
        if side is not None:
            stack.push_async_callback(side.close)
        yield (side, asked), addresses


async def _complete(
    facts: Facts,
    request: Request,
    recovery: Recovery,
    side: KafkaSide | None,
    asked: str,
    application: Application | None,
) -> tuple[Facts, Broker]:
    """Kafka's part of the facts, and which broker it is about."""
    facts = replace(facts, kafka=None if side is None else await side.look(), asked=asked)
    broker = choose(facts, request.broker, recovery, None if application is None else application.topic)
    if side is None:
        return facts, broker
    if recovery.stateless:
        return facts, broker
    return replace(facts, stop=await side.stop_check(broker.id), sizes=await _sizes(side, broker)), broker


async def _sizes(side: KafkaSide, broker: Broker) -> Mapping[PartitionRef, int] | None:
    """None when the broker does not say: a plan is worth having without."""
    try:
        return await side.sizes(broker.id)
    except OperatorError:
        return None


def choose(facts: Facts, asked: int | None, recovery: Recovery, topic: str | None) -> Broker:
    """The broker that was asked for; else one that may go, and of these the one that leads most (of the topic).

    Pure. Raises Invalid when there is no such broker.
    """
    if asked is not None:
        if asked in facts.brokers and facts.brokers[asked].pool in facts.pools:
            return facts.brokers[asked]
        raise Invalid("NotFound", f"there is no broker {asked}; the brokers are {_ids(facts)}")
    candidates = [broker for broker in facts.brokers.values() if broker.pool in facts.pools]
    if not candidates:
        name = facts.cluster.metadata.name
        raise Invalid("NoBrokers", f"MemoryCluster {name} has no broker; `kubectl get bp` shows its pools")

    def worth(broker: Broker) -> tuple[bool, int, int]:
        led = frozenset[PartitionRef]() if facts.kafka is None else facts.kafka.led_by(broker.id)
        of_topic = sum(topic is None or ref.topic == topic for ref in led)
        return not refusals(facts, broker, recovery), of_topic, broker.id

    return max(candidates, key=worth)


async def _run(
    means: Means,
    request: Request,
    facts: Facts,
    broker: Broker,
    plan: Plan,
    side: KafkaSide | None,
    addresses: Addresses,
    probe: Probe | None,
) -> Report:
    led = None if facts.kafka is None else facts.kafka.led_by(broker.id)
    mine = [ref.partition for ref in led or () if probe is not None and ref.topic == probe.topic]
    timeline = Timeline(broker, frozenset(facts.brokers), led, asks_kafka=side is not None)
    if probe is not None:
        await asyncio.to_thread(probe.start, mine, request.timeout)
    try:
        killed = time.monotonic()
        await _delete(means.kube, facts, broker, request.how)
        await _watch(means, request, facts, broker, timeline, side, addresses, killed, probe)
    finally:
        if probe is not None:
            await asyncio.to_thread(probe.stop)
    measured = None if probe is None else await asyncio.to_thread(probe.measure, killed, mine, request.timeout)
    copied, how = await _copied(facts, broker, side, timeline)
    return Report(
        plan=plan,
        ran=True,
        reached=dict(timeline.reached),
        missing=timeline.missing,
        heir=timeline.heir,
        said=timeline.said,
        copied=copied,
        copied_how=how,
        probe=measured,
        not_measured=_not_measured(facts, side, measured),
    )


async def _delete(kube: KubeClient, facts: Facts, broker: Broker, how: How) -> None:
    """This very pod. Raises Invalid when it is another by now."""
    key = Key("Pod", facts.cluster.metadata.namespace, broker.view.name)
    grace = KILL_GRACE if how == "Kill" else None
    try:
        deleted = await kube.delete(key, uid=broker.view.uid, grace_seconds=grace)
    except Stale:
        deleted = False
    if not deleted:
        raise Invalid("Changed", f"pod {key.namespace}/{key.name} is another one since it was looked at; try again")


async def _watch(
    means: Means,
    request: Request,
    facts: Facts,
    broker: Broker,
    timeline: Timeline,
    side: KafkaSide | None,
    addresses: Addresses,
    killed: float,
    probe: Probe | None,
) -> None:
    """Looks until all has come true or the time is up. A look that fails is no look: the next one comes."""
    kafka: asyncio.Task[Any] | None = None
    try:
        while True:
            seen = None
            if side is not None and kafka is not None and kafka.done():
                seen, kafka = _answer(kafka), None
            if side is not None and kafka is None:
                kafka = asyncio.create_task(side.look())
            look = await _look(means.kube, facts, broker)
            at = time.monotonic() - killed
            if look is not None:
                addresses.see(look.pods)
                for name in timeline.see(at, replace(look, kafka=seen)):
                    means.told(at, name, timeline)
            served = probe is None or probe.acknowledged_since(killed)
            if (not timeline.missing and served) or at > request.timeout:
                return
            await asyncio.sleep(PAUSE)
    finally:
        if kafka is not None:
            kafka.cancel()
            await asyncio.gather(kafka, return_exceptions=True)


async def _look(kube: KubeClient, facts: Facts, broker: Broker) -> Look | None:
    namespace = facts.cluster.metadata.namespace
    try:
        pods = await _pods(kube, facts)
        pool = await kube.get(Key("BrokerPool", namespace, broker.pool))
    except Transient:
        return None
    return Look(pods, None if pool is None else parse(BrokerPool, pool))


def _answer(task: "asyncio.Task[Any]") -> Any:
    """What Kafka said, or None where it did not: while a broker goes, some requests are lost."""
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, OperatorError):
        return None
    raise error


async def _pods(kube: KubeClient, facts: Facts) -> list[Object]:
    selector = f"{CLUSTER}={facts.cluster.metadata.name},{ROLE}=broker"
    pods, _ = await kube.list("Pod", facts.cluster.metadata.namespace, selector)
    return pods


async def _copied(facts: Facts, broker: Broker, side: KafkaSide | None, timeline: Timeline) -> tuple[int | None, str]:
    """Bytes that came to the broker's disk since it was lost."""
    if recovery_of(facts.cluster.spec.engine).stateless:
        return 0, "brokers hold no data"
    if side is None or facts.sizes is None:
        return None, "Kafka could not be asked for sizes"
    if "synced" not in timeline.reached:
        return None, "the copies are not in sync"
    try:
        after = await side.sizes(broker.id)
    except OperatorError as error:
        return None, error.message
    kept = facts.sizes if broker.claim is not None else {}
    return sum(
        max(0, size - kept.get(ref, 0)) for ref, size in (after or {}).items()
    ), "DescribeLogDirs after and before"


def _not_measured(facts: Facts, side: KafkaSide | None, measured: Measured | None) -> tuple[str, ...]:
    found: list[str] = []
    if side is None:
        found.append(f"leaders and copies, since Kafka was not asked: {facts.asked}")
    elif facts.kafka is not None and not facts.kafka.whole:
        found.append(f"partitions of others, since Kafka was asked {facts.asked}")
    if measured is None:
        found.append("what applications notice: name a MemoryClient with --probe-client")
    elif not measured.affected:
        found.append(f"time to the first acknowledged record: the broker led no partition of {measured.topic}")
    return tuple(found)


def _unrun(plan: Plan) -> Report:
    return Report(plan, False, {}, (), None, "", None, "", None, ())


def _all_back(measured: Measured) -> bool:
    return not measured.affected or measured.all_after is not None


def _ids(facts: Facts) -> str:
    return ", ".join(map(str, sorted(facts.brokers))) or "none"
