"""Runs every test of the project, slow preparations side by side with what does not need them.

The seconds of each part are printed and written to build/test-parts.json; each part's whole output is in
build/logs/<part>.log. The last lines are pytest's own summaries and
the names of the tests that failed.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "logs"
# Nearly half of a test process's first 15 s of CPU is compiling tests and packages; and many tests start programs.
BYTECODE = ROOT / "build" / "bytecode"
HEARTBEAT = 30.0
SUMMARY = re.compile(r"^(?:=+ )?((?:\d+ [a-z]+, )*\d+ [a-z]+ in [\d.]+s.*?)(?: =+)?$")


@dataclass
class Part:
    """One command of the run: its name, what it needs to have ended well, and how it went."""

    name: str
    command: list[str]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    seconds: float = 0.0
    code: int | None = None
    summary: str = ""
    process: subprocess.Popen[str] | None = field(default=None, repr=False)
    began: float = 0.0

    @property
    def ended(self) -> bool:
        return self.code is not None


def pytest(*args: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "--durations=5", *args]


FAST = "not integration and not kafka"
LEADERS = "tests/leadership/test_two_leaders.py"


def plan() -> list[Part]:
    coverage = ["--cov=agentmemory", "--cov-branch", "--cov-report=", "-n", "2"]
    told = ["-p", "no:cacheprovider", "-vv", "--durations=12"]
    return [
        Part("build", [sys.executable, "-m", "e2e.stand", "build"]),
        Part("unit", pytest("tests", "--ignore=tests/perturb", f"--ignore={LEADERS}", "-m", FAST, *coverage)),
        Part("check", [sys.executable, "scripts/check.py"], after=("unit",)),
        Part("coverage", [sys.executable, "scripts/coverage_gate.py"], needs=("unit",)),
        # Two control planes and two Kafkas side by side: most of this is waiting. A file's tests share theirs.
        Part(
            "integration",
            pytest("tests", "-m", "integration or kafka", "-n", "2", "--dist", "loadfile"),
            needs=("build",),
            after=("unit", "check"),
        ),
        Part("e2e", [*pytest("e2e"), *told], needs=("build",), after=("integration",)),
        # Nothing but CPU, and no hurry: it takes what servers that start and the stand leave over.
        Part(
            "perturb",
            ["nice", "-n", "19", *pytest("tests/perturb", "-m", FAST, "-n", "2")],
            after=("unit", "check"),
        ),
        # Two minutes of waiting for Leases to run out; what else runs would let them run out too early.
        Part("leaders", pytest(LEADERS, "-m", FAST, "-n", "3"), after=("e2e", "perturb")),
    ]


def environment() -> dict[str, str]:
    """Ours, with a place for bytecode outside the sources: an image may come with a Python that keeps none."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONPYCACHEPREFIX": str(BYTECODE)}


def start(part: Part, lines: queue.Queue[tuple[Part, str]]) -> None:
    part.began = time.monotonic()
    part.process = subprocess.Popen(
        part.command,
        cwd=ROOT,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
    )
    show(part, "started")
    threading.Thread(target=follow, args=(part, lines), daemon=True).start()


def follow(part: Part, lines: queue.Queue[tuple[Part, str]]) -> None:
    assert part.process is not None
    assert part.process.stdout is not None
    with (LOGS / f"{part.name}.log").open("w") as log:
        for line in part.process.stdout:
            log.write(line)
            log.flush()
            lines.put((part, line.rstrip()))
    part.process.wait()
    lines.put((part, ""))


def show(part: Part, text: str) -> None:
    print(f"{part.name:>11} | {text}", flush=True)


def settle(part: Part) -> None:
    """Record how an ended process ended."""
    assert part.process
    part.code = part.process.returncode
    part.seconds = time.monotonic() - part.began
    show(part, f"{'ok' if part.code == 0 else f'FAILED with exit code {part.code}'} after {part.seconds:.0f} s")


