"""One of the operator's pods: a process that is started anew when it ends, as kubelets do, behind its own proxy."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import aiohttp

from e2e.stand.ports import free_ports
from tests.faultproxy import FaultProxy

# Both of core.metrics, as Prometheus reads them.
BUSY = re.compile(r"^\w*(?:queue_depth|reconciles_running) ([0-9.e+]+)$", re.MULTILINE)
# What operator_process.py does with them: the main thread is busy, for less than a deadline or for long.
STALL, HANG = signal.SIGUSR1, signal.SIGUSR2
ROOT = Path(__file__).resolve().parents[2]


class Replica:
    """`codes` are the exit codes of the lives so far; the log of all lives is in `<folder>/<name>.log`."""

    def __init__(self, name: str, proxy: FaultProxy, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.proxy = proxy
        self.codes: list[int] = []
        self.log = folder / f"{name}.log"
        self._port = free_ports(1)[0]
        kubeconfig = proxy.kubeconfig(folder / f"{name}.kubeconfig")
        self._environment = {
            **{key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
            "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}",
            "KUBECONFIG": str(kubeconfig),
            "POD_NAME": name,
            "AGENTMEMORY_PORT": str(self._port),
            **environment,
        }
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run it, again and again until `stop`."""
        self._keeper = asyncio.create_task(self._keep(), name=f"replica-{self.name}")

    async def stop(self) -> None:
        """End it for good, whatever state it is in."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the present life."""
        assert self._process is not None
        self._process.send_signal(number)

    async def _keep(self) -> None:
        while True:
            # What a test asks of the proxy's counts is about the present life.
            self.proxy.counts.clear()
            with self.log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "tests.leadership.operator_process",
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environment,
                    cwd=ROOT,
                )
            self.codes.append(await self._process.wait())

    async def is_idle(self) -> bool:
        """Whether nothing is reconciled at this moment, and nothing is due."""
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self._port}/metrics") as answer:
            text = await answer.text()
        return all(float(number) == 0 for number in BUSY.findall(text))

    @property
    def is_warm(self) -> bool:
        """Whether this life has asked for the Lease: it does so when its store is filled, not before."""
        return self.proxy.counts.total(kind="Lease") > 0
