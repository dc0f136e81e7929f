"""A run's figures against their bars, and the file they are kept in."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.result import FOLDER
from benchmarks.scale.options import Options
from benchmarks.scale.process import COMPARED

COMMON = (
    "families_per_s",
    "topics_per_s",
    "bare_ratio",
    "kube_writes_per_family",
    "kube_gets_per_family",
    "operator_cpu_ms_per_family",
    "p50_s",
    "p95_s",
    "p99_s",
    "rss_mb",
)
"""The figures that every result has; null where a workload has none of the kind."""


@dataclass(frozen=True)
class Bar:
    """`limit` is the most that `value` may be, or with `least` the least."""

    name: str
    value: float
    limit: float
    unit: str = ""
    least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.least else self.value <= self.limit

    def text(self) -> str:
        sign = "≥" if self.least else "≤"
        return f"{self.name} {self.value:g} ({sign} {self.limit:g} {self.unit}".rstrip() + ")"


@dataclass
class Figures:
    """What a workload found: the common figures, what it adds, its bars."""

    common: dict[str, float] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)
    # For the bare loop: a family's status and a topic's settings as the operator wrote them.
    sample: dict[str, Any] = field(default_factory=dict)
    configs: dict[str, str] = field(default_factory=dict)

    def at_most(self, name: str, value: float, limit: float, unit: str = "") -> None:
        self.bars.append(Bar(name, round(value, 4), limit, unit))

    def at_least(self, name: str, value: float, limit: float, unit: str = "") -> None:
        self.bars.append(Bar(name, round(value, 4), limit, unit, least=True))

    def latencies(self, seconds: Sequence[float]) -> None:
        self.common |= {f"p{share}_s": round(percentile(seconds, share), 3) for share in (50, 95, 99)}

    @property
    def met(self) -> bool:
        return all(bar.met for bar in self.bars)

    def document(self, options: Options) -> dict[str, Any]:
        """As it is written to the file."""
        return {
            "workload": options.workload,
            "n": options.n,
            "target": options.target,
            "topics": options.topics,
            "deletionPolicy": "Delete" if options.deletes else "Retain",
            "roles": options.roles,
            "tenants": options.tenants,
            # What of the operator is not as shipped.
            "settings": {name: os.environ[name] for name in sorted(COMPARED) if name in os.environ},
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {
                "cores": os.cpu_count(),
                "kernel": platform.release(),
                "python": platform.python_version(),
                "load_1m": round(os.getloadavg()[0], 2),
            },
            **{name: self.common.get(name) for name in COMMON},
            **self.more,
            "bars": [asdict(bar) | {"met": bar.met} for bar in self.bars],
        }

    def write(self, options: Options, folder: Path = FOLDER) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{options.name}.json"
        file.write_text(json.dumps(self.document(options), indent=2) + "\n")
        return file


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; NaN of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)] if ordered else math.nan
