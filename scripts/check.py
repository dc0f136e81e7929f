"""Runs the static checks one after the other and says at the end which of them failed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy"],
    "layers": ["lint-imports"],
    "docs": ["mkdocs", "build", "--strict", "--site-dir", "build/site"],
    "generated": [sys.executable, "scripts/generate.py", "--check"],
}


def main() -> int:
    failed = []
    for name, command in CHECKS.items():
        began = time.monotonic()
        program = shutil.which(command[0]) or command[0]
        done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True)
        print(
            f"check {name:<10} {'ok' if done.returncode == 0 else 'FAILED':<7}{time.monotonic() - began:5.1f} s",
            flush=True,
        )
        if done.returncode:
            failed.append(name)
            print(done.stdout + done.stderr, flush=True)
    if failed:
        print("failed: " + ", ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
