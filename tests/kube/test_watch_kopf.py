"""kopf's streams against the fake apiserver: what arrives, what is asked for, what is never written."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agentmemory.core.key import Key, key_of
from agentmemory.kube.watch import CHILDREN_SELECTOR, Target, WatchEnded
from agentmemory.kube.watch_kopf import Backoffs, KopfWatch, _close_generators
from tests.fakekube.client import configuration_for
from tests.fakekube.server import FakeKube

Object = dict[str, Any]
MANAGED = {"app.kubernetes.io/managed-by": "agent-memory-operator"}
FAMILY = {
    "apiVersion": "agentmemory.dev/v1alpha1",
    "kind": "TopicFamily",
    "metadata": {"name": "f", "namespace": "team", "finalizers": ["agentmemory.dev/cleanup"]},
    "spec": {"partitions": 1},
}


class Seen:
    """What the watch delivered, and a way to wait for it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str | None, str]] = []
        self.starts: list[tuple[str, str | None]] = []
        self._changed = asyncio.Event()

    def __call__(self, kind: str, type_: str | None, obj: Object) -> None:
        self.events.append((kind, type_, key_of(obj).name))
        self._changed.set()

    def start(self, target: Target) -> None:
        self.starts.append((target.kind, target.namespace))

    async def wait_for(self, *wanted: tuple[str, str | None, str]) -> None:
        async with asyncio.timeout(10):
            while not set(wanted) <= set(self.events):
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def watching(
    fake: FakeKube, targets: list[Target], seen: Callable[..., None]
) -> AsyncIterator[asyncio.Task[None]]:
    async def login() -> Any:
        return configuration_for(fake.url)

    def on_start(target: Target, version: str | None) -> None:
        assert version is None, "kopf does not tell when all has come"
        if isinstance(seen, Seen):
            seen.start(target)

    task = asyncio.create_task(KopfWatch(login).run(targets, seen, on_start))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_delivers_what_exists_and_every_change_and_writes_nothing(fake: FakeKube) -> None:
    fake.cluster.put(FAMILY)
    seen = Seen()
    key = Key("TopicFamily", "team", "f")
    async with watching(fake, [Target("TopicFamily")], seen):
        await seen.wait_for(("TopicFamily", None, "f"))
        fake.cluster.patch(key, {"spec": {"partitions": 2}})
        await seen.wait_for(("TopicFamily", "MODIFIED", "f"))
        fake.cluster.delete(key)
        fake.cluster.patch(key, {"metadata": {"finalizers": None}})
        await seen.wait_for(("TopicFamily", "DELETED", "f"))
    assert fake.requests.writes() == []


async def test_children_are_selected_by_the_server_and_bound_to_namespaces(fake: FakeKube) -> None:
    for namespace in ("a", "b", "c"):
        for name, labels in (("ours", MANAGED), ("foreign", {})):
            fake.cluster.put(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": f"{name}-{namespace}", "namespace": namespace, "labels": labels},
                }
            )
    seen = Seen()
    targets = [Target("ConfigMap", namespace, CHILDREN_SELECTOR) for namespace in ("a", "b")]
    async with watching(fake, [*targets, Target("TopicFamily")], seen):
        await seen.wait_for(("ConfigMap", None, "ours-a"), ("ConfigMap", None, "ours-b"))
    assert {name for _, _, name in seen.events} == {"ours-a", "ours-b"}
    assert set(seen.starts) == {("ConfigMap", "a"), ("ConfigMap", "b"), ("TopicFamily", None)}
    watches = fake.requests.of("watch", "ConfigMap")
    assert {request.namespace for request in watches} == {"a", "b"}
    assert {request.query["labelSelector"] for request in watches} == {CHILDREN_SELECTOR}
    assert [request.namespace for request in fake.requests.of("watch", "TopicFamily")] == [""]


async def test_survives_a_cut_and_an_expired_version(fake: FakeKube) -> None:
    fake.cluster.put(FAMILY)
    seen = Seen()
    async with watching(fake, [Target("TopicFamily")], seen):
        await seen.wait_for(("TopicFamily", None, "f"))
        fake.cluster.patch(Key("TopicFamily", "team", "f"), {"spec": {"partitions": 3}})
        fake.cluster.log.compact()
        fake.close_watches()
        fake.cluster.put({**FAMILY, "metadata": {"name": "g", "namespace": "team"}})
        await seen.wait_for(("TopicFamily", None, "g"))
    assert seen.starts == [("TopicFamily", None)] * 2


async def test_a_failing_receiver_ends_the_watch(fake: FakeKube) -> None:
    fake.cluster.put(FAMILY)

    def broken(*_: Any) -> None:
        raise RuntimeError("the store is broken")

    async with watching(fake, [Target("TopicFamily")], broken) as task:
        with pytest.raises(WatchEnded, match="RuntimeError: the store is broken"):
            await asyncio.wait_for(task, 10)


async def test_other_tasks_of_the_loop_outlive_a_cancelled_watch(fake: FakeKube) -> None:
    fake.cluster.put(FAMILY)
    seen = Seen()
    async with watching(fake, [Target("TopicFamily")], seen):
        await seen.wait_for(("TopicFamily", None, "f"))
        bystander = asyncio.create_task(asyncio.Event().wait())
    assert not bystander.done()
    bystander.cancel()


async def test_generators_that_were_left_behind_are_closed_to_their_end() -> None:
    closed: list[str] = []

    async def left_behind() -> AsyncIterator[None]:
        try:
            yield
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            closed.append("to its end")

    generator = left_behind()
    await anext(generator)
    cycle: list[Any] = [generator]
    cycle.append(cycle)
    gc.disable()
    try:
        del generator, cycle
        assert closed == []
        await _close_generators()
    finally:
        gc.enable()
    assert closed == ["to its end"]


def test_backoffs_never_end() -> None:
    delays = [delay for delay, _ in zip(Backoffs(), range(20), strict=False)]
    assert delays[:4] == [1, 2, 4, 5]
    assert set(delays[3:]) == {5}
