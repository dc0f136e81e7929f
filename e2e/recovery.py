"""What was measured when something was taken away, one row an event and engine: build/recovery.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent.parent / "build" / "recovery.json"


def note(event: str, engine: str, **facts: Any) -> None:
    """Put a row into the file, in place of an earlier run's; numbers are rounded to milliseconds."""
    rows = {(row["event"], row["engine"]): row for row in known()}
    rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in facts.items()}
    rows[event, engine] = {"event": event, "engine": engine, **rounded}
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(list(rows.values()), indent=2) + "\n")
    print(f"recovery: {json.dumps(rows[event, engine])}")


def known() -> list[dict[str, Any]]:
    return list(json.loads(FILE.read_text())) if FILE.is_file() else []
