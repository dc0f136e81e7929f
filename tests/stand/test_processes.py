"""Processes are known by pid and start time."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from e2e.stand.processes import Processes
from e2e.stand.shell import StandError, until


def test_a_process_is_started_once_found_again_and_ended(tmp_path: Path) -> None:
    started = Processes(tmp_path)
    started.start("sleeper", ["sleep", "60"])
    pid = started.pid("sleeper")
    assert pid is not None
    started.start("sleeper", ["sleep", "60"])
    assert Processes(tmp_path).pid("sleeper") == pid
    started.stop("sleeper")
    assert not started.running("sleeper")
    assert started.names() == []


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    started = Processes(tmp_path)
    started.start("deaf", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
    until("the trap", 5, lambda: "ready" in started.log("deaf").read_text(), pause=0.01)
    started.stop("deaf", patience=0.2)
    assert not started.running("deaf")


def test_one_whose_first_thread_has_ended_runs_while_another_does(tmp_path: Path) -> None:
    program = (
        "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start();"
        "print('ready', flush=True); ctypes.CDLL(None).pthread_exit(None)"
    )
    started = Processes(tmp_path)
    started.start("headless", [sys.executable, "-c", program])
    pid = started.pid("headless")
    assert pid is not None
    until("a zombie", 10, lambda: ") Z " in Path(f"/proc/{pid}/stat").read_text(), pause=0.01)
    assert started.running("headless")
    started.stop("headless")
    assert not started.running("headless")


def test_another_process_with_the_same_pid_is_not_ours(tmp_path: Path) -> None:
    started = Processes(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/stranger").write_text(json.dumps({"pid": os.getpid(), "born": "1"}))
    assert not started.running("stranger")
    with pytest.raises(StandError, match="does not run"):
        started.send("stranger", signal.SIGTERM)
    started.stop("stranger")
    assert started.names() == []


def test_a_record_that_was_never_finished_is_no_process(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/torn").write_text('{"pid"')
    assert not Processes(tmp_path).running("torn")


def test_one_that_died_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    started = Processes(tmp_path)
    started.start("broken", ["sh", "-c", "echo no such flag; exit 1"])
    until("its end", 5, lambda: not started.running("broken"), pause=0.01)
    with pytest.raises(StandError, match="no such flag"):
        started.check("broken")
