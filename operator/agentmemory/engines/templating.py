"""The one loader of `templates/`: text that engines and backends read (properties, logging, scripts).

Kubernetes objects are not rendered from text; they are dict builders (docs/adr/0003-dict-builders.md).
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agentmemory.core.errors import Bug

_PACKAGE = Path(__file__).resolve().parents[1]
# The wheel carries the templates inside the package; a source tree has them at its root.
_FOLDERS = (_PACKAGE / "_templates", _PACKAGE.parents[1] / "templates")


def property_value(value: Any) -> str:
    """A value as it stands in a Java properties file. Raises ValueError when it could begin another line or key.

    Booleans are lower case and a backslash is doubled (java.util.Properties reads it as an escape). A value that begins
    with white space would lose it, and a line break would smuggle in a setting of its own.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int):
        raise ValueError(f"{value!r} has no form in a properties file")
    text = str(value)
    if any(not char.isprintable() for char in text):
        raise ValueError(f"{text!r} holds a line break or another control character")
    if text != text.strip():
        raise ValueError(f"{text!r} begins or ends with white space")
    return text.replace("\\", "\\\\")


@cache
def folder() -> Path:
    """Where the templates are. Raises Bug when the package was built without them."""
    for candidate in _FOLDERS:
        if candidate.is_dir():
            return candidate
    raise Bug("TemplatesMissing", f"no templates at {' or '.join(map(str, _FOLDERS))}: the package is incomplete")


@cache
def _properties() -> Environment:
    return Environment(
        loader=FileSystemLoader(folder()),
        undefined=StrictUndefined,
        finalize=property_value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        autoescape=False,  # noqa: S701 (no HTML: every value goes through property_value)
    )


def render_properties(name: str, values: Mapping[str, Any]) -> str:
    """A `.properties.j2` template filled in. Raises ValueError for a value that a line cannot hold.

    A name that the template uses and `values` lacks is an error too (jinja2.UndefinedError).
    """
    return _properties().get_template(name).render(values)


@cache
def text(name: str) -> str:
    """A file of `templates/` as it stands: a script or a configuration without variables."""
    return (folder() / name).read_text()
