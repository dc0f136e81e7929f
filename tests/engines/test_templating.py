"""The loader of templates: what a properties line can hold, and what it refuses."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from agentmemory.core.errors import Bug
from agentmemory.engines import templating
from agentmemory.engines.templating import folder, property_value, render_properties, text


@pytest.mark.parametrize(
    ("value", "written"),
    [("plain", "plain"), (9093, "9093"), (True, "true"), (False, "false"), ("a\\b", "a\\\\b"), ("", ""), ("ä", "ä")],
)
def test_a_value_as_it_is_written(value: object, written: str) -> None:
    assert property_value(value) == written


@pytest.mark.parametrize(
    "value", ["a\nsuper.users=User:me", "a\rb", "a\u2028b", "a\x85b", "a\0b", "a\tb", " a", "a ", None, 1.5, ["a"]]
)
def test_a_value_that_a_line_cannot_hold(value: object) -> None:
    with pytest.raises(ValueError, match=r"holds|begins or ends|no form"):
        property_value(value)


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render_properties("kafka/server.properties.j2", {})


def test_scripts_are_not_rendered() -> None:
    assert text("kafka/start.sh").startswith("#!/bin/sh\n")


@pytest.fixture
def fresh_folder() -> None:
    folder.cache_clear()


def test_the_wheels_templates_go_before_the_source_trees(
    fresh_folder: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged, source = tmp_path / "_templates", tmp_path / "templates"
    monkeypatch.setattr(templating, "_FOLDERS", (packaged, source))
    with pytest.raises(Bug, match="incomplete"):
        folder()
    source.mkdir()
    assert folder() == source
    folder.cache_clear()
    packaged.mkdir()
    assert folder() == packaged
    folder.cache_clear()
