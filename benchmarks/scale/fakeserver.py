"""The fake API server's process, and what it counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scale.traffic import Call, Traffic
from tests.fakekube.process import FakeKubeProcess


@dataclass(frozen=True)
class FakeServer:
    process: FakeKubeProcess

    @property
    def url(self) -> str:
        return self.process.url

    @property
    def pid(self) -> int:
        return self.process.pid

    def kubeconfig(self, file: Path) -> Path:
        return self.process.kubeconfig(file)

    async def mark(self) -> Traffic:
        return await asyncio.to_thread(self._counts)

    async def traffic(self, since: Traffic) -> Traffic:
        return Traffic(await self.mark() - since)

    def _counts(self) -> Traffic:
        found = self.process.counts().as_json()
        return Traffic(
            {Call(one["user_agent"], one["verb"], one["kind"], one["subresource"] or ""): one["count"] for one in found}
        )


@contextmanager
def running() -> Iterator[FakeServer]:
    """Started, and ended with the context."""
    with FakeKubeProcess() as process:
        yield FakeServer(process)
