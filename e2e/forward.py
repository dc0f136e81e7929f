"""Services of a cluster whose own addresses this machine cannot reach: `kubectl port-forward`, a process for each."""

from __future__ import annotations

import atexit
import os
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from e2e.stand.shell import StandError


@dataclass
class Forwards:
    """The forwards of this process by what they lead to; they end with it."""

    kubectl: Path
    kubeconfig: Path
    running: dict[tuple[str, str, int], tuple[subprocess.Popen[str], str]] = field(default_factory=dict)

    def address(self, namespace: str, service: str, port: int) -> str:
        """`host:port`; a forward whose pod has gone has ended, and a new one is made."""
        wanted = (namespace, service, port)
        if wanted not in self.running or self.running[wanted][0].poll() is not None:
            self.running[wanted] = self._start(*wanted)
        return self.running[wanted][1]

    def _start(self, namespace: str, service: str, port: int) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [self.kubectl, "-n", namespace, "port-forward", f"service/{service}", f":{port}"],
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        atexit.register(process.terminate)
        assert process.stdout is not None
        said = process.stdout.readline().strip()  # "Forwarding from 127.0.0.1:40123 -> 7070"
        if not said.startswith("Forwarding from "):
            process.terminate()
            raise StandError(
                f"kubectl port-forward service/{service} of {namespace}: {said or 'it ended without a word'}"
            )
        # One line a connection follows: a full pipe would stop it.
        threading.Thread(target=process.stdout.read, name="port-forward", daemon=True).start()
        return process, said.removeprefix("Forwarding from ").partition(" ")[0]
