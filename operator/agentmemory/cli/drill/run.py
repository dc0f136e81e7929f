"""The story of a drill: gather, choose, judge, and when a person said so take one broker away (attempt.py)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from agentmemory.cli.drill.addresses import Addresses, resolving
from agentmemory.cli.drill.application import Application, find
from agentmemory.cli.drill.attempt import Attempt, sizes_of
from agentmemory.cli.drill.engine import Recovery, recovery_of
from agentmemory.cli.drill.facts import Broker, Facts, gather
from agentmemory.cli.drill.kafkaside import KafkaSide, admin_ways, open_side
from agentmemory.cli.drill.model import Means, Report, Request, pods_of
from agentmemory.cli.drill.plan import plan_of
from agentmemory.cli.drill.safety import refusals
from agentmemory.core.errors import Invalid
from agentmemory.kafka.model import PartitionRef
from agentmemory.kube.client import KubeClient


async def drill(means: Means, request: Request) -> Report:
    """A refusal is in the report's plan, with `ran` False; raises OperatorError for what cannot be told."""
    facts = await gather(means.kube, request.namespace, request.cluster, means.clock.now())
    if facts.cluster.spec.engine == "external":
        raise Invalid("ExternalCluster", "its brokers are run by somebody else: ask them what happens when one goes")
    recovery = recovery_of(facts.cluster.spec.engine)
    application = None
    if request.probe_client is not None:
        application = await find(means.kube, facts.cluster, request.probe_client, request.namespace)
    async with _kafka(means, facts, request, application) as (side, asked, addresses):
        facts = replace(facts, kafka=None if side is None else await side.look(), asked=asked)
        broker = choose(facts, request.broker, recovery, None if application is None else application.topic)
        facts = await _with_copies(facts, broker, recovery, side)
        plan = plan_of(facts, broker, recovery, request.how, refusals(facts, broker, recovery))
        if plan.refusals or not request.run:
            return Report(plan)
        probe = None if application is None else means.probe(application, request.timeout)
        return await Attempt(means, request, facts, broker, recovery, plan, side, addresses, probe).make()


async def open_kafka(
    kube: KubeClient, facts: Facts, request: Request, application: Application | None
) -> tuple[KafkaSide | None, str]:
    """The usual Opener."""
    ways = await admin_ways(kube, facts.cluster, request.admin_secret, request.operator_namespace)
    return await open_side(ways + ([] if application is None else [application.way()]))


@asynccontextmanager
async def _kafka(
    means: Means, facts: Facts, request: Request, application: Application | None
) -> AsyncIterator[tuple[KafkaSide | None, str, Addresses]]:
    """A way into Kafka, if there is one, as whom, and the names of the cluster."""
    addresses = Addresses(facts.cluster.metadata.name, facts.cluster.metadata.namespace)
    async with AsyncExitStack() as stack:
        if not request.in_cluster:
            addresses.see(await pods_of(means.kube, facts))
            stack.enter_context(resolving(addresses))
        side, asked = await means.open_kafka(means.kube, facts, request, application)
        if side is not None:
            stack.push_async_callback(side.close)
        yield side, asked, addresses


async def _with_copies(facts: Facts, broker: Broker, recovery: Recovery, side: KafkaSide | None) -> Facts:
    """What the broker holds, and what stopping it would do; nothing of that where it holds nothing."""
    if side is None or recovery.stateless:
        return facts
    return replace(facts, stop=await side.stop_check(broker.id), sizes=await sizes_of(side, broker))


def choose(facts: Facts, asked: int | None, recovery: Recovery, topic: str | None) -> Broker:
    """The broker that was asked for; else one that may go, and of these the one that leads most (of the topic).

    Pure. Raises Invalid when there is no such broker.
    """
    if asked is not None:
        if asked in facts.brokers and facts.brokers[asked].pool in facts.pools:
            return facts.brokers[asked]
        ids = ", ".join(map(str, sorted(facts.brokers))) or "none"
        raise Invalid("NotFound", f"there is no broker {asked}; the brokers are {ids}")
    candidates = [broker for broker in facts.brokers.values() if broker.pool in facts.pools]
    if not candidates:
        name = facts.cluster.metadata.name
        raise Invalid("NoBrokers", f"MemoryCluster {name} has no broker; `kubectl get bp` shows its pools")

    def worth(broker: Broker) -> tuple[bool, int, int]:
        led = frozenset[PartitionRef]() if facts.kafka is None else facts.kafka.led_by(broker.id)
        of_topic = sum(topic is None or ref.topic == topic for ref in led)
        return not refusals(facts, broker, recovery), of_topic, broker.id

    return max(candidates, key=worth)
