"""One process of the operator: started as shipped, measured from /proc."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.scale.observer import NotMeasured
from benchmarks.scale.procfs import Usage, usage
from e2e.stand.ports import free_ports

ROOT = Path(__file__).resolve().parent.parent.parent
STOP_LIMIT = 40.0

# Settings of the operator that may be compared with one another by setting them outside.
COMPARED = frozenset({"AGENTMEMORY_WATCH", "AGENTMEMORY_CONCURRENCY"})


@dataclass
class Operator:
    """One process of one role. `module` and its arguments are the command; `env` is added to ours."""

    role: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        self.port = self.port or free_ports(1)[0]
        environ = {
            name: value
            for name, value in os.environ.items()
            if name in COMPARED or not name.startswith(("AGENTMEMORY_", "BENCH_"))
        }
        environ |= {"PYTHONPATH": f"{ROOT / 'operator'}{os.pathsep}{ROOT}", **self.env}
        environ |= {"AGENTMEMORY_PORT": str(self.port), "POD_NAME": f"{self.role}-bench"}
        # The kernel ends it with us even when we are killed.
        bound = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*bound, sys.executable, *self.command], env=environ, cwd=ROOT, stdout=log, stderr=log
            )

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)

    async def stop(self) -> None:
        """SIGTERM; SIGKILL for one that does not end in time."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        end = time.monotonic() + STOP_LIMIT
        while process.poll() is None:
            if time.monotonic() > end:
                process.kill()
            await asyncio.sleep(0.02)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def usage(self) -> Usage:
        return usage(self.process.pid) if self.process is not None else Usage(0.0, 0, 0)

    def check(self) -> None:
        """NotMeasured with the log's end when the process has died."""
        if self.process is not None and self.process.poll() is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise NotMeasured(f"the operator ({self.role}) ended with {self.process.poll()}; its log:\n{tail}")
