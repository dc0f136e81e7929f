"""Every reason that a condition can have is explained to the person who reads it."""

import ast
from pathlib import Path

import agentmemory

PACKAGE = Path(agentmemory.__file__).parent
PAGE = PACKAGE.parent.parent / "docs" / "troubleshooting.md"
MAKERS = {"refused", "stalled", "progressing"}


def reasons() -> dict[str, str]:
    """Reason -> a file that gives it."""
    found = {}
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS):
                continue
            if node.args and isinstance(node.args[0], ast.Constant):
                found[node.args[0].value] = str(file.relative_to(PACKAGE))
    return found


def test_the_page_explains_each_reason() -> None:
    page = PAGE.read_text()
    assert len(reasons()) > 30
    assert {reason: file for reason, file in reasons().items() if reason not in page} == {}
