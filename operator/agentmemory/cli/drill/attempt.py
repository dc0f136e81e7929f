"""One broker taken away on purpose: the last look, the deletion, the watch, and what was measured."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agentmemory.api.base import parse
from agentmemory.api.brokerpool import BrokerPool
from agentmemory.cli.drill.addresses import Addresses
from agentmemory.cli.drill.engine import Recovery
from agentmemory.cli.drill.facts import Broker, Facts, gather
from agentmemory.cli.drill.kafkaside import KafkaSide
from agentmemory.cli.drill.model import Means, Report, Request, pods_of
from agentmemory.cli.drill.plan import KILL_GRACE, Plan
from agentmemory.cli.drill.probe import Measured, Probe
from agentmemory.cli.drill.safety import refusals
from agentmemory.cli.drill.watch import Look, Timeline
from agentmemory.core.errors import Invalid, OperatorError, Transient
from agentmemory.core.key import Key
from agentmemory.kafka.model import PartitionRef
from agentmemory.kube.errors import Stale

PAUSE = 0.2
"""Seconds between two looks: no time that is shown is finer."""
SIZES = 20.0
"""Seconds for which a broker that is back is asked for what it has."""


@dataclass(frozen=True)
class Attempt:
    """Made when nothing speaks against it."""

    means: Means
    request: Request
    facts: Facts
    broker: Broker
    recovery: Recovery
    plan: Plan
    side: KafkaSide | None
    addresses: Addresses
    probe: Probe | None

    async def make(self) -> Report:
        """Raises Invalid when the broker is another by now, Transient when the probe cannot work."""
        mine = self._led_of_the_probes()
        if self.probe is not None:
            await asyncio.to_thread(self.probe.start, mine, self.request.timeout)
        try:
            refused = refusals(await self._look_again(), self.broker, self.recovery)
            if refused:
                return Report(replace(self.plan, refusals=refused))
            led = None if self.facts.kafka is None else self.facts.kafka.led_by(self.broker.id)
            timeline = Timeline(self.broker, frozenset(self.facts.brokers), led, asks_kafka=self.side is not None)
            killed = time.monotonic()
            await self._delete()
            await self._watch(timeline, killed)
        finally:
            if self.probe is not None:
                await asyncio.to_thread(self.probe.stop)
        return await self._report(timeline, killed, mine)

    def _led_of_the_probes(self) -> list[int]:
        """Partitions of the probe's topic that the broker leads."""
        if self.probe is None or self.facts.kafka is None:
            return []
        return [ref.partition for ref in self.facts.kafka.led_by(self.broker.id) if ref.topic == self.probe.topic]

    async def _look_again(self) -> Facts:
        """What was safe a moment ago may not be any more. Raises Invalid when the pod is another one."""
        namespace, name = self.facts.cluster.metadata.namespace, self.facts.cluster.metadata.name
        fresh = await gather(self.means.kube, namespace, name, self.means.clock.now())
        now = fresh.brokers.get(self.broker.id)
        if now is None or now.view.uid != self.broker.view.uid:
            raise self._changed()
        if self.side is None:
            return replace(fresh, asked=self.facts.asked)
        stop = None if self.recovery.stateless else await self.side.stop_check(self.broker.id)
        return replace(fresh, kafka=await self.side.look(), asked=self.facts.asked, stop=stop)

    async def _delete(self) -> None:
        """This very pod. Raises Invalid when it is another by now."""
        key = Key("Pod", self.facts.cluster.metadata.namespace, self.broker.view.name)
        grace = KILL_GRACE if self.request.how == "Kill" else None
        try:
            deleted = await self.means.kube.delete(key, uid=self.broker.view.uid, grace_seconds=grace)
        except Stale:
            deleted = False
        if not deleted:
            raise self._changed()

    def _changed(self) -> Invalid:
        name = f"{self.facts.cluster.metadata.namespace}/{self.broker.view.name}"
        return Invalid("Changed", f"pod {name} is another one since it was looked at; try again")

    async def _watch(self, timeline: Timeline, killed: float) -> None:
        """Looks until all has come true or the time is up. A look that fails is no look: the next one comes."""
        asking: asyncio.Task[Any] | None = None
        try:
            while True:
                seen = None
                if asking is not None and asking.done():
                    seen, asking = _answer(asking), None
                if self.side is not None and asking is None:
                    asking = asyncio.create_task(self.side.look())
                look = await self._look()
                at = time.monotonic() - killed
                if look is not None:
                    self.addresses.see(look.pods)
                    for name in timeline.see(at, replace(look, kafka=seen)):
                        self.means.told(at, name, timeline)
                served = self.probe is None or self.probe.acknowledged_since(killed)
                if (not timeline.missing and served) or at > self.request.timeout:
                    return
                await asyncio.sleep(PAUSE)
        finally:
            if asking is not None:
                asking.cancel()
                await asyncio.wait([asking])

    async def _look(self) -> Look | None:
        key = Key("BrokerPool", self.facts.cluster.metadata.namespace, self.broker.pool)
        try:
            pods = await pods_of(self.means.kube, self.facts)
            pool = await self.means.kube.get(key)
        except Transient:
            return None
        return Look(pods, None if pool is None else parse(BrokerPool, pool))

    async def _report(self, timeline: Timeline, killed: float, mine: list[int]) -> Report:
        probe, measured = self.probe, None
        if probe is not None:
            measured = await asyncio.to_thread(probe.measure, killed, mine, self.request.timeout)
        copied, how = await self._copied(timeline)
        return Report(
            plan=self.plan,
            ran=True,
            reached=dict(timeline.reached),
            missing=timeline.missing,
            heir=timeline.heir,
            said=timeline.said,
            copied=copied,
            copied_how=how,
            probe=measured,
            not_measured=self._not_measured(measured),
        )

    async def _copied(self, timeline: Timeline) -> tuple[int | None, str]:
        """Bytes that came to the broker's disk since it was lost, and how that is known."""
        if self.recovery.stateless:
            return 0, "brokers hold no data"
        if self.side is None or self.facts.sizes is None:
            return None, "Kafka could not be asked for sizes"
        if "synced" not in timeline.reached:
            return None, "the copies are not in sync"
        after = await self._sizes_after(self.side)
        if after is None:
            return None, "the broker did not say what it has now"
        kept = self.facts.sizes if self.broker.claim is not None else {}
        grown = sum(max(0, size - kept.get(ref, 0)) for ref, size in after.items())
        return grown, "DescribeLogDirs after and before"

    async def _sizes_after(self, side: KafkaSide) -> Mapping[PartitionRef, int] | None:
        """Asked again for a while: the first request may go to the address that the broker had before."""
        end = time.monotonic() + SIZES
        while True:
            found = await sizes_of(side, self.broker)
            if found is not None or time.monotonic() > end:
                return found
            await asyncio.sleep(PAUSE)

    def _not_measured(self, measured: Measured | None) -> tuple[str, ...]:
        found: list[str] = []
        if self.side is None:
            found.append(f"leaders and copies, since Kafka was not asked: {self.facts.asked}")
        elif self.facts.kafka is not None and not self.facts.kafka.whole:
            found.append(f"partitions of others, since Kafka was asked {self.facts.asked}")
        if measured is None:
            found.append("what applications notice: name a MemoryClient with --probe-client")
        elif not measured.affected:
            found.append(f"time to the first acknowledged record: the broker led no partition of {measured.topic}")
        return tuple(found)


async def sizes_of(side: KafkaSide, broker: Broker) -> Mapping[PartitionRef, int] | None:
    """None when the broker does not say: a plan is worth having without."""
    try:
        return await side.sizes(broker.id)
    except OperatorError:
        return None


def _answer(task: "asyncio.Task[Any]") -> Any:
    """What Kafka said, or None where it did not: while a broker goes, some requests are lost."""
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, OperatorError):
        return None
    raise error
