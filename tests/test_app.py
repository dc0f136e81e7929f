"""The whole process in this test's loop: starts, works, stands by, stops, dies for the right reasons."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from agentmemory.app import Process
from agentmemory.context import Context
from agentmemory.core.elector import Timing
from agentmemory.core.key import Key
from agentmemory.core.lease import LeaseLost
from agentmemory.kube.resync import Pace
from agentmemory.kube.watch import WatchEnded
from agentmemory.settings import Role, Settings
from tests.fakekube.answers import status
from tests.fakekube.client import configuration_for
from tests.fakekube.requests import Request
from tests.fakekube.server import FakeKube
from tests.fakekube.toy import Toy
from tests.kube.objects import config_map, pool

BRISK = Timing(period=0.02)
LEASE = Key("Lease", "agent-memory-system", "agent-memory-operator-platform")
POOL = Key("BrokerPool", "memory", "p")


class NoKafka:
    """Stands in for KafkaPool."""

    closed = False

    async def close(self) -> None:
        self.closed = True


class Running:
    """A process under test."""

    def __init__(self, fake: FakeKube, **options: Any) -> None:
        self.fake = fake
        self.toys: list[Toy] = []
        self.kafka = NoKafka()

        async def login() -> Any:
            return configuration_for(fake.url)

        options.setdefault("settings", Settings(role="platform", port=0))
        options.setdefault("pace", Pace(retry=0.02))
        options.setdefault("build", self._build)
        options.setdefault("timing", BRISK)
        self.process = Process(login=login, kafka=self.kafka, **options)
        self.task = asyncio.create_task(self.process.run())

    def _build(self, role: Role, ctx: Context) -> list[Any]:
        self.toys.append(Toy(ctx))
        return [self.toys[-1]]

    @property
    def seen(self) -> list[Key]:
        """The keys that were reconciled, in order."""
        return self.toys[0].seen if self.toys else []

    async def get(self, path: str) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.process.port}{path}") as answer,
        ):
            return answer.status, await answer.text()

    async def stop(self) -> None:
        self.process.stopping.set()
        await asyncio.wait_for(self.task, 10)


@pytest.fixture
async def fake() -> AsyncIterator[FakeKube]:
    async with FakeKube() as server:
        server.cluster.namespace("agent-memory-system")
        server.cluster.put(pool("memory"))
        server.requests.clear()
        yield server


@asynccontextmanager
async def running(fake: FakeKube, **options: Any) -> AsyncIterator[Running]:
    one = Running(fake, **options)
    try:
        yield one
    finally:
        one.task.cancel()
        await asyncio.gather(one.task, return_exceptions=True)


async def until(what: str, holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Poll: what is waited for happens in threads and sockets that give no signal to a test."""
    async with asyncio.timeout(10):
        while True:
            found = holds()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.005)


def reconciled(fake: FakeKube, replicas: int = 3) -> bool:
    found = fake.cluster.find(POOL)
    return found is not None and found["status"].get("replicas") == replicas


async def test_works_and_stops(fake: FakeKube) -> None:
    async with running(fake) as one:
        await until("reconciled", lambda: reconciled(fake))
        fake.cluster.patch(POOL, {"spec": {"replicas": 5}})
        await until("edit reconciled", lambda: reconciled(fake, 5))
        assert fake.cluster.get(Key("ConfigMap", "memory", "p"))["data"] == {"replicas": "5"}
        assert (await one.get("/healthz"))[0] == 200
        assert (await one.get("/readyz"))[0] == 200
        code, text = await one.get("/metrics")
        assert code == 200
        assert 'agentmemory_reconciles_total{kind="BrokerPool",outcome="done"}' in text
        assert "agentmemory_lease_held 1.0" in text
        assert "agentmemory_queue_depth 0.0" in text
        await one.stop()
    assert fake.cluster.get(LEASE)["spec"]["holderIdentity"] == ""
    assert one.kafka.closed
    assert fake.watches == 0


