"""The rules of the Lease, on real processes: who leads, how soon another does, what a standby is."""

import asyncio
import signal

from tests.faultproxy import WRITES, Delay, DropBefore, Match

from .replica import HANG, STALL, Replica
from .scene import LEASE, TIMING, Scene
from .waiting import until

LEASES = Match(kind="Lease", verb=WRITES)


async def ended(replica: Replica, lives: int = 1) -> None:
    async def enough() -> bool:
        return len(replica.codes) >= lives

    await until(f"{replica.name} ends", enough)


async def make_work(scene: Scene) -> None:
    """A land for the leader to write in."""
    land = scene.land("land00")
    await land.begin()
    await scene.ready([land])


def renewals(replica: Replica) -> int:
    return replica.proxy.counts.total(verb="update", kind="Lease")


async def test_sigterm_hands_over_at_once(scene: Scene) -> None:
    await make_work(scene)
    first = await scene.leader()
    second = scene.other(first)
    first.signal(signal.SIGTERM)
    await ended(first)
    lease = await scene.user.get(LEASE)
    assert lease is not None
    # Either it is free, or the second has it already, and need not have waited until it expires.
    assert not lease["spec"]["holderIdentity"].startswith(first.name)
    assert first.codes == [0]
    await scene.leads(second)
    await make_more_work(scene)


async def make_more_work(scene: Scene) -> None:
    """The leader does what is asked."""
    land = scene.land("land00")
    await land.put(land.family("new"))
    await scene.ready([land])


async def test_a_killed_leader_is_followed_once_its_lease_has_expired(scene: Scene) -> None:
    await make_work(scene)
    first = await scene.leader()
    first.signal(signal.SIGKILL)
    await scene.leads(scene.other(first))
    assert first.codes == [-signal.SIGKILL]
    await make_more_work(scene)


async def test_a_standby_writes_nothing_and_comes_to_lead_without_a_look_around(scene: Scene) -> None:
    await make_work(scene)
    first = await scene.leader()
    second = scene.other(first)
    # Both may have found no Lease in the beginning; then the second has tried to make it, too.
    assert second.proxy.counts.writes(but=("Lease",)) == 0
    assert second.proxy.counts.total(verb="create", kind="Lease") <= 1
    assert second.proxy.counts.total(verb=("update", "patch", "delete"), kind="Lease") == 0
    second.proxy.records.clear()
    for stream in second.proxy.streams:
        assert stream.sent > 0, f"the watch of {stream.call.kind} is open and has told what is there"
    first.signal(signal.SIGKILL)
    await scene.leads(second)
    assert second.proxy.counts.total(verb="watch") == len(second.proxy.streams), "every stream is its first one"


async def test_renewals_go_on_while_the_main_loop_is_busy(scene: Scene) -> None:
    first = await scene.leader()
    before = renewals(first)
    started = asyncio.get_running_loop().time()
    first.signal(STALL)

    async def renewed() -> bool:
        return renewals(first) >= before + 2

    await until("two renewals", renewed)
    # The main thread sleeps for longer than that.
    assert asyncio.get_running_loop().time() - started < 0.9 * TIMING.deadline
    assert first.codes == []


async def test_a_main_loop_that_hangs_does_not_keep_the_lease(scene: Scene) -> None:
    first = await scene.leader()
    first.signal(HANG)
    await scene.leads(scene.other(first))
    await ended(first)
    assert first.codes == [1]


async def test_a_renewal_has_a_time_limit_and_one_that_is_lost_costs_nothing(scene: Scene) -> None:
    first = await scene.leader()
    rule = first.proxy.rules.add(LEASES, Delay(TIMING.attempt + 0.2))
    before = renewals(first)

    async def tried_again() -> bool:
        return rule.hits == 1 and renewals(first) >= before + 3

    await until("the next renewals", tried_again)
    assert await scene.leader() is first
    assert first.codes == []


async def test_a_leader_that_reaches_nobody_ends_itself_and_another_leads(scene: Scene) -> None:
    await make_work(scene)
    first = await scene.leader()
    first.proxy.rules.add(Match(), DropBefore(), times=None)
    await ended(first)
    assert first.codes[0] == 1
    first.proxy.rules.clear()
    await scene.leads(scene.other(first))
    await make_more_work(scene)
