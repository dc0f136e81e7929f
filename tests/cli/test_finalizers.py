"""Releasing finalizers before the operator is uninstalled."""

import pytest

from agentmemory.api.labels import FINALIZER
from agentmemory.cli import finalizers
from tests.fakekube.fixture import World


def family(name: str, *names: str) -> dict[str, object]:
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "TopicFamily",
        "metadata": {"name": name, "namespace": "team", "finalizers": list(names)},
        "spec": {},
    }


async def test_only_our_finalizer_is_taken_off(world: World) -> None:
    world.put(family("ours", FINALIZER), family("both", "example.com/keep", FINALIZER), family("none"))
    released = await finalizers.release(world.ctx.kube)
    assert released == 2
    assert world.get("TopicFamily/team/ours")["metadata"].get("finalizers", []) == []
    assert world.get("TopicFamily/team/both")["metadata"]["finalizers"] == ["example.com/keep"]


async def test_nothing_is_written_when_there_is_none(world: World) -> None:
    world.put(family("none"))
    world.fake.requests.clear()
    assert await finalizers.release(world.ctx.kube) == 0
    assert world.fake.requests.writes() == []


async def test_a_bad_kubeconfig_is_told_without_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert await finalizers.main({"KUBECONFIG": "/nowhere/config"}) == 1
    told = capsys.readouterr().err
    assert "/nowhere/config" in told
    assert "Traceback" not in told
