"""CPU seconds and memory of processes, from /proc: their threads included, and what they have started."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
UTIME, CTIMES_END = 11, 15  # fields of /proc/<pid>/stat after the program's name: utime stime cutime cstime


@dataclass(frozen=True)
class Usage:
    """CPU seconds so far, resident bytes now and at most so far."""

    cpu: float
    rss: int
    peak: int


def usage(pid: int) -> Usage:
    """Of a process and its children; zeros for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        memory = _memory(pid)
        children = [usage(child) for child in _children(pid)]
    except (FileNotFoundError, ProcessLookupError):
        return Usage(0.0, 0, 0)
    own = sum(map(int, fields[UTIME:CTIMES_END])) / TICKS
    return Usage(
        own + sum(child.cpu for child in children),
        memory.get("VmRSS", 0) + sum(child.rss for child in children),
        memory.get("VmHWM", 0) + sum(child.peak for child in children),
    )


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def _memory(pid: int) -> dict[str, int]:
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words and words[0].startswith("Vm")}
