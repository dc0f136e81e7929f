"""Merging asks: who is sent with whom, and whose failure reaches whom."""

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.core import merger as merger_module
from agentmemory.core.errors import Transient
from agentmemory.core.merger import Merger


class Remote:
    """Doubles numbers; holds each call until it is let go."""

    def __init__(self, held: bool = False) -> None:
        self.calls: list[dict[str, int]] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None
        if not held:
            self.gate.set()

    async def __call__(self, items: Mapping[str, int]) -> Mapping[str, int]:
        self.calls.append(dict(items))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return {key: 2 * value for key, value in items.items() if value >= 0}


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_lone_ask_is_called_at_once() -> None:
    remote = Remote(held=True)
    asking = asyncio.create_task(Merger(remote, linger=3600).ask({"a": 1}))
    await settle()
    assert remote.calls == [{"a": 1}]
    remote.gate.set()
    assert await asking == {"a": 2}


async def test_asks_during_a_call_go_out_together() -> None:
    remote = Remote(held=True)
    merger = Merger(remote, linger=0)
    first = asyncio.create_task(merger.ask({"a": 1}))
    await settle()
    others = [asyncio.create_task(merger.ask({name: 5})) for name in "bcd"]
    await settle()
    assert remote.calls == [{"a": 1}]
    remote.gate.set()
    assert await asyncio.gather(first, *others) == [{"a": 2}, {"b": 10}, {"c": 10}, {"d": 10}]
    assert remote.calls == [{"a": 1}, {"b": 5, "c": 5, "d": 5}]


async def test_soon_after_a_call_it_collects_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merger_module, "_BUSY", 3600.0)  # however slow this machine is, the call was just now
    remote = Remote()
    merger = Merger(remote, linger=0.3)
    await merger.ask({"a": 1})
    early = asyncio.create_task(merger.ask({"a": 2}))
    await settle()
    late = asyncio.create_task(merger.ask({"b": 2}))
    await asyncio.gather(early, late)
    assert remote.calls == [{"a": 1}, {"a": 2, "b": 2}]


async def test_at_a_high_rate_it_collects_for_longer_or_until_a_call_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merger_module, "_BUSY", 3600.0)
    monkeypatch.setattr(merger_module, "MANY", 5)
    remote = Remote()
    merger = Merger(remote, most=4, linger=0.0, longer=3600.0)
    await merger.ask({"a": 1})
    await merger.ask({"b": 1, "c": 1})
    assert remote.calls == [{"a": 1}, {"b": 1, "c": 1}], "three items within a second are no high rate"
    first = asyncio.create_task(merger.ask({"d": 1, "e": 1}))
    await settle()
    second = asyncio.create_task(merger.ask({"f": 1}))
    await settle()
    assert len(remote.calls) == 2
    assert await merger.ask({"g": 1}) == {"g": 2}
    await asyncio.gather(first, second)
    assert remote.calls[2:] == [{"d": 1, "e": 1, "f": 1, "g": 1}]


async def test_a_second_later_the_rate_is_low_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merger_module, "_BUSY", 3600.0)
    remote = Remote()
    merger = Merger(remote, linger=0.0, longer=3600.0)
    loop = asyncio.get_running_loop()
    await merger.ask({str(number): 1 for number in range(merger_module.MANY)})
    later = loop.time() + 1.01
    monkeypatch.setattr(loop, "time", lambda: later)
    assert await merger.ask({"a": 1}) == {"a": 2}


async def test_long_after_a_call_an_ask_is_alone_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merger_module, "_BUSY", -1.0)
    remote = Remote()
    merger = Merger(remote, linger=3600)
    for number in (1, 2, 3):
        assert await merger.ask({"a": number}) == {"a": 2 * number}


async def test_a_call_holds_so_many_items_at_most_but_an_ask_is_never_cut() -> None:
    remote = Remote()
    merger = Merger(remote, most=3, linger=0)
    asks = [{"a": 1, "b": 1}, {"c": 1}, {"d": 1}, {"e": 1, "f": 1, "g": 1, "h": 1}]
    await asyncio.gather(*(merger.ask(items) for items in asks))
    assert [len(call) for call in remote.calls] == [3, 1, 4]


async def test_two_asks_about_one_key_are_never_in_one_call() -> None:
    remote = Remote()
    merger = Merger(remote, linger=0)
    assert await asyncio.gather(merger.ask({"a": 1}), merger.ask({"a": 4})) == [{"a": 2}, {"a": 8}]
    assert remote.calls == [{"a": 1}, {"a": 4}]


async def test_a_key_without_an_answer_is_left_out() -> None:
    assert await Merger(Remote()).ask({"a": -1, "b": 1}) == {"b": 2}


async def test_nothing_asked_is_no_call() -> None:
    remote = Remote()
    assert await Merger(remote).ask({}) == {}
    assert remote.calls == []


async def test_a_failed_call_fails_its_asks_and_no_others() -> None:
    remote = Remote()
    merger = Merger(remote, linger=0)
    remote.error = Transient("KafkaTimedOut", "no answer")
    results = await asyncio.gather(merger.ask({"a": 1}), merger.ask({"b": 1}), return_exceptions=True)
    assert [type(result) for result in results] == [Transient, Transient]
    remote.error = None
    assert await merger.ask({"a": 1}) == {"a": 2}


async def test_an_ask_that_is_given_up_is_not_sent_and_takes_nobody_along() -> None:
    remote = Remote(held=True)
    merger = Merger(remote, linger=0)
    first = asyncio.create_task(merger.ask({"a": 1}))
    await settle()
    second, third = asyncio.create_task(merger.ask({"b": 1})), asyncio.create_task(merger.ask({"c": 1}))
    await settle()
    second.cancel()
    await settle()
    remote.gate.set()
    assert await third == {"c": 2}
    assert remote.calls == [{"a": 1}, {"c": 1}]
    await first
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_all_who_waited_give_up() -> None:
    remote = Remote(held=True)
    merger = Merger(remote, linger=0)
    first = asyncio.create_task(merger.ask({"a": 1}))
    await settle()
    second = asyncio.create_task(merger.ask({"b": 1}))
    await settle()
    for task in (first, second):
        task.cancel()
    await settle()
    remote.gate.set()
    await settle()
    assert remote.calls == [{"a": 1}]
    assert await merger.ask({"c": 1}) == {"c": 2}


@given(st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 9), max_size=4), max_size=12))
async def test_everybody_gets_the_answers_to_what_was_asked(asks: list[dict[str, int]]) -> None:
    remote = Remote()
    merger = Merger(remote, most=5, linger=0)
    answers = await asyncio.gather(*(merger.ask(items) for items in asks))
    assert answers == [{key: 2 * value for key, value in items.items()} for items in asks]
    assert all(len(call) <= 5 for call in remote.calls)
    assert sum(map(len, remote.calls)) == sum(map(len, asks))
