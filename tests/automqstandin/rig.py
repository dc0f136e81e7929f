"""The operator's pool on a fake apiserver, with real brokers as its pods and AutoMQ's calls in front of them.

    rig = await Rig.rise(world, fronted_kafka, standin)
    await rig.until(rig.registered({1000, 1001, 1002}))

After `mortal` each process of the operator makes one write, to Kubernetes or to Kafka, does not learn what came of it,
and is gone: the next one begins with what is there. Where brokers hide the list of excluded ones every life begins with
saying it again: what was said before in the same words is no write then, or no life would get on.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from agentmemory.api.labels import NODE_ID
from agentmemory.brokers.reconcile import PoolReconciler
from agentmemory.core.key import Key, key_of
from agentmemory.engines.base import Owner
from agentmemory.engines.kafka import names, objects, pki
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.credentials import Credentials
from tests.automqstandin.front import Call
from tests.automqstandin.standin import FrontedKafka, StandIn
from tests.engines.stage import CLUSTER_KEY, NAMESPACE, POOL_KEY, cluster, pool, status_of
from tests.fakekube.fixture import World, as_key
from tests.fakekube.requests import Drop, Request

# The kernel ends a broker with the thread that started it, so these outlive the event loops of the tests.
STARTERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="broker-starter")
LIMIT = 90.0
SPEED = 3.0
"""Seconds of the operator's clock in one of the brokers'."""


class WirePool:
    """Stands in for KafkaPool: every cluster is the one behind the stand-in."""

    def __init__(self, standin: StandIn) -> None:
        self._admin = KafkaAdmin(standin.credentials())

    async def get(self, cluster: Key, credentials: Credentials, *, apart: bool = False) -> KafkaAdmin:
        return self._admin

    async def close(self) -> None:
        await self._admin.close()


class Kubelet:
    """Runs a broker for each pod, and ends it by SIGTERM when its pod goes."""

    def __init__(self, world: World, kafka: FrontedKafka, standin: StandIn) -> None:
        self._world, self._kafka, self._standin = world, kafka, standin
        self.stopped: list[tuple[int, int]] = []
        """(node id, how many calls had come to Kafka before) each time that a broker was ended."""

    async def sync(self) -> None:
        pods = {int(pod["metadata"]["labels"][NODE_ID]): pod for pod in self._world.cluster.list("Pod")}
        for node_id, node in list(self._kafka.nodes.items()):
            if node_id >= 1000 and node_id not in pods and node.process is not None:
                self.stopped.append((node_id, len(self._standin.calls)))
                await asyncio.to_thread(node.stop)
        new = {node_id: pod for node_id, pod in pods.items() if "conditions" not in pod.get("status", {})}
        await asyncio.gather(*(self._start(node_id) for node_id in new))
        for pod in new.values():
            self._world.cluster.set_status(key_of(pod), status_of(pod, ready=True))

    async def _start(self, node_id: int) -> None:
        node = self._kafka.nodes.get(node_id)
        if node is None or node.process is None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(STARTERS, self._kafka.start_broker, node_id)
        await self._standin.front(node_id)


class Rig:
    """See the module's head."""

    def __init__(self, world: World, kafka: FrontedKafka, standin: StandIn) -> None:
        self.world, self.standin = world, standin
        self.kubelet = Kubelet(world, kafka, standin)
        self.lives = 0
        """Processes of the operator that have died."""
        self._mortal = False
        self._dead = False
        self._pool = WirePool(standin)

    @classmethod
    async def rise(cls, world: World, kafka: FrontedKafka, standin: StandIn, replicas: int = 3) -> "Rig":
        """A cluster whose controllers are done, and a pool of so many brokers, registered and old enough."""
        rig = cls(world, kafka, standin)
        world.kafka(rig._pool)
        world.use(PoolReconciler)
        world.cluster.namespace(world.settings.namespace)
        world.put(cluster(replication={"factor": 1, "minInSync": 1}))
        owner = Owner("MemoryCluster", "mem", world.get(CLUSTER_KEY)["metadata"]["uid"])
        pair = pki.new_authority("mem", world.clock.now())
        values = {"ca.crt": pair.cert, "ca.key": pair.key}
        marks = objects.common_labels("mem")
        world.put(objects.secret(names.authority_secret("mem"), NAMESPACE, marks, owner, values))
        status = {"observedGeneration": 1, "clusterId": kafka.cluster_id, "controllers": {"desired": 0, "ready": 0}}
        world.cluster.set_status(as_key(CLUSTER_KEY), status)
        world.put(pool(replicas=replicas))
        await rig.until(rig.registered(set(range(1000, 1000 + replicas))))
        await world.clock.advance(3600)
        standin.calls.clear()
        return rig

    async def close(self) -> None:
        await self._pool.close()

    def scale(self, replicas: int) -> None:
        self.world.edit(POOL_KEY, {"spec": {"replicas": replicas}})

    def registered(self, ids: set[int]) -> Callable[[], bool]:
        """Whether the pool says of exactly these that they are registered, and of no others anything."""
        return lambda: self.brokers() == dict.fromkeys(ids, "Registered")

    def brokers(self) -> dict[int, str]:
        """What status says of each."""
        status = self.world.get(POOL_KEY).get("status") or {}
        return {broker["id"]: broker["state"] for broker in status.get("brokers", [])}

    def said(self) -> str:
        """The Ready condition's message."""
        return str(self.world.condition(POOL_KEY).get("message", ""))

    def mortal(self) -> None:
        """From now on each process lives for one write."""
        self._mortal = True
        self.standin.drop = self._die_after_call
        self._arm()

    async def until(self, done: Callable[[], bool]) -> None:
        """Run operator and kubelets until `done`; AssertionError with what the pool says after LIMIT seconds."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(LIMIT):
                while not done():
                    passed, begun = time.monotonic() - begun, time.monotonic()
                    await self.world.clock.advance(passed * SPEED)
                    await self.world.run_until_quiet()
                    await self.kubelet.sync()
                    if self._dead:
                        await self._be_born()
                    await asyncio.sleep(0.02)  # the fronts and the brokers have their turn
        except TimeoutError:
            raise AssertionError(f"not within {LIMIT} s; the pool says: {self.said()} {self.brokers()}") from None

    async def _be_born(self) -> None:
        self.lives += 1
        self._dead = False
        await self._pool.close()
        self._pool = WirePool(self.standin)
        await self.world.restart()
        self.world.kafka(self._pool)
        self._arm()

    def _arm(self) -> None:
        self.world.ctx.leading = lambda: not self._dead
        self.world.fake.faults.before.append(self._when_dead)
        self.world.fake.faults.after.append(self._die_after_write)

    def _when_dead(self, request: Request) -> None:
        if self._dead:
            raise Drop

    def _die_after_write(self, request: Request) -> None:
        if request.is_write:
            self._dead = True
            raise Drop

    def _die_after_call(self, call: Call) -> bool:
        again = not self.standin.state.lists and self.standin.calls.count(call) > 1
        self._dead |= self._mortal and not again
        return self._dead


def names_of(calls: list[Call]) -> list[tuple[Any, ...]]:
    """Calls by name and, where it is one, node; moves without their partitions."""
    return [(call.name, *(call.about if call.name != "reassign" else ())) for call in calls]
