"""What a run measures against: a fresh API server and a fresh Kafka each time."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from agentmemory.kafka.credentials import Credentials
from benchmarks.result import FOLDER
from benchmarks.scale.operators import Operators
from benchmarks.scale.options import Options
from benchmarks.scale.process import Operator
from benchmarks.scale.traffic import Traffic


class Target(ABC):
    """An API server, a Kafka, and how the operator is started on them. Open with `with`."""

    def __init__(self, options: Options, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.real = options.target == "real"
        self.url = ""
        self.context: ssl.SSLContext | None = None
        self.operators = Operators([])

    @abstractmethod
    def __enter__(self) -> Self:
        """Fresh and running."""

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """All that was started is ended, the operator too."""

    @property
    @abstractmethod
    def credentials(self) -> Credentials:
        """The platform's way into Kafka."""

    @abstractmethod
    def operator(self, role: str) -> Operator:
        """One process of the operator, not started."""

    @abstractmethod
    def others(self) -> Mapping[str, int]:
        """The other processes by name, for what they cost; a restarted one has another pid."""

    @abstractmethod
    async def mark(self) -> Any:
        """Where the counts of calls are now."""

    @abstractmethod
    async def traffic_since(self, mark: Any) -> Traffic:
        """What was called since then."""

    @abstractmethod
    async def kafka_down(self) -> None:
        """Kafka is gone at once."""

    @abstractmethod
    async def kafka_up(self) -> None:
        """Kafka is back, with what it had, and takes connections."""

    @abstractmethod
    def admin(self) -> Any:
        """A KafkaAdmin of our own, to be closed."""

    @abstractmethod
    async def topics(self) -> set[str]:
        """The names of all topics; of a fake Kafka once the operator has ended."""

    def make_operators(self) -> None:
        """To be called when the target runs."""
        roles = ("platform", "tenant") if self.options.roles == "split" else ("all",)
        self.operators = Operators([self.operator(role) for role in roles])

    def log(self, role: str) -> Path:
        return self.folder / f"operator-{role}.log"

    def profile(self, role: str) -> dict[str, str]:
        """The variable that asks for a profile, if one is wanted."""
        if not self.options.profile:
            return {}
        FOLDER.mkdir(parents=True, exist_ok=True)
        return {"BENCH_PROFILE": str(FOLDER / f"{self.options.name}-{role}.pstats")}
