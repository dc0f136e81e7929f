"""The world drives reconcilers deterministically and tells what they cost."""

from collections.abc import Iterable
from typing import Any

import pytest

from agentmemory.context import Context
from agentmemory.core.errors import Transient
from agentmemory.core.key import Key, key_of
from agentmemory.core.outcome import Again, Done, Outcome
from agentmemory.kube.owned import ensure
from agentmemory.kube.status import write_status

from .fixture import World, kubelet

FAMILY = {
    "apiVersion": "agentmemory.dev/v1alpha1",
    "kind": "TopicFamily",
    "metadata": {"name": "f", "namespace": "team"},
    "spec": {"partitions": 1},
}
KEY = "TopicFamily/team/f"


class Toy:
    """Makes one pod and reports its phase."""

    kind = "TopicFamily"

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    def owners(self, obj: dict[str, Any]) -> Iterable[Key]:
        if obj["kind"] == "Pod":
            yield Key("TopicFamily", obj["metadata"]["namespace"], obj["metadata"]["name"])

    async def reconcile(self, key: Key) -> Outcome:
        obj = self.ctx.store.get(key)
        if obj is None:
            return Done()
        pod = await ensure(self.ctx.kube, self.ctx.store, _pod(obj), obj["metadata"]["uid"])
        phase = pod.get("status", {}).get("phase", "Unknown")
        await write_status(self.ctx.kube, self.ctx.store, obj, {"observedGeneration": 1, "phase": phase})
        return Done() if phase == "Running" else Again(5, "waiting for the pod")


def _pod(owner: dict[str, Any]) -> dict[str, Any]:
    key, metadata = key_of(owner), owner["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {"app.kubernetes.io/managed-by": "agent-memory-operator"},
            "ownerReferences": [
                {"apiVersion": owner["apiVersion"], "kind": key.kind, "name": key.name, "uid": metadata["uid"]}
            ],
        },
        "spec": {"containers": [{"name": "c", "image": f"i:{owner['spec']['partitions']}"}]},
    }


async def test_runs_until_quiet_and_resync_writes_nothing(world: World) -> None:
    world.actors.append(kubelet)
    world.use(Toy)
    world.put(FAMILY)
    assert await world.run_until_quiet() == 2
    assert world.get(KEY)["status"]["phase"] == "Running"
    assert len(world.fake.requests.writes()) == 3  # pod, status Unknown, status Running
    world.fake.requests.clear()
    assert await world.resync() == 1
    assert list(world.fake.requests) == []


async def test_time_passes_only_when_asked(world: World) -> None:
    world.use(Toy)
    world.put(FAMILY)
    assert await world.run_until_quiet() == 1
    assert await world.run_until_quiet() == 0
    assert await world.run_until_quiet(within=11) == 2


async def test_a_deleted_owner_takes_its_pod_along(world: World) -> None:
    world.use(Toy)
    world.put(FAMILY)
    await world.run_until_quiet()
    world.delete(KEY)
    await world.run_until_quiet()
    assert world.find("Pod/team/f") is None
    assert world.store.list("Pod") == []


async def test_a_reconcile_that_wakes_itself_for_ever_is_told(world: World) -> None:
    class Restless(Toy):
        async def reconcile(self, key: Key) -> Outcome:
            return Again(0, "no reason")

    world.use(Restless)
    world.put(FAMILY)
    with pytest.raises(AssertionError, match="not quiet after 10"):
        await world.run_until_quiet(limit=10)


@pytest.mark.parametrize("writes", [1, 2, 3])
async def test_crash_after_every_write_and_restart(world: World, writes: int) -> None:
    world.actors.append(kubelet)
    world.use(Toy)
    world.put(FAMILY)
    world.die_after(writes)
    await world.run_until_quiet()
    assert world.dead
    await world.restart()
    await world.run_until_quiet()
    assert world.get(KEY)["status"]["phase"] == "Running"
    creates = [request for request in world.fake.requests.of("create", "Pod") if request.code == 201]
    assert len(creates) <= 1


async def test_faults_are_answered(world: World) -> None:
    world.use(Toy)
    world.put(FAMILY)
    world.fake.faults.before.append(lambda request: 500 if request.verb == "create" else None)
    assert await world.run_until_quiet(within=10) > 3
    world.fake.faults.clear()
    await world.run_until_quiet(within=60)
    assert world.find("Pod/team/f") is not None


async def test_transient_is_what_a_500_means(world: World) -> None:
    world.fake.faults.before.append(lambda request: 503)
    with pytest.raises(Transient, match="injected"):
        await world.ctx.kube.get(Key("Pod", "a", "b"))
