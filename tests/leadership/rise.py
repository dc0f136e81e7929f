"""A cluster of ours rises under two replicas: kubelets and brokers are those of tests/engines/stage.py."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from kubernetes.aio.client import Configuration

from agentmemory.api.conditions import is_ready
from agentmemory.core.key import Key, key_of
from tests.engines.stage import CLUSTER_KEY, NAMESPACE, POOL_KEY, Stage, cluster, pool
from tests.fakekafka import FakeKafka
from tests.fakekube.client import configuration_for
from tests.fakekube.cluster import FakeCluster
from tests.fakekube.fixture import World, as_key
from tests.fakekube.server import FakeKube
from tests.faultproxy import FaultProxy

from .scene import Scene, opened
from .waiting import until

Object = dict[str, Any]

# Told once and again, by whoever leads; renewed all the time.
PASSING = ("Event", "Lease")


@dataclass
class _Server:
    """What a Stage asks of its world: the apiserver's own state."""

    cluster: FakeCluster

    def get(self, key: Key | str) -> Object:
        return self.cluster.get(as_key(key))

    def find(self, key: Key | str) -> Object | None:
        return self.cluster.find(as_key(key))


class Rise:
    """`scene` runs the operator, `stage` the nodes; `history` counts what was created and deleted, by name."""

    def __init__(self, scene: Scene, server: _Server, stage: Stage) -> None:
        self.scene = scene
        self.stage = stage
        self.history: Counter[str] = Counter()
        self._server = server
        self._position = 0

    async def pump(self) -> None:
        """Be the kubelets, until cancelled."""
        while True:
            for event in self._server.cluster.log.since(self._position):
                self._position = event.version
                if event.type != "MODIFIED" and event.kind not in PASSING:
                    self.history[f"{event.type} {key_of(event.obj)}"] += 1
                self.stage.act(cast(World, self._server), event.type, event.obj)
            await asyncio.sleep(0.01)

    async def declare(self) -> None:
        """A cluster and its pool."""
        for obj in (cluster(), pool()):
            self._server.cluster.put(obj)

    async def is_up(self) -> bool:
        """Whether both are ready as they are declared."""
        found = [self._server.get(key) for key in (CLUSTER_KEY, POOL_KEY)]
        seen = [(obj.get("status") or {}).get("observedGeneration") == obj["metadata"]["generation"] for obj in found]
        return all(seen) and all(map(is_ready, found)) and len(self.stage.pods()) == 3 + found[1]["spec"]["replicas"]

    async def is_rolled(self, before: dict[str, str]) -> bool:
        """Whether every node is another pod than before."""
        now = self.stage.pods()
        return all(name in now and now[name] != uid for name, uid in before.items()) and await self.is_up()

    async def grow(self) -> None:
        """One broker more."""
        self._server.cluster.patch(as_key(POOL_KEY), {"spec": {"replicas": 4}})

    async def roll(self) -> None:
        """An edit for which every node is replaced, one after the other."""
        spec = {"spec": {"failureDetection": {"sessionTimeout": "12s"}}}
        self._server.cluster.patch(as_key(CLUSTER_KEY), spec)

    def end(self) -> Object:
        """What two good runs have in common.

        How often a pod was made is left out: one whose maker stopped before it wrote the pod's certificate is replaced
        for the sake of the certificate that its successor issued.
        """
        kafka = self.stage.kafka
        return {
            "history": {name: times for name, times in sorted(self.history.items()) if " Pod/" not in name},
            "pods": sorted(self.stage.pods()),
            "formatted": sorted(name for name, _ in self.stage.formatted),
            "rights": sorted(map(str, kafka.acls)),
            "voters": sorted(kafka.voters),
            "brokers": sorted(kafka.brokers),
        }


@asynccontextmanager
async def rising(folder: Path) -> AsyncIterator[Rise]:
    """Two replicas and a namespace for the cluster; nothing is declared."""
    async with FakeKube() as fake:

        async def configuration() -> Configuration:
            return configuration_for(fake.url)

        async def proxy() -> FaultProxy:
            return FaultProxy(fake.url)

        server = _Server(fake.cluster)
        stage = Stage(cast(World, server), FakeKafka(brokers=0, controllers=0))
        stage.kafka.leader = -1
        fake.cluster.namespace(NAMESPACE)
        async with opened(configuration, proxy, folder, stage.kafka) as scene:
            rise = Rise(scene, server, stage)
            kubelets = asyncio.create_task(rise.pump())
            try:
                yield rise
            finally:
                kubelets.cancel()
                await asyncio.gather(kubelets, return_exceptions=True)


Act = Callable[[Rise], Awaitable[None]]


async def lived(rise: Rise, disturb: Callable[[Act, int], Awaitable[None]]) -> Object:
    """Rises, grows and is rolled; `disturb` does each act (numbered) in its own way."""
    for number, act in enumerate((Rise.declare, Rise.grow)):
        await disturb(act, number)
        await until("the cluster is up", rise.is_up)
    pods = rise.stage.pods()

    async def rolled() -> bool:
        return await rise.is_rolled(pods)

    await disturb(Rise.roll, 2)
    await until("the cluster is rolled", rolled)
    return rise.end()
