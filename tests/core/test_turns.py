"""Turns of the event loop: few at once, in order, nobody forgotten."""

import asyncio

from agentmemory.core.turns import Turns


class Clock:
    """Counts the loop's turns."""

    def __init__(self) -> None:
        self.turn = 0
        self._loop = asyncio.get_running_loop()
        self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        self.turn += 1
        self._handle = self._loop.call_soon(self._tick)

    def stop(self) -> None:
        self._handle.cancel()


async def test_so_many_go_on_in_one_turn_of_the_loop_and_in_their_order() -> None:
    clock, turns = Clock(), Turns(at_once=2)
    order: list[tuple[int, int]] = []

    async def one(number: int) -> None:
        await turns.take(number)
        order.append((number, clock.turn))

    await asyncio.gather(*(one(number) for number in range(6)))
    clock.stop()
    assert [number for number, _ in order] == [0, 1, 2, 3, 4, 5]
    first = order[0][1]
    assert [turn - first for _, turn in order] == [0, 0, 1, 1, 2, 2]


async def test_one_that_is_given_up_takes_nobodys_turn() -> None:
    turns = Turns(at_once=1)
    tasks = [asyncio.create_task(turns.take(number)) for number in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert [task.cancelled() for task in tasks] == [True, False, False]


async def test_later_ones_have_their_turn_too() -> None:
    turns = Turns(at_once=1)
    for _ in range(3):
        await asyncio.wait_for(asyncio.gather(turns.take(1), turns.take(2)), 5)


async def test_while_users_wait_there_is_a_pause_between_two_turns() -> None:
    turns = Turns(at_once=2, pause=3600.0)
    turns.user_asked()
    tasks = [asyncio.create_task(turns.take(number)) for number in range(3)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True, True, False]
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_pause_ends() -> None:
    turns = Turns(at_once=1, pause=0.01)
    turns.user_asked()
    await asyncio.wait_for(asyncio.gather(*(turns.take(number) for number in range(3))), 5)
    assert not turns._is_scheduled


async def test_one_that_somebody_waits_for_goes_on_at_once() -> None:
    turns = Turns(at_once=1, pause=3600.0)
    turns.user_asked()
    tasks = [asyncio.create_task(turns.take(number)) for number in range(4)]
    for _ in range(10):
        await asyncio.sleep(0)
    turns.hurry(2)
    turns.hurry(2)
    turns.hurry("nobody")
    for _ in range(10):
        await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True, False, True, False]
    for task in tasks[1::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    turns.hurry(1)  # it waits no more
