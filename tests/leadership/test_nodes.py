"""The leader is stopped in the middle of writes for nodes, again and again, while a cluster rises, grows, is rolled."""

import signal
from pathlib import Path

import pytest

from tests.faultproxy import Gate, Match

from .replica import Replica
from .rise import Act, Rise, lived, rising
from .waiting import until

# For each act the writes to stop in, in the order in which they come.
WRITES = [
    [
        Match(verb="create", kind="Secret", namespace="data"),
        Match(verb="patch", kind="PersistentVolumeClaim"),
        Match(verb="update", kind="ConfigMap"),
    ],
    [Match(verb="create", kind="Pod")],
    [Match(verb="delete", kind="Pod"), Match(verb="delete", kind="Pod")],
]


async def stopped_in(rise: Rise, act: Act, writes: list[Match]) -> None:
    """Each write by whoever leads then; the stopped one comes back while another leads."""
    leader = await rise.scene.leader()
    gate = leader.proxy.hold(writes[0])
    await act(rise)
    for following in [*writes[1:], None]:
        await gate.arrived()
        leader.signal(signal.SIGSTOP)
        second = rise.scene.other(leader)
        next_gate = second.proxy.hold(following) if following else None
        await rise.scene.leads(second)
        await come_back(leader, gate)
        if next_gate is not None:
            leader, gate = second, next_gate


async def come_back(replica: Replica, gate: Gate) -> None:
    lives = len(replica.codes)
    gate.release()
    replica.signal(signal.SIGCONT)

    async def warm() -> bool:
        return len(replica.codes) > lives and replica.is_warm

    await until(f"{replica.name} ends and stands by", warm)
    assert replica.codes[lives] == 1


@pytest.mark.timeout(300)
async def test_a_cluster_lives_as_if_there_were_one_leader(tmp_path: Path) -> None:
    folders = [tmp_path / "calm", tmp_path / "wild"]
    for folder in folders:
        folder.mkdir()
    async with rising(folders[0]) as calm:
        wanted = await lived(calm, lambda act, _: act(calm))
    async with rising(folders[1]) as wild:
        assert await lived(wild, lambda act, number: stopped_in(wild, act, WRITES[number])) == wanted
