"""The command line as a process: versions, clear errors without a trace, a stop on SIGTERM."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentmemory.core.key import Key
from agentmemory.version import VERSION
from tests.fakekube.server import FakeKube

ROOT = Path(__file__).parents[1]


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "VIRTUAL_ENV")}
    return kept | {"PYTHONPATH": str(ROOT / "operator"), "AGENTMEMORY_PORT": "0"} | variables


def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "agentmemory", *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_version() -> None:
    done = run("version")
    assert (done.returncode, done.stdout.strip()) == (0, VERSION)


def test_help_names_the_commands() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "run" in done.stdout
    assert "version" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (("--role", "boss"), {}, "role 'boss' is unknown"),
        ((), {"KUBECONFIG": "/no/such/file"}, "file /no/such/file does not exist; set KUBECONFIG"),
        ((), {"AGENTMEMORY_RESYNC_SECONDS": "often"}, "'often' is not a number"),
        ((), {"AGENTMEMORY_LOG_LEVEL": "loud"}, "log level 'loud' is unknown"),
    ],
)
def test_what_is_wrong_is_one_line_without_a_trace(
    arguments: tuple[str, ...], variables: dict[str, str], said: str
) -> None:
    done = run("run", *arguments, **variables)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert said in last
    assert "Traceback" not in done.stderr


@contextmanager
def served() -> Iterator[FakeKube]:
    """fakekube in a thread, so that a process can talk to it while the test waits."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    fake = FakeKube()
    fake.cluster.namespace("agent-memory-system")
    try:
        asyncio.run_coroutine_threadsafe(fake.start(), loop).result(10)
        yield fake
    finally:
        asyncio.run_coroutine_threadsafe(fake.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def operator(kubeconfig: Path, role: str) -> Iterator["subprocess.Popen[str]"]:
    """A running operator, its log on stderr."""
    process = subprocess.Popen(
        [sys.executable, "-m", "agentmemory", "run", "--role", role],
        env=environment(KUBECONFIG=str(kubeconfig)),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(process: "subprocess.Popen[str]", event: str) -> dict[str, Any]:
    """The first log entry of that name."""
    assert process.stderr is not None
    for line in process.stderr:
        entry: dict[str, Any] = json.loads(line)
        if entry["event"] == event:
            return entry
    raise AssertionError(f"the operator ended without {event!r}")


@pytest.mark.parametrize("role", ["platform", "tenant"])
def test_sigterm_ends_a_working_operator_well(role: str, tmp_path: Path) -> None:
    with served() as fake:
        (tmp_path / "config").write_text(yaml.safe_dump(fake.kubeconfig()))
        with operator(tmp_path / "config", role) as process:
            wait_for(process, "working")
            process.send_signal(signal.SIGTERM)
            _, rest = process.communicate(timeout=20)
        assert process.returncode == 0
        assert [json.loads(line)["event"] for line in rest.splitlines()] == ["stopping", "stopped"]
        lease = fake.cluster.get(Key("Lease", "agent-memory-system", f"agent-memory-operator-{role}"))
        assert lease["spec"]["holderIdentity"] == ""
        assert [str(request) for request in fake.requests.writes()] == []


def test_an_apiserver_out_of_reach_is_told_and_waited_for_until_sigterm(tmp_path: Path) -> None:
    with served() as fake:
        kubeconfig = fake.kubeconfig()
    (tmp_path / "config").write_text(yaml.safe_dump(kubeconfig))
    with operator(tmp_path / "config", "tenant") as process:
        entry = wait_for(process, "cannot start yet")
        assert entry["reason"] == "ApiserverUnreachable"
        assert "cannot be reached" in entry["message"]
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=20)
        assert process.returncode == 0
        assert json.loads(rest.splitlines()[-1])["event"] == "stopped"
