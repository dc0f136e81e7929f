"""How fast the fake is: `python -m tests.fakekube.load` starts it, fills it with families, and tells requests a second.

A family is created with 4 KB, then its status patched with one call, by concurrent clients over bare sockets, while two
watches read every event. The load and the watches share the machine with the server: its own CPU is told as well.
"""

import argparse
import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import uvloop

from .process import FakeKubeProcess

ROOT = "/apis/agentmemory.dev/v1alpha1/namespaces/default/topicfamilies"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Result:
    """Of one run."""

    requests: int
    seconds: float
    cpu_seconds: float
    rss_mb: float
    events: int

    def __str__(self) -> str:
        return (
            f"{self.requests / self.seconds:,.0f} requests/s"
            f" ({self.requests:,} in {self.seconds:.1f} s, {self.events:,} events to watchers;"
            f" server CPU {self.cpu_seconds / self.requests * 1e6:.0f} us a request, RSS {self.rss_mb:.0f} MB)"
        )


def family(number: int, size: int) -> dict[str, Any]:
    """A TopicFamily of about `size` bytes of JSON."""
    topics = [
        {"name": f"t{at}", "key": "agent", "eventTypes": [f"type.{at}.{'x' * 100}.{kind}" for kind in range(4)]}
        for at in range(max(1, size // 460))
    ]
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "TopicFamily",
        "metadata": {"name": f"family-{number:06d}", "namespace": "default", "labels": {"team": f"t{number % 100}"}},
        "spec": {
            "tenantRef": {"name": "tenant", "namespace": "default"},
            "owner": {"team": "support", "contact": "support@example.com"},
            "retention": {"time": "720h"},
            "topics": topics[:32],
        },
    }


def status(number: int) -> dict[str, Any]:
    """What an operator writes."""
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Ready",
        "message": "all topics are as declared",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return {"status": {"observedGeneration": 1, "conditions": [condition]}}


class Connection:
    """Keep-alive HTTP/1.1 with as little CPU as Python can."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def call(self, method: str, path: str, body: bytes, content: str = "application/json") -> None:
        head = f"{method} {path} HTTP/1.1\r\nHost: f\r\nUser-Agent: load/1\r\nContent-Type: {content}\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        found = await self._reader.readuntil(b"\r\n\r\n")
        length = int(found.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        said = await self._reader.readexactly(length)
        if found[9:10] != b"2":
            raise RuntimeError(f"{method} {path}: {found[:15].decode()} {said[:2000].decode()}")


async def run(url: str, pid: int, count: int, workers: int, size: int, watchers: int) -> Result:
    """Create and patch `count` families."""
    host, port = url.removeprefix("http://").split(":")
    seen = [0] * watchers
    watches = [asyncio.create_task(_watch(host, int(port), seen, at, 2 * count)) for at in range(watchers)]
    numbers = iter(range(count))
    cpu, start = _cpu(pid), time.monotonic()
    await asyncio.gather(*(_work(host, int(port), numbers, size) for _ in range(workers)))
    seconds = time.monotonic() - start
    await asyncio.gather(*watches)
    return Result(2 * count, seconds, _cpu(pid) - cpu, _rss(pid), sum(seen))


async def _work(host: str, port: int, numbers: Any, size: int) -> None:
    connection = Connection(*await asyncio.open_connection(host, port, limit=2**22))
    for number in numbers:
        made = family(number, size)
        await connection.call("POST", ROOT, orjson.dumps(made))
        patch = f"{ROOT}/{made['metadata']['name']}/status"
        await connection.call("PATCH", patch, orjson.dumps(status(number)), "application/merge-patch+json")


async def _watch(host: str, port: int, seen: list[int], at: int, until: int) -> None:
    reader, writer = await asyncio.open_connection(host, port, limit=2**22)
    query = "watch=true&allowWatchBookmarks=true&resourceVersion=0"
    writer.write(f"GET /apis/agentmemory.dev/v1alpha1/topicfamilies?{query} HTTP/1.1\r\nHost: f\r\n\r\n".encode())
    while seen[at] < until:
        found = await reader.readline()
        if not found:
            raise RuntimeError("the watch ended")
        seen[at] += found.startswith(b'{"type":')
    writer.close()


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _rss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakekube.load")
    parser.add_argument("--count", type=int, default=10_000, help="families")
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--size", type=int, default=4096, help="bytes of a family's JSON")
    parser.add_argument("--watchers", type=int, default=2)
    parser.add_argument("--no-schemas", action="store_true")
    options = parser.parse_args()
    print(f"{len(orjson.dumps(family(0, options.size)))} bytes a family")  # noqa: T201 - a command
    with FakeKubeProcess(schemas=not options.no_schemas) as fake:
        print(uvloop.run(run(fake.url, fake.pid, options.count, options.workers, options.size, options.watchers)))  # noqa: T201 - a command


if __name__ == "__main__":
    main()