async def test_own_writes_wake_nobody(fake: FakeKube) -> None:
    async with running(fake) as one:
        await until("reconciled", lambda: reconciled(fake))
        # Something of a user's, after the echoes in the same streams: when it is through, so are they.
        fake.cluster.put(pool("memory", "q"))
        await until("second", lambda: any(key.name == "q" for key in one.seen))
        assert [key.name for key in one.seen].count("p") == 1


async def test_drift_of_a_child_wakes_its_owner(fake: FakeKube) -> None:
    async with running(fake) as one:
        await until("reconciled", lambda: reconciled(fake))
        fake.cluster.delete(Key("ConfigMap", "memory", "p"))
        await until("made anew", lambda: fake.cluster.find(Key("ConfigMap", "memory", "p")) is not None)
        assert len(one.seen) == 2


async def test_a_standby_is_warm_and_takes_over(fake: FakeKube) -> None:
    async with running(fake) as first:
        await until("reconciled", lambda: reconciled(fake))
        async with running(fake) as second:
            await until("standby ready", lambda: second.process._waiting_for() is None)
            assert (await second.get("/readyz"))[0] == 200
            assert second.seen == []
            assert not second.process.lease.held  # type: ignore[union-attr]
            await first.stop()
            await until("took over", lambda: POOL in second.seen)
            spec = fake.cluster.get(LEASE)["spec"]
            assert spec["leaseTransitions"] == 1


async def test_who_takes_over_first_learns_what_it_missed(fake: FakeKube) -> None:
    """The standby's watch lags: what was deleted meanwhile must not come back because of it."""
    async with running(fake) as first:
        await until("reconciled", lambda: reconciled(fake))
        async with running(fake) as second:
            await until("standby ready", lambda: second.process._waiting_for() is None)
            fake.faults.events.append(lambda type_, obj: [])
            fake.cluster.delete(POOL)
            await first.stop()
            await until("opened", lambda: second.process.queue.is_open)
            assert second.process.store.get(POOL) is None
            await until("quiet", lambda: not second.process.queue.ready and not second.process.queue.running)
            assert fake.cluster.find(Key("ConfigMap", "memory", "p")) is None


async def test_a_lost_lease_ends_the_process(fake: FakeKube) -> None:
    async with running(fake) as one:
        await until("reconciled", lambda: reconciled(fake))
        fake.cluster.patch(LEASE, {"spec": {"holderIdentity": "somebody-else"}})
        with pytest.raises(ExceptionGroup) as raised:
            await asyncio.wait_for(one.task, 10)
        assert raised.group_contains(LeaseLost)


async def test_missing_crds_are_waited_for(fake: FakeKube) -> None:
    fake.hidden.add("BrokerPool")
    async with running(fake) as one:
        await until("asked", lambda: len(fake.requests.of("list", "MemoryTenant")) > 2)
        code, text = await one.get("/readyz")
        assert (code, text) == (503, "waiting for the watch of MemoryCluster\n")
        assert (await one.get("/healthz"))[0] == 200
        fake.hidden.clear()
        await until("reconciled", lambda: reconciled(fake))


async def test_missing_rights_are_waited_for(fake: FakeKube) -> None:
    def forbid(request: Request) -> Any:
        if request.verb == "list" and request.kind == "Pod":
            return 403, status(403, 'pods is forbidden: User "x" cannot list resource "pods"')
        return None

    fake.faults.before.append(forbid)
    async with running(fake):
        await until("asked", lambda: len(fake.requests.of("list", "Pod")) > 2)
        assert not reconciled(fake)
        fake.faults.clear()
        await until("reconciled", lambda: reconciled(fake))


async def test_stops_while_it_waits(fake: FakeKube) -> None:
    fake.hidden.add("BrokerPool")
    async with running(fake) as one:
        await until("asked", lambda: len(fake.requests.of("list", "MemoryTenant")) > 1)
        await one.stop()


