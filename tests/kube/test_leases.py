"""The Lease object, the same on fakekube and on a real apiserver."""

import pytest

from agentmemory.core.clock import SystemClock
from agentmemory.core.elector import Elector, LeaseRecord
from agentmemory.core.errors import Bug, OperatorError
from agentmemory.core.key import Key
from agentmemory.kube.client import KubeClient
from agentmemory.kube.errors import AlreadyExists, Stale
from agentmemory.kube.leases import KubeLease, _record, opener
from tests.fakekube.clock import FakeClock
from tests.kube.conftest import Server


@pytest.fixture
def lease(kube: KubeClient, server: Server) -> KubeLease:
    return KubeLease(kube, server.namespace, "leader", SystemClock())


async def test_a_whole_life(kube: KubeClient, server: Server, lease: KubeLease) -> None:
    assert await lease.read() is None
    made = await lease.write("a", 0, 15.0, None)
    assert await lease.read() == made
    with pytest.raises(AlreadyExists):
        await lease.write("b", 0, 15.0, None)
    renewed = await lease.write("a", 0, 15.0, made)
    assert renewed.version != made.version
    with pytest.raises(Stale):
        await lease.write("a", 0, 15.0, made)
    released = await lease.write("", 0, 1.0, renewed)
    assert released.holder == ""
    found = await kube.get(Key("Lease", server.namespace, "leader"))
    assert found is not None
    assert found["spec"]["leaseDurationSeconds"] == 1


async def test_acquire_time_stands_while_one_holds(kube: KubeClient, server: Server) -> None:
    clock = FakeClock()
    lease = KubeLease(kube, server.namespace, "leader", clock)
    made = await lease.write("a", 0, 15.0, None)
    clock.jump(2)
    await lease.write("a", 0, 15.0, made)
    found = await kube.get(Key("Lease", server.namespace, "leader"))
    assert found is not None
    assert found["spec"]["acquireTime"] == "2026-01-01T00:00:00.000000Z"
    assert found["spec"]["renewTime"] == "2026-01-01T00:00:02.000000Z"


async def test_two_candidates_over_the_wire(server: Server) -> None:
    clock = FakeClock()
    open_api = opener(server.client, server.namespace, "leader", clock)
    async with open_api() as first, open_api() as second:
        a, b = Elector(first, "a", clock), Elector(second, "b", clock)
        assert await a.attempt()
        assert not await b.attempt()
        await a.release()
        assert await b.attempt()
        assert not await a.attempt()


async def test_a_missing_namespace_is_an_error_with_a_name(kube: KubeClient) -> None:
    with pytest.raises(OperatorError) as raised:
        await KubeLease(kube, "no-such-namespace", "leader", SystemClock()).write("a", 0, 15.0, None)
    assert raised.value.reason == "NamespaceMissing"


def test_records_are_read_with_care() -> None:
    assert _record({"metadata": {"resourceVersion": "5"}}) == LeaseRecord("", 0, "5")
    with pytest.raises(Bug):
        _record({"metadata": {}})
