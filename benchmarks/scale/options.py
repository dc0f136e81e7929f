"""What one run measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Target = Literal["real", "fake"]
Roles = Literal["split", "all"]
Policy = Literal["Retain", "Delete"]

MOST_TENANTS = 100
FAMILIES_A_TENANT = 10


@dataclass(frozen=True)
class Options:
    """`n` families of `topics` topics (one partition each); `parallel` calls of the driver at once; seconds."""

    workload: str
    n: int = 1000
    target: Target = "fake"
    topics: int = 1
    policy: Policy = "Retain"
    # split: a platform and a tenant process, as the chart installs them; all: one process for both.
    roles: Roles = "split"
    # W2: how long it looks on. W7: how long Kafka is away.
    seconds: float | None = None
    parallel: int = 16
    bare: bool = True
    # Write the operator's CPU profile beside the result; figures of such a run are no measurements.
    profile: bool = False

    @property
    def tenants(self) -> int:
        return max(1, min(MOST_TENANTS, self.n // FAMILIES_A_TENANT))

    @property
    def deletes(self) -> bool:
        """Whether families delete their topics: W4 is about nothing else."""
        return self.policy == "Delete" or self.workload == "W4"

    @property
    def name(self) -> str:
        """The result's name: `<workload>-<n>-<target>`, and what is not as usual."""
        parts = [self.workload, str(self.n), self.target]
        parts += [f"topics{self.topics}"] if self.topics != 1 else []
        parts += ["delete"] if self.deletes and self.workload != "W4" else []
        parts += ["one-process"] if self.roles == "all" else []
        parts += ["profiled"] if self.profile else []
        return "-".join(parts)

    @property
    def patience(self) -> float:
        """Seconds after which a phase that moves all families is given up: ten topics a second, and a start."""
        return 120.0 + self.n * self.topics / 10
