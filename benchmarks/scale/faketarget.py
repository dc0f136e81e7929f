"""The tests' API server in a process of its own, and Kafka's admin side in the operator's memory."""

from __future__ import annotations

import asyncio
import pickle
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from agentmemory.kafka.credentials import Credentials
from benchmarks.scale.options import Options
from benchmarks.scale.process import Operator
from benchmarks.scale.targets import Target
from benchmarks.scale.traffic import Call, Traffic
from tests.fakekafka import FakeAdmin, FakeKafka
from tests.fakekube.process import FakeKubeProcess

CREDENTIALS = Credentials("fake:9093", "CA", cert_pem="CERT", key_pem="KEY")


class FakeTarget(Target):
    """See benchmarks/operator_process.py for the operator's half."""

    def __init__(self, options: Options, folder: Path) -> None:
        super().__init__(options, folder)
        folder.mkdir(parents=True)
        self._server = FakeKubeProcess()

    def __enter__(self) -> Self:
        self._server.start()
        self.url = self._server.url
        self._server.kubeconfig(self.folder / "kubeconfig")
        self.make_operators()
        return self

    def __exit__(self, *_: object) -> None:
        self.operators.kill()
        self._server.stop()

    @property
    def credentials(self) -> Credentials:
        return CREDENTIALS

    def operator(self, role: str) -> Operator:
        env = {
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            "BENCH_KAFKA": str(self.folder / f"kafka-{role}.pickle"),
            **self.profile(role),
        }
        return Operator(role, ("-m", "benchmarks.operator_process", role), env, self.log(role))

    def others(self) -> Mapping[str, int]:
        return {"fake apiserver": self._server.pid}

    async def mark(self) -> Traffic:
        found = (await asyncio.to_thread(self._server.counts)).as_json()
        return Traffic(
            {Call(one["user_agent"], one["verb"], one["kind"], one["subresource"] or ""): one["count"] for one in found}
        )

    async def traffic_since(self, mark: Any) -> Traffic:
        return Traffic(await self.mark() - mark)

    async def kafka_down(self) -> None:
        self.operators.send(signal.SIGUSR1)

    async def kafka_up(self) -> None:
        self.operators.send(signal.SIGUSR2)

    def admin(self) -> FakeAdmin:
        return FakeAdmin(FakeKafka(brokers=1), CREDENTIALS)

    async def topics(self) -> set[str]:
        found: set[str] = set()
        for file in self.folder.glob("kafka-*.pickle"):
            found |= set(pickle.loads(file.read_bytes())[0])
        return found
