"""Each role builds its own reconcilers, and every name in the table exists."""

from importlib import import_module
from typing import Any, cast

import pytest

from agentmemory import wiring
from agentmemory.kube.watch import OWN
from agentmemory.settings import Role
from tests.fakekube.fixture import World


@pytest.mark.parametrize("role", ["platform", "tenant"])
def test_the_table_names_what_exists(role: str) -> None:
    kinds = [getattr(import_module(module), name).kind for module, name in wiring.RECONCILERS[role]]
    assert len(set(kinds)) == len(kinds)
    assert set(kinds) <= set(OWN[role])


async def test_all_runs_both_roles() -> None:
    async with World.open() as world:
        world.kafka(object())
        kinds = {role: _kinds(role, world) for role in ("platform", "tenant", "all")}
    assert kinds["all"] == kinds["platform"] + kinds["tenant"]
    assert kinds["tenant"] == ["TopicFamily", "MemoryClient"]


def _kinds(role: str, world: Any) -> list[str]:
    return [one.kind for one in wiring.build(cast("Role", role), world.ctx)]
