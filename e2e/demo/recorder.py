"""Times the steps of the demo, says each as it goes, and keeps the facts for build/demo.json."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console


@dataclass
class Recorder:
    """Steps in their order, each with its seconds, and facts by name."""

    console: Console
    steps: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step: named when it begins, timed when it ends, also when it fails."""
        self.console.print(f"[bold]{name}[/bold] …")
        began = time.monotonic()
        ok = False
        try:
            yield
            ok = True
        finally:
            seconds = time.monotonic() - began
            self.steps.append({"step": name, "seconds": round(seconds, 2), "ok": ok})
            self.console.print(f"   {'[green]done[/green]' if ok else '[red]failed[/red]'} after {seconds:.1f} s")

    def say(self, text: str) -> None:
        self.console.print(f"   [dim]{text}[/dim]")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def write(self, path: Path, ok: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        facts = {"ok": ok, "seconds": round(self.seconds, 1), "steps": self.steps, **self.facts}
        path.write_text(json.dumps(facts, indent=2) + "\n")
