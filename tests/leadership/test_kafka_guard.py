"""Kafka takes a write from whoever sends it: so a process that has just lost its Lease sends no further one."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from agentmemory.clients.reconcile import ClientReconciler
from agentmemory.engines.kafka import acls
from agentmemory.families.reconcile import FamilyReconciler
from agentmemory.kafka.model import Acl
from tests import teams
from tests.fakekafka import Call, FakeAdmin, FakeKafka, FakePool
from tests.fakekube.fixture import World
from tests.teams import CLIENT_KEY, CLUSTER_KEY, CREDENTIALS, TENANT_KEY

Act = Callable[[World], None]


@asynccontextmanager
async def serving(kafka: FakeKafka) -> AsyncIterator[World]:
    """A tenant's world in which two families and a client are served."""
    async with World.open() as world:
        world.kafka(FakePool(kafka))
        world.use(FamilyReconciler, ClientReconciler)
        world.put(teams.handover(), teams.cluster(), teams.tenant())
        world.cluster.set_status(CLUSTER_KEY, teams.running())
        world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
        world.put(teams.family(), teams.family("second"), teams.client())
        await world.run_until_quiet()
        kafka.calls.clear()
        yield world


def _other_mechanism(world: World) -> None:
    world.edit(CLIENT_KEY, {"spec": {"authentication": {"type": "ScramSha256"}}})


def _other_access(world: World) -> None:
    world.edit(CLIENT_KEY, {"spec": {"access": [{"family": "second", "operations": ["Produce"]}]}})


def _new(world: World) -> None:
    world.put(teams.client("two"))


def _end(world: World) -> None:
    world.delete(CLIENT_KEY)


def lose_after(world: World, kafka: FakeKafka, last: int) -> None:
    """The Lease is lost while the answer of this write is on its way."""

    def lose(call: Call) -> None:
        if len(kafka.writes()) == last:
            world.ctx.leading = lambda: False

    kafka.after.append(lose)


@pytest.mark.parametrize(("act", "writes"), [(_other_mechanism, 2), (_other_access, 2), (_new, 2), (_end, 2)])
async def test_a_lease_that_is_lost_with_a_write(act: Act, writes: int) -> None:
    for last in range(1, writes):
        kafka = FakeKafka()
        async with serving(kafka) as world:
            lose_after(world, kafka, last)
            act(world)
            await world.run_until_quiet(within=5)
            assert len(kafka.writes()) == last
            kafka.after.clear()
            world.ctx.leading = lambda: True
            await world.run_until_quiet(within=60)
            assert len(kafka.writes()) == writes


async def test_rights_of_the_tenant_role() -> None:
    kafka, held = FakeKafka(), [True]
    kafka.acls.add(Acl(next(iter(acls.TENANT_OPERATOR)).principal, "TOPIC", "*", "LITERAL", "READ"))
    kafka.after.append(lambda call: held.clear() if call.is_write else None)
    await acls.keep(cast(Any, FakeAdmin(kafka, CREDENTIALS)), lambda: bool(held))
    assert [call.method for call in kafka.writes()] == ["create_acls"]
