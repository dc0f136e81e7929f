"""One table of troubles, two watches, two API servers: after each, the store is what the server has."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from agentmemory.core.key import Key
from agentmemory.kube.client import KubeClient
from agentmemory.kube.watch import WatchEnded
from tests.fakekube.client import configuration_for
from tests.faultproxy import (
    CutStream,
    DelayEvent,
    DropEvent,
    DuplicateEvent,
    EventMatch,
    Expire,
    FaultProxy,
    Hang,
    Match,
    Refuse,
    Reorder,
)
from tests.kube.conftest import Server
from tests.kube.objects import config_map
from tests.kube.watches import OURS, Rig, Sort, hurry

WATCH = Match(verb="watch", kind="BrokerPool")
LIST = Match(verb="list", kind="BrokerPool")
EVENTS = EventMatch(kind="BrokerPool")
# kopf gives up after these, so that the process ends and starts anew: no error, but nothing that one wants to see.
ENDS = {("kopf", "410 when it goes on")}

Case = Callable[[Rig], Awaitable[None]]
CASES: dict[str, tuple[Case | None, Case]] = {}


def case(name: str, before: Case | None = None) -> Callable[[Case], Case]:
    """Add a case: `before` sets it up before the watch starts, the function runs once the store is complete."""

    def add(run: Case) -> Case:
        CASES[name] = (before, run)
        return run

    return add


@pytest.fixture
async def rig(server: Server) -> AsyncIterator[Rig]:
    """The stage, with the namespace's pools a, b and c."""
    proxy = FaultProxy(server.fake.url) if server.kubeconfig is None else await FaultProxy.of(server.kubeconfig)
    async with (
        proxy,
        await server.client() as direct,
        KubeClient(configuration_for(proxy.url), manager="resync") as kube,
    ):
        made = Rig(proxy, direct, kube, server.namespace)
        await made.make("a", "b", "c")
        yield made


async def changes(rig: Rig) -> None:
    """One of everything."""
    await rig.make("new")
    await rig.edit("a", 7)
    await rig.delete("b")
    await rig.agree()


async def cut(rig: Rig) -> None:
    """Break the open streams."""
    for stream in [*rig.proxy.streams]:
        stream.cut()


@case("nothing wrong")
async def _(rig: Rig) -> None:
    await changes(rig)
    assert rig.starts == 1
    assert {("ADDED", "new"), ("MODIFIED", "a"), ("DELETED", "b")} <= set(rig.events)
    assert {name for type_, name in rig.events if type_ is None} == {"a", "b", "c"}


@case("an object of one megabyte")
async def _(rig: Rig) -> None:
    await rig.direct.create(config_map(rig.namespace, "big", OURS, text="x" * 1_000_000))
    await rig.until(lambda: rig.store.get(Key("ConfigMap", rig.namespace, "big")))


@case("a stream that is cut goes on where it was")
async def _(rig: Rig) -> None:
    await rig.edit("a", 4)
    await rig.agree()
    await cut(rig)
    await changes(rig)
    assert rig.starts == 1
    assert rig.proxy.counts.total(verb="watch", kind="BrokerPool") == 2


@case("what was deleted while the stream was down is not missed")
async def _(rig: Rig) -> None:
    rig.proxy.rules.add(WATCH, Refuse(503), times=2)
    await cut(rig)
    await changes(rig)


@case("410 in the stream")
async def _(rig: Rig) -> None:
    rig.proxy.events.add(EVENTS, Expire())
    await changes(rig)
    await rig.until(lambda: rig.starts == 2)
    await rig.agree()


@case("410 when it goes on")
async def _(rig: Rig) -> None:
    rig.proxy.rules.add(WATCH, Refuse(410, "Expired"))
    await cut(rig)
    await changes(rig)
    await rig.until(lambda: rig.starts == 2)
    await rig.agree()


@case("deleted unseen before a 410")
async def _(rig: Rig) -> None:
    rig.proxy.events.add(EventMatch(kind="BrokerPool", type="DELETED"), DropEvent(), times=2)
    await rig.delete("a", "c")
    await rig.make("d")
    await rig.until(lambda: ("ADDED", "d") in rig.events)
    assert len(rig.store.list("BrokerPool")) == 4
    rig.proxy.events.add(EVENTS, Expire())
    await rig.delete("b")
    await rig.agree()
    assert {obj["metadata"]["name"] for obj in rig.store.list("BrokerPool")} == {"d"}


