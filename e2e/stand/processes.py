"""Processes that outlive the command that started them, known by pid and start time."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.stand.shell import StandError, until

STARTTIME, STATE, THREADS = 19, 0, 17  # fields of /proc/<pid>/stat after the program's name


def _stat(pid: int) -> list[str]:
    """The fields after "pid (name)", or nothing when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_process(pid: int, born: str) -> bool:
    """Whether pid still is the process that was started then; one that nobody has reaped is gone.

    A killed program shows as a zombie while its other threads still end, and until the last has ended its ports are
    taken.
    """
    stat = _stat(pid)
    if not stat or stat[STARTTIME] != born:
        return False
    return stat[STATE] != "Z" or int(stat[THREADS]) > 1


@dataclass(frozen=True)
class Processes:
    """The long-running programs of one folder: `run/<name>` holds pid and start time, `log/<name>.log` the output."""

    folder: Path

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Starts the program in a session of its own, unless it runs already."""
        if self.running(name):
            return
        self._record(name).parent.mkdir(parents=True, exist_ok=True)
        self.log(name).parent.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=None if env is None else {**os.environ, **env},
                cwd=cwd,
            )
        process.returncode = 0  # it is meant to go on without us: no warning when the handle is forgotten
        stat = _stat(process.pid)
        self._record(name).write_text(json.dumps({"pid": process.pid, "born": stat[STARTTIME] if stat else ""}))

    def pid(self, name: str) -> int | None:
        """The running program's pid, None when it does not run."""
        try:
            record = json.loads(self._record(name).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return int(record["pid"]) if is_process(record["pid"], record["born"]) else None

    def running(self, name: str) -> bool:
        return self.pid(name) is not None

    def names(self) -> list[str]:
        """All that was started and not stopped, whether it still runs or not."""
        folder = self.folder / "run"
        return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []

    def send(self, name: str, number: signal.Signals) -> None:
        pid = self.pid(name)
        if pid is None:
            raise StandError(f"{name} does not run (its log: {self.log(name)})")
        os.kill(pid, number)

    def stop(self, name: str, first: signal.Signals = signal.SIGTERM, patience: float = 10) -> None:
        """Ends the program, by SIGKILL after `patience` seconds, and waits until it is gone."""
        pid = self.pid(name)
        if pid is not None:
            _send(pid, first)
            if not self._gone(name, patience):
                _send(pid, signal.SIGKILL)
                until(f"{name} (pid {pid}) to end", 10, lambda: not self._alive(name), pause=0.02)
        self._record(name).unlink(missing_ok=True)

    def check(self, name: str) -> None:
        """StandError with the end of the log when the program has died."""
        if not self._alive(name):
            last = "\n".join(self.log(name).read_text(errors="replace").splitlines()[-15:])
            raise StandError(f"{name} ended, its log {self.log(name)} ends with:\n{last}")

    def log(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"

    def _record(self, name: str) -> Path:
        return self.folder / "run" / name

    def _alive(self, name: str) -> bool:
        pid = self.pid(name)
        if pid is not None:
            _reap(pid)
        return self.running(name)

    def _gone(self, name: str, seconds: float) -> bool:
        try:
            until(f"{name} to end", seconds, lambda: not self._alive(name), pause=0.02)
        except StandError:
            return False
        return True


def _reap(pid: int) -> None:
    """Takes the exit status of a child of ours, so that it does not stay a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # somebody else's child: that one reaps it


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # gone already, which is what the signal is for
