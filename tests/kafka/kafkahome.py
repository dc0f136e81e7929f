"""Where the tests' Kafka comes from."""

import os
from pathlib import Path


def home() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "agent-memory-operator" / "kafka" / "4.3.1"
