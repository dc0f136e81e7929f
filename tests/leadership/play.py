"""The first leader is stopped in the middle of a write of each story; the second leads; then the first comes back."""

import asyncio
import signal
import time
from collections.abc import Sequence
from typing import Any

from tests.faultproxy import Gate, Match

from .land import KafkaWrite, Land, StoreWrite
from .picture import differences
from .replica import Replica
from .scene import Scene
from .stories import Story
from .waiting import PATIENCE, until

THE_END = "in the end"
READS = ("describe", "look", "is_empty")
# So many looks in a row that show the same are a silence.
SILENT = 8
Pictures = dict[str, dict[str, Any]]


class Play:
    """All stories at once: each in two lands, one of them undisturbed. `found` are the differences, in words;
    `seconds` what each act took."""

    def __init__(self, scene: Scene, stories: Sequence[Story]) -> None:
        self._scene = scene
        self._stories = stories
        self._calm = [scene.land(f"calm{number:02}") for number in range(len(stories))]
        self._rough = [scene.land(f"wild{number:02}") for number in range(len(stories))]
        self.found: list[str] = []
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    async def run(self) -> None:
        """From empty lands to the comparison."""
        scene = self._scene
        await self._each("begin", self._calm)
        await self._each("begin", self._rough)
        await scene.ready([*self._calm, *self._rough])
        self._clock("begin")
        await self._each("deed", self._calm)
        after_deed = _of(self._calm, await scene.at_rest(self._calm))
        await self._each("meanwhile", self._calm)
        wanted = _of(self._calm, await scene.at_rest(self._calm))
        self._clock("one leader")

        first = await scene.leader()
        gates = await self._stop_in_the_middle(first)
        second = scene.other(first)
        self._clock("stop")
        await scene.leads(second)
        self._clock("take over")
        await self._reached("the second leader has not finished the deed", after_deed)
        await self._each("meanwhile", self._rough)
        await self._reached("the second leader has not finished what came meanwhile", wanted)

        self._clock("second leader")
        await self._let_arrive(first, gates)
        mark = *self._outside(), len(first.proxy.records)
        await self._comes_back(first)
        self._check_silence(first, *mark)
        found = await scene.at_rest(self._rough)
        self._compare(THE_END, wanted, _of(self._rough, found))
        self._clock("come back")

    def _clock(self, what: str) -> None:
        now = time.monotonic()
        self.seconds[what], self._since = round(now - self._since, 1), now

    async def _each(self, act: str, lands: Sequence[Land]) -> None:
        acts = zip(self._stories, lands, strict=True)
        await asyncio.gather(*(getattr(story, act)(land) for story, land in acts))

    async def _stop_in_the_middle(self, first: Replica) -> list[Gate]:
        scenes = [*zip(self._stories, self._rough, strict=True)]
        gates = [self._hold(first, story.held(land)) for story, land in scenes]
        for shared in (False, True):
            wave = [(*scene, gate) for scene, gate in zip(scenes, gates, strict=True) if scene[0].shared is shared]
            await asyncio.gather(*(story.deed(land) for story, land, _ in wave))
            for story, _, gate in wave:
                try:
                    await gate.arrived(seconds=PATIENCE)
                except TimeoutError:
                    raise AssertionError(f"{story}: the write to hold did not come") from None
        await self._nothing_else_under_way(first)
        first.signal(signal.SIGSTOP)
        return gates

    async def _nothing_else_under_way(self, first: Replica) -> None:
        """A write whose last byte is still to be sent when its sender is stopped would arrive at any time after."""
        seen: list[tuple[int, int, int]] = []

        async def silent() -> bool:
            seen.append((first.proxy.counts.writes(but=("Lease",)), *self._outside()))
            return len(seen) >= SILENT and len(set(seen[-SILENT:])) == 1

        await until("the first leader writes nothing but what is held", silent)

    def _outside(self) -> tuple[int, int]:
        return len(self._scene.kafka.calls), len(self._scene.store.calls)

    def _hold(self, first: Replica, match: Match | KafkaWrite | StoreWrite) -> Gate:
        if isinstance(match, Match):
            return first.proxy.hold(match)
        return (self._scene.kafka if isinstance(match, KafkaWrite) else self._scene.store).hold(match)

    async def _reached(self, complaint: str, wanted: list[dict[str, Any]]) -> None:
        async def same() -> bool:
            return _of(self._rough, await self._scene.pictures(self._rough)) == wanted

        try:
            await until(complaint, same, 30, pause=0.2)
        except AssertionError:
            self._compare(complaint, wanted, _of(self._rough, await self._scene.pictures(self._rough)))

    async def _let_arrive(self, first: Replica, gates: list[Gate]) -> None:
        """What was held has its effect, now, while its sender still stands still."""
        held = [gate.held[0] for gate in gates]
        for gate in gates:
            gate.release()

        async def arrived() -> bool:
            answered = [record.call for record in first.proxy.records]
            done = (*answered, *self._scene.kafka.done, *self._scene.store.done)
            return all(call in done for call in held)

        await until("what was held arrives", arrived)

    async def _comes_back(self, first: Replica) -> None:
        lives = len(first.codes)
        first.signal(signal.SIGCONT)

        async def ended() -> bool:
            return len(first.codes) > lives

        await until("the first leader ends itself", ended)
        assert first.codes[lives:] == [1]

        async def warm() -> bool:
            return first.is_warm

        await until("the first leader stands by", warm)

    def _check_silence(self, first: Replica, calls: int, stored: int, records: int) -> None:
        """Nothing was written by a process that was not the leader any more."""
        kube = [record.call for record in [*first.proxy.records][records:]]
        self.found += [f"written after the pause: {call}" for call in kube if call.is_write and call.kind != "Lease"]
        others = (*self._scene.kafka.calls[calls:], *self._scene.store.calls[stored:])
        own = [call for call in others if call.replica == first.name]
        self.found += [f"called after the pause: {call}" for call in own if not call.method.startswith(READS)]

    def _compare(self, when: str, wanted: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
        for story, one, other in zip(self._stories, wanted, found, strict=True):
            lines = differences(one, other)
            if story.told and when == THE_END:
                told = [line for line in lines if line.startswith(" Event/") and f"/{story.told}/" in line]
                self.found += [] if told else [f"{story}: nobody was told of what arrived late"]
                lines = [line for line in lines if line not in told]
            self.found += [f"{story}, {when}:{difference}" for difference in lines]


def _of(lands: Sequence[Land], pictures: Pictures) -> list[dict[str, Any]]:
    return [pictures[land.tag] for land in lands]
