"""What the process writes about itself."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from agentmemory import logs
from agentmemory.core.errors import Invalid


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def fail(password: str) -> None:
    raise ValueError(f"it does not fit, it has {len(password)} characters")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_trace_shows_no_variables(terminal: bool) -> None:
    out = io.StringIO()
    out.isatty = lambda: terminal  # type: ignore[method-assign]
    logs.configure("info", out)
    try:
        fail("-".join(("planted", "secret")))
    except ValueError as error:
        structlog.get_logger("test").error("bug", exc_info=error)
    assert "planted-secret" not in out.getvalue()
    assert "it does not fit" in out.getvalue()


def test_one_json_object_a_line() -> None:
    out = io.StringIO()
    logs.configure("info", out)
    structlog.get_logger("test").info("made", object="Pod/a/b")
    logging.getLogger("elsewhere").warning("hm")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["made", "hm"]
    assert lines[0]["object"] == "Pod/a/b"


def test_an_unknown_level_is_told() -> None:
    with pytest.raises(Invalid, match="loud"):
        logs.configure("loud")