def startable(part: Part, parts: dict[str, Part]) -> bool:
    return part.process is None and not part.ended and all(parts[n].ended for n in (*part.needs, *part.after))


def skip_hopeless(parts: dict[str, Part]) -> None:
    """A part whose need failed cannot run: that is a failure of its own, never silence."""
    for part in parts.values():
        broken = [n for n in part.needs if parts[n].ended and parts[n].code]
        if broken and part.process is None and not part.ended:
            part.code = 1
            part.summary = f"not run: {', '.join(broken)} failed"
            show(part, part.summary)


def run(parts: dict[str, Part]) -> None:
    lines: queue.Queue[tuple[Part, str]] = queue.Queue()
    spoke = time.monotonic()
    while not all(part.ended for part in parts.values()):
        skip_hopeless(parts)
        for part in parts.values():
            if startable(part, parts):
                start(part, lines)
        try:
            part, line = lines.get(timeout=1.0)
        except queue.Empty:
            if time.monotonic() - spoke > HEARTBEAT:
                spoke = time.monotonic()
                for part in parts.values():
                    if part.process and not part.ended:
                        show(part, f"still running, {spoke - part.began:.0f} s")
            continue
        if line:
            spoke = time.monotonic()
            found = SUMMARY.match(line)
            part.summary = found[1] if found else part.summary
            show(part, line)
        elif part.process and part.process.returncode is not None and not part.ended:
            settle(part)


def closing(parts: dict[str, Part]) -> str:
    """The sum of what pytest said; a part that failed without a count (a check, the build) counts as one failure."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for part in parts.values():
        said = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", part.summary.partition(" in ")[0])}
        counts["passed"] += said.get("passed", 0)
        counts["skipped"] += said.get("skipped", 0)
        broken = said.get("failed", 0) + said.get("error", 0) + said.get("errors", 0)
        counts["failed"] += broken or (1 if part.code else 0)
    return "{passed} passed, {failed} failed, {skipped} skipped".format(**counts)


def failures(parts: dict[str, Part]) -> list[str]:
    """What each failed part said went wrong, again at the end: a reader of the last page sees what it was.

    Pytest's own line for each test, and before it the last lines of what the first of them raised: that line holds
    only the first of a message.
    """
    told = re.compile(r"(FAILED|ERROR) \S+\.py\b")  # not a library's own "ERROR    name:file"
    logs = [(part, LOGS / f"{part.name}.log") for part in parts.values() if part.code]
    lines: list[str] = []
    for part, log in logs:
        said = log.read_text(errors="replace").splitlines() if log.exists() else []
        raised = itertools.takewhile(lambda line: line.startswith("E  "), _from_first(said, "E  "))
        lines += [f"{part.name}: {line}" for line in [*raised][-20:]]
        lines += [f"{part.name}: {line}" for line in said if told.match(line)]
    return lines


def _from_first(lines: list[str], start: str) -> Iterator[str]:
    return itertools.dropwhile(lambda line: not line.startswith(start), lines)


def main() -> int:
    LOGS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    parts = {part.name: part for part in plan()}
    run(parts)
    total = time.monotonic() - began
    facts = {p.name: {"seconds": round(p.seconds, 1), "code": p.code, "summary": p.summary} for p in parts.values()}
    (ROOT / "build" / "test-parts.json").write_text(
        json.dumps({"total_seconds": round(total, 1), "parts": facts}, indent=2) + "\n"
    )
    print(f"\nparts of {total:.0f} s (build/test-parts.json, logs in build/logs/):")
    for part in parts.values():
        print(f"  {part.name:<12}{part.seconds:7.1f} s  {'ok' if part.code == 0 else 'FAILED'}")
    for part in parts.values():
        if part.summary:
            print(f"=== {part.name}: {part.summary} ===")
    for line in failures(parts):
        print(line[:300])
    print(closing(parts))
    return 1 if any(part.code for part in parts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
