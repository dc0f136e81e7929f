"""The fake API server as a process of its own, and what it counted."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scale.traffic import Call, Traffic

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class FakeServer:
    url: str
    pid: int

    def kubeconfig(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": {"token": "fake"}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        }

    async def mark(self) -> Traffic:
        return await asyncio.to_thread(self._counts)

    async def traffic(self, since: Traffic) -> Traffic:
        return Traffic(await self.mark() - since)

    def _counts(self) -> Traffic:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/__counts", timeout=30) as answer:
            return Traffic({Call(*call): count for *call, count in json.load(answer)})


@contextmanager
def running() -> Iterator[FakeServer]:
    """Started, and ended with the context."""
    root = Path(os.environ.get("BENCH_SNAP") or ROOT)
    environ = os.environ | {"PYTHONPATH": f"{root / 'operator'}{os.pathsep}{root}"}
    command = [sys.executable, "-m", "benchmarks.scale.fakeserver"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env=environ) as process:
        try:
            assert process.stdout is not None
            yield FakeServer(json.loads(process.stdout.readline())["url"], process.pid)
        finally:
            process.kill()


async def _serve() -> None:
    from collections import Counter

    from aiohttp import web

    from tests.fakekube.server import FakeKube

    fake = FakeKube()
    counts: Counter[tuple[str, str, str, str]] = Counter()
    fake.requests.append = lambda r: counts.update([(r.user_agent, r.verb, r.kind, r.subresource or "")])
    original = fake._serve

    async def serve(http: web.Request) -> web.StreamResponse:
        if http.path == "/__counts":
            return web.json_response([[*call, count] for call, count in counts.items()])
        return await original(http)

    fake._serve = serve
    await fake.start()
    print(json.dumps({"url": fake.url}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve())
