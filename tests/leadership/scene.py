"""Two replicas of the operator, an apiserver, a Kafka, users: everything of a play."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kubernetes.aio.client import Configuration

from agentmemory.core.elector import Timing
from agentmemory.core.key import Key
from agentmemory.engines.handover import SECRET, key_in_secret
from agentmemory.kube.client import KubeClient
from agentmemory.kube.resync import Pace
from tests.fakekafka import FakeKafka
from tests.fakes3 import FakeS3
from tests.faultproxy import FaultProxy

from .kafka_server import KafkaServer
from .land import OURS, Land, is_settled
from .picture import picture
from .replica import Replica
from .store_server import StoreServer
from .waiting import PATIENCE, until

Object = dict[str, Any]

# Generous beside what a busy machine takes away from a process, small beside a test's time limit.
TIMING = Timing(duration=3.0, deadline=2.0, period=0.4, attempt=1.0)
PACE = Pace(interval=1.5, grace=30.0, spread=0.1, retry=0.2)
LEASE = Key("Lease", "agent-memory-system", "agent-memory-operator-all")
KINDS = (*OURS, "Secret", "RoleBinding", "Event")
# What is relisted at each resync, so many times, before something counts as being at rest.
RELISTED, TIMES = (*OURS, "RoleBinding"), 2


@dataclass
class Scene:
    """`one` and `two` run the operator; `user` acts beside them."""

    one: Replica
    two: Replica
    kafka: KafkaServer
    store: StoreServer
    user: KubeClient

    def land(self, tag: str) -> Land:
        """A land for users to act in."""
        return Land(tag, self.user, self.kafka.kafka, self.store.s3)

    async def leader(self) -> Replica:
        """The replica that holds the Lease, once one does."""
        found: list[Replica] = []

        async def held() -> bool:
            found[:] = await self._holders()
            return bool(found)

        await until("somebody leads", held)
        return found[0]

    async def leads(self, replica: Replica) -> None:
        """Return once this replica holds the Lease."""

        async def held() -> bool:
            return await self._holders() == [replica]

        await until(f"{replica.name} leads", held)

    async def _holders(self) -> list[Replica]:
        lease = await self.user.get(LEASE)
        holder = str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")
        return [replica for replica in (self.one, self.two) if holder.startswith(f"{replica.name}_")]

    def other(self, replica: Replica) -> Replica:
        """The replica that it is not."""
        return self.two if replica is self.one else self.one

    async def pictures(self, lands: Sequence[Land]) -> dict[str, dict[str, Any]]:
        """Each land's picture, by tag."""
        objects: list[Object] = []
        for kind in KINDS:
            objects += (await self.user.list(kind))[0]
        return {land.tag: picture(land.tag, _within(land, objects), self.kafka.kafka, self.store.s3) for land in lands}

    async def ready(self, lands: Sequence[Land]) -> None:
        """Return once everything is as declared."""

        async def settled() -> bool:
            found = [obj for kind in OURS for obj in (await self.user.list(kind))[0]]
            return all(is_settled(obj) for land in lands for obj in _within(land, found))

        await until("everything is ready", settled, pause=0.2)

    async def at_rest(self, lands: Sequence[Land]) -> dict[str, dict[str, Any]]:
        """The pictures, once the leader has looked at everything several times, is idle, and has changed nothing."""
        async with asyncio.timeout(PATIENCE):
            while True:
                before = await self.pictures(lands)
                await self._looked_at_everything()
                if await self.pictures(lands) == before:
                    return before

    async def _looked_at_everything(self) -> None:
        leader = await self.leader()

        def lists() -> list[int]:
            return [leader.proxy.counts.total(verb="list", kind=kind) for kind in RELISTED]

        start = lists()

        async def enough() -> bool:
            return all(now >= then + TIMES for now, then in zip(lists(), start, strict=True)) and await leader.is_idle()

        await until("the leader's resyncs", enough)


def _within(land: Land, objects: list[Object]) -> list[Object]:
    mine = [obj for obj in objects if obj["metadata"].get("namespace") in land.namespaces]
    return mine + [_handed_over(land, obj) for obj in objects if obj["metadata"]["name"] == SECRET]


def _handed_over(land: Land, secret: Object) -> Object:
    """The part of the shared Secret that is this land's."""
    mine = key_in_secret(land.key("MemoryCluster", "mem"))
    data = {name: value for name, value in (secret.get("data") or {}).items() if name == mine}
    return {"kind": "Secret", "metadata": {"name": SECRET, "uid": secret["metadata"]["uid"]}, "data": data}


@asynccontextmanager
async def opened(
    upstream: Callable[[], Awaitable[Configuration]],
    make_proxy: Callable[[], Awaitable[FaultProxy]],
    folder: Path,
    kafka: FakeKafka | None = None,
) -> AsyncIterator[Scene]:
    """A scene (with this Kafka, or a new one) whose first replica leads and whose second is a warm standby."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(KafkaServer(kafka or FakeKafka()))
        store = await stack.enter_async_context(StoreServer(FakeS3()))
        user = await stack.enter_async_context(KubeClient(await upstream(), manager="a-user"))
        if await user.get(Key("Namespace", "", LEASE.namespace)) is None:
            await user.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASE.namespace}})
        environment = {
            "AGENTMEMORY_ROLE": "all",
            "LEADERSHIP_KAFKA": server.url,
            "LEADERSHIP_S3": store.url,
            "LEADERSHIP_TIMING": json.dumps(asdict(TIMING)),
            "LEADERSHIP_PACE": json.dumps(asdict(PACE)),
        }
        replicas = []
        for name in ("one", "two"):
            proxy = await stack.enter_async_context(await make_proxy())
            replicas.append(Replica(name, proxy, folder, environment))
        scene = Scene(replicas[0], replicas[1], server, store, user)
        for replica in replicas:
            stack.push_async_callback(replica.stop)
            replica.start()
        await scene.leader()
        for replica in replicas:
            await until(f"{replica.name} is warm", _warm(replica))
        yield scene


def _warm(replica: Replica) -> Callable[[], Awaitable[bool]]:
    async def warm() -> bool:
        return replica.is_warm

    return warm