async def test_a_dead_watch_ends_the_process(fake: FakeKube) -> None:
    class DeadWatch:
        async def run(self, targets: Any, on_event: Any, on_start: Callable[[Any, Any], None]) -> None:
            for target in targets:
                on_start(target, None)
            await asyncio.Event().wait()

    pace = Pace(interval=0.05, grace=0.1, spread=0.0, retry=0.02)
    async with running(fake, watch=DeadWatch(), pace=pace) as one:
        with pytest.raises(ExceptionGroup) as raised:
            await asyncio.wait_for(one.task, 10)
        assert raised.group_contains(WatchEnded, match="BrokerPool/memory/p")


async def test_a_reconcile_may_end_within_the_limit(fake: FakeKube) -> None:
    started, finish = asyncio.Event(), asyncio.Event()

    class Slow(Toy):
        async def reconcile(self, key: Key) -> Any:
            started.set()
            await finish.wait()
            return await super().reconcile(key)

    async with running(fake, build=lambda role, ctx: [Slow(ctx)]) as one:
        await started.wait()
        one.process.stopping.set()
        await until("stopping", lambda: one.process._waiting_for() == "the end")
        finish.set()
        await asyncio.wait_for(one.task, 10)
    assert reconciled(fake)
    assert fake.cluster.get(LEASE)["spec"]["holderIdentity"] == ""


async def test_a_reconcile_beyond_the_limit_is_cut_off(fake: FakeKube) -> None:
    started = asyncio.Event()

    class Stuck(Toy):
        async def reconcile(self, key: Key) -> Any:
            started.set()
            await asyncio.Event().wait()

    settings = Settings(role="platform", port=0, stop_limit=0.05)
    async with running(fake, build=lambda role, ctx: [Stuck(ctx)], settings=settings) as one:
        await started.wait()
        await one.stop()
    assert not reconciled(fake)


async def test_without_a_lease_work_starts_at_once(fake: FakeKube) -> None:
    async with running(fake, settings=Settings(role="platform", port=0, lease=False)):
        await until("reconciled", lambda: reconciled(fake))
    assert fake.requests.of("create", "Lease") == []


async def test_at_rest_nothing_but_the_lease_is_written(fake: FakeKube) -> None:
    pace = Pace(interval=0.05, spread=0.0, retry=0.02)
    async with running(fake, pace=pace) as one:
        await until("reconciled", lambda: reconciled(fake))
        fake.requests.clear()
        await until("resyncs", lambda: len(fake.requests.of("list", "BrokerPool")) > 4)
        await until("reconciles", lambda: len(one.seen) > 4)
        assert fake.requests.writes() == []
        assert fake.requests.of("get") == []


async def test_a_missed_delete_is_repaired(fake: FakeKube) -> None:
    def swallow(type_: str, obj: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        return [] if type_ == "DELETED" else [(type_, obj)]

    fake.faults.events.append(swallow)
    pace = Pace(interval=0.05, spread=0.0, retry=0.02)
    async with running(fake, pace=pace):
        await until("reconciled", lambda: reconciled(fake))
        fake.cluster.delete(Key("ConfigMap", "memory", "p"))
        await until("made anew", lambda: fake.cluster.find(Key("ConfigMap", "memory", "p")) is not None)


async def test_an_apiserver_that_goes_away_and_comes_back(fake: FakeKube) -> None:
    port = int(fake.url.rpartition(":")[2])
    async with running(fake):
        await until("reconciled", lambda: reconciled(fake))
        await fake.stop()
        fake.cluster.patch(POOL, {"spec": {"replicas": 7}})
        await fake.start(port)
        await until("edit reconciled", lambda: reconciled(fake, 7))


async def test_foreign_objects_are_left_alone(fake: FakeKube) -> None:
    foreign = fake.cluster.put(config_map("memory", "p", a="1"))
    async with running(fake) as one:
        await until("tried", lambda: POOL in one.seen)
        await until("told", lambda: one.process.queue.running == 0 and len(one.process.queue) > 0)
    assert fake.cluster.get(Key("ConfigMap", "memory", "p")) == foreign
