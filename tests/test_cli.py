"""The command line as a process: versions, clear errors without a trace, a stop on SIGTERM."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from agentmemory.version import VERSION

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
def unreachable(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """The operator against a port where nobody listens."""
    config = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    process = subprocess.Popen(
        [sys.executable, "-m", "agentmemory", "run", "--role", "tenant"],
        env=environment(KUBECONFIG=str(tmp_path / "config")),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_an_apiserver_out_of_reach_is_told_and_waited_for_until_sigterm(tmp_path: Path) -> None:
    with unreachable(tmp_path) as process:
        assert process.stderr is not None
        for line in process.stderr:
            entry = json.loads(line)
            if entry["event"] == "cannot start yet":
                break
        assert entry["reason"] == "ApiserverUnreachable"
        assert "cannot be reached" in entry["message"]
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=20)
        assert process.returncode == 0
        assert json.loads(rest.splitlines()[-1])["event"] == "stopped"
