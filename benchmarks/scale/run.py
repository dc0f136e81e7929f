"""One run: a workload on a fresh target in a temporary folder, its result written, all of it bounded in time."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import uvloop

from benchmarks.result import FOLDER
from benchmarks.scale import changing, creation, resting, troubling
from benchmarks.scale.faketarget import FakeTarget
from benchmarks.scale.figures import Figures
from benchmarks.scale.options import Options
from benchmarks.scale.realtarget import RealTarget
from benchmarks.scale.targets import Target

T = TypeVar("T")
Workload = Callable[[Options, Target], Awaitable[Figures]]

WORKLOADS: dict[str, Workload] = {
    "W1": creation.w1,
    "W2": resting.w2,
    "W3": changing.w3,
    "W4": changing.w4,
    "W5": changing.w5,
    "W6": troubling.w6,
    "W7": troubling.w7,
    "W8": resting.w8,
}
TARGETS = {"real": RealTarget, "fake": FakeTarget}
# Seconds for a whole part besides the phases' own limits: starts, ends, and W2's look.
SPARE = 900.0


def measure(options: Options, folder: Path = FOLDER) -> Figures:
    """Run the workload and, for W1, the bare loop; write the result to `folder`. Raises when it could not measure."""
    with _folder(options) as place:
        with TARGETS[options.target](options, place / "ours") as target:
            figures = _run(options, WORKLOADS[options.workload](options, target))
        if options.workload == "W1" and options.bare:
            with TARGETS[options.target](options, place / "bare") as target:
                _run(options, creation.with_bare(options, target, figures))
    figures.write(options, folder)
    return figures


def _run(options: Options, work: Awaitable[T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(6 * options.patience + (options.seconds or 0) + SPARE):
            return await work

    return uvloop.run(bounded())


@contextmanager
def _folder(options: Options) -> Iterator[Path]:
    """A temporary folder; SIGTERM ends the run as an error would. When a run fails the logs are kept."""
    place = Path(tempfile.mkdtemp(prefix="agent-memory-bench-"))
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield place
    except BaseException:
        _keep_logs(place, FOLDER / "logs" / options.name)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        shutil.rmtree(place, ignore_errors=True)


def _keep_logs(place: Path, to: Path) -> None:
    for log in place.glob("*/*.log"):
        to.mkdir(parents=True, exist_ok=True)
        shutil.copy(log, to / f"{log.parent.name}-{log.name}")


def _stop(number: int, _: object) -> None:
    raise SystemExit(128 + number)
