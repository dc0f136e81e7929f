"""Logging: JSON lines for machines, the standard library's records in the same form."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from agentmemory import logs
from agentmemory.core.errors import Invalid


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("kopf", "kafka", "aiohttp", "asyncio")}
    yield
    root.handlers[:], root.level = handlers, level
    for name, known in levels.items():
        logging.getLogger(name).setLevel(known)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_one_json_object_a_line() -> None:
    stream = io.StringIO()
    logs.configure("info", stream)
    structlog.get_logger("ours").info("event", key="K/n/a")
    structlog.get_logger("ours").debug("not shown")
    logging.getLogger("theirs").warning("from %s", "elsewhere")
    logging.getLogger("kopf").info("chatter")
    ours, theirs = lines(stream)
    assert (ours["event"], ours["key"], ours["level"], ours["logger"]) == ("event", "K/n/a", "info", "ours")
    assert (theirs["event"], theirs["level"]) == ("from elsewhere", "warning")
    assert str(ours["timestamp"]).endswith("Z")


def test_traces_are_structured() -> None:
    stream = io.StringIO()
    logs.configure("info", stream)
    structlog.get_logger("ours").error("bug", exc_info=ValueError("what"))
    (entry,) = lines(stream)
    assert "ValueError" in json.dumps(entry["exception"])


def test_a_terminal_gets_readable_lines() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    logs.configure("DEBUG", stream)
    structlog.get_logger("ours").debug("event", key="K/n/a")
    assert "event" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_an_unknown_level_is_named() -> None:
    with pytest.raises(Invalid, match="log level 'loud' is unknown"):
        logs.configure("loud")
