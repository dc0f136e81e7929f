"""`kubectl memory drill broker-loss` from its command line: exit codes, one line for what is wrong, no trace ever."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer
import yaml
from typer.testing import CliRunner

from agentmemory.cli import errands
from agentmemory.cli.plugin import plugin
from agentmemory.core.key import key_of
from agentmemory.version import VERSION
from tests.cli.drill.builders import budget, cluster, pod, pool
from tests.test_cli import served

DRILL = ("drill", "broker-loss")
SERVED = ("uid", "resourceVersion", "creationTimestamp", "generation")


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """The commands silence logging for good, as a process of their own may."""
    yield
    logging.disable(logging.NOTSET)
    structlog.reset_defaults()


def run(*arguments: str, **environ: str) -> Any:
    return CliRunner().invoke(plugin, list(arguments), env={"KUBECONFIG": "/no/such", **environ})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*DRILL, "--run"), "add --yes"),
        ((*DRILL, "--run", "--plan"), "exclude each other"),
        ((*DRILL,), "file /no/such does not exist; correct KUBECONFIG (BadKubeconfig)"),
        ((*DRILL, "--timeout", "0"), "greater than or equal to 1"),
        (("drill", "other"), "other"),
    ],
)
def test_what_is_wrong_ends_with_2(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert words in done.output
    assert "Traceback" not in done.output


def test_version_and_help() -> None:
    assert run("version").output.strip() == VERSION
    told = run(*DRILL, "--help").output
    assert "[namespace/]name of a MemoryClient" in told
    assert "Exit codes: 0 fine, 1 not back in time, 2 refused" in " ".join(told.split())


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_fault_of_ours_is_one_line_unless_asked_for(monkeypatch: pytest.MonkeyPatch, debug: str) -> None:
    async def faulty() -> int:
        raise ZeroDivisionError("by nought")

    monkeypatch.setenv(errands.DEBUG, debug)
    with pytest.raises((typer.Exit, ZeroDivisionError)) as caught:
        errands.perform(faulty())
    assert isinstance(caught.value, ZeroDivisionError) is bool(debug)


def test_ctrl_c_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    async def interrupted() -> int:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as caught:
        errands.perform(interrupted())
    assert caught.value.exit_code == errands.INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_a_plan_and_a_refused_run(tmp_path: Path) -> None:
    with served() as fake:
        for obj in (cluster(), pool(), budget(), *(pod(node) for node in (1000, 1001, 1002))):
            made = obj | {"metadata": {k: v for k, v in obj["metadata"].items() if k not in SERVED}}
            fake.cluster.put(made)
            fake.cluster.set_status(key_of(made), obj["status"])
        (tmp_path / "config").write_text(yaml.safe_dump(fake.kubeconfig()))
        way = ("--kubeconfig", str(tmp_path / "config"), "-n", "memory-system")
        done = run(*DRILL, "main", *way, "-o", "json")
        assert done.exit_code == 0, done.output
        plan = json.loads(done.stdout)
        assert plan["ran"] is False
        assert [found["reason"] for found in plan["refusals"]] == ["KafkaNotAsked"]
        done = run(*DRILL, "main", *way, "--run", "--yes")
        assert done.exit_code == 2
        assert "refused; nothing was done: whether all partitions are in sync is not known" in done.stderr
        assert [str(request) for request in fake.requests.writes()] == []
