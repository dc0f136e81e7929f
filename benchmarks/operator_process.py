"""The operator as it is shipped, but with Kafka's admin side in memory, or under a profiler. For the benchmarks.

    python -m benchmarks.operator_process tenant

BENCH_KAFKA=<file>: Kafka in memory; its topics are read from the file at the start and written to it at the end, so
that they outlive a restart. SIGUSR1 makes it unreachable, SIGUSR2 brings it back. A topic whose name contains `poison`
is refused by policy. BENCH_PROFILE=<file>: cProfile's statistics of all threads, in CPU seconds, are
written there at the end.
"""

from __future__ import annotations

import asyncio
import cProfile
import io
import os
import pickle
import pstats
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from agentmemory import app, cli
from agentmemory.core.errors import OperatorError
from agentmemory.core.key import Key
from agentmemory.kafka.credentials import Credentials
from agentmemory.kafka.model import TopicView
from benchmarks.scale.objects import POISON
from tests.fakekafka import Call, FakeAdmin, FakeKafka, FakePool

REMEMBERED_CALLS = 1000
PROFILE_LINES = 60


class Admin(FakeAdmin):
    """Describes named topics without a look at all the others, as a broker does."""

    async def describe_topics(self, names: Iterable[str]) -> dict[str, TopicView | OperatorError]:
        names = list(names)
        self._read("describe_topics", *names)
        return {name: self._view(self._kafka.topics[name]) for name in names if name in self._kafka.topics}


class Pool(FakePool):
    """One cluster in memory, kept in a file between two lives of the process."""

    def __init__(self, file: Path) -> None:
        kafka = FakeKafka(brokers=1, controllers=1)
        # Else the record of all calls would be most of the process's memory.
        kafka.calls = deque(maxlen=REMEMBERED_CALLS)  # type: ignore[assignment]
        kafka.policy = lambda name, _: "names with that word are not allowed" if POISON in name else None
        self.kafka, self._file = kafka, file
        self.calls: Counter[str] = Counter()
        kafka.before.append(self._count)
        if file.exists():
            kafka.topics, kafka._ids = pickle.loads(file.read_bytes())
        super().__init__(kafka)

    async def get(self, cluster: Key, credentials: Credentials, *, apart: bool = False) -> FakeAdmin:
        await super().get(cluster, credentials, apart=apart)
        return Admin(self.kafka, credentials)

    async def close(self) -> None:
        if self.kafka.topics or self._file.exists():
            self._file.write_bytes(pickle.dumps((self.kafka.topics, self.kafka._ids)))
        print("kafka calls in memory:", dict(self.calls), file=sys.stderr, flush=True)

    def listen(self) -> None:
        """SIGUSR1: away; SIGUSR2: back."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, partial(setattr, self.kafka, "available", False))
        loop.add_signal_handler(signal.SIGUSR2, partial(setattr, self.kafka, "available", True))

    def _count(self, call: Call) -> None:
        self.calls[call.method] += 1


async def life(role: str) -> int:
    """What `agent-memory-operator run` does."""
    file = os.environ.get("BENCH_KAFKA")
    if file:
        pool = Pool(Path(file))
        pool.listen()
        setattr(app, "Process", partial(app.Process, kafka=pool))  # noqa: B010 - mypy takes it for a type
    return int(await app.main(os.environ, role))


def profiled(run: Callable[[], int], file: Path) -> int:
    """Run under cProfile, each thread with a profile of its own; all of them are added up in `file`."""
    profiles: list[cProfile.Profile] = []
    original = threading.Thread.run

    def with_profile(self: threading.Thread) -> None:
        profiles.append(cProfile.Profile(time.thread_time))
        profiles[-1].runcall(original, self)

    threading.Thread.run = with_profile  # type: ignore[method-assign]
    profiles.append(cProfile.Profile(time.thread_time))
    code = int(profiles[0].runcall(run))
    text = io.StringIO()
    statistics = pstats.Stats(profiles[0], stream=text)
    for profile in profiles[1:]:
        profile.disable()
        statistics.add(profile)
    for order in ("cumulative", "tottime"):
        statistics.sort_stats(order).print_stats(PROFILE_LINES)
    statistics.dump_stats(file)
    file.with_suffix(".txt").write_text(text.getvalue())
    return code


def main() -> int:
    role, file = sys.argv[1], os.environ.get("BENCH_PROFILE")

    def run() -> int:
        return int(cli._until_complete(life(role)))

    return profiled(run, Path(file)) if file else run()


if __name__ == "__main__":
    sys.exit(main())