@case("429 with Retry-After on the watch")
async def _(rig: Rig) -> None:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    rig.proxy.rules.add(
        WATCH, Refuse(429, "TooManyRequests", retry_after=1), on_hit=lambda _: times.append(loop.time())
    )
    await cut(rig)
    await rig.until(lambda: times)
    await rig.until(lambda: any(stream.call.kind == "BrokerPool" for stream in rig.proxy.streams))
    assert loop.time() - times[0] >= 0.95
    await changes(rig)


@case("429 with Retry-After on the list")
async def _(rig: Rig) -> None:
    rig.proxy.rules.add(LIST, Refuse(429, "TooManyRequests", retry_after=1), times=2)
    rig.proxy.events.add(EVENTS, Expire())
    await changes(rig)


@case("5xx on the watch")
async def _(rig: Rig) -> None:
    for code in (500, 502, 503, 504):
        rig.proxy.rules.add(WATCH, Refuse(code))
    await cut(rig)
    await changes(rig)


@case("credentials that are refused once")
async def _(rig: Rig) -> None:
    rig.proxy.rules.add(WATCH, Refuse(401, "Unauthorized"))
    await cut(rig)
    await changes(rig)


@case("rights that are away for a moment")
async def _(rig: Rig) -> None:
    rig.proxy.rules.add(WATCH, Refuse(403, "Forbidden"), times=2)
    await cut(rig)
    await changes(rig)


@case("a stream that hangs silently")
async def _(rig: Rig) -> None:
    rig.proxy.events.add(EVENTS, Hang())
    await changes(rig)


@case("a connection that is never answered")
async def _(rig: Rig) -> None:
    gate = rig.proxy.hold(WATCH)
    await cut(rig)
    await gate.arrived()
    await changes(rig)


@case("events that come twice, late and in another order")
async def _(rig: Rig) -> None:
    rig.proxy.events.add(EVENTS, DuplicateEvent(3), times=2)
    rig.proxy.events.add(EVENTS, DelayEvent(0.1), times=2)
    rig.proxy.events.add(EVENTS, Reorder(2, within=0.1), times=4)
    for number in range(4, 9):
        await rig.edit("a", number)
        await rig.edit("b", number)
    await rig.delete("c")
    await changes(rig)


@case("a delete and a new object of that name, in the wrong order")
async def _(rig: Rig) -> None:
    rig.proxy.events.add(EventMatch(kind="BrokerPool", type="DELETED"), Reorder(1, within=1.0))
    await rig.delete("a")
    await rig.make("a")
    await rig.agree()


@case("an apiserver that goes away and comes back")
async def _(rig: Rig) -> None:
    port = int(rig.proxy.url.rpartition(":")[2])
    await rig.proxy.stop()
    await rig.make("while-away")
    await rig.delete("c")
    await rig.proxy.start(port)
    await changes(rig)


async def cut_in_what_exists(rig: Rig) -> None:
    rig.proxy.events.add(EventMatch(kind="BrokerPool", type="ADDED"), CutStream(), after=2)
    # Older than what was sent already: a client that goes on from a version it took from there never sees it again.
    await rig.edit("a", 5)


@case("a stream that is cut while what exists is coming", cut_in_what_exists)
async def _(rig: Rig) -> None:
    await changes(rig)


async def slow_start(rig: Rig) -> None:
    rig.proxy.rules.add(WATCH, Refuse(429, "TooManyRequests", retry_after=1))
    rig.proxy.rules.add(WATCH, Refuse(500))


@case("a start in trouble", slow_start)
async def _(rig: Rig) -> None:
    await changes(rig)


# kopf drops a connection now and then when it reads credentials anew.
LEAKS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.mark.parametrize("sort", [pytest.param("kopf", marks=LEAKS), "list"])
@pytest.mark.parametrize("name", CASES)
async def test_the_store_is_what_the_server_has(
    rig: Rig, sort: Sort, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    before, run = CASES[name]
    if before is not None:
        await before(rig)
    async with rig.watching(sort):
        await rig.agree()
        if (sort, name) in ENDS:
            with pytest.raises(WatchEnded):
                await run(rig)
        else:
            await run(rig)
            assert not rig.task.done()
    assert rig.proxy.counts.writes() == 0
