"""The recovery page names for each row a test that is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "recovery.md"
NAMED = re.compile(r"`((?:e2e|tests)/[\w/]+\.py)?::(\w+)`")


def rows() -> list[str]:
    """Those of the tables that have a column for the test."""
    found, wanted = [], False
    for line in PAGE.read_text().splitlines():
        if line.startswith(("| what ", "| engine | the operator")):
            wanted = line.rstrip().endswith("| test |")
        elif not line.startswith("|"):
            wanted = False
        elif wanted and not line.startswith("| ---"):
            found.append(line)
    return found


def named_in(row: str) -> list[tuple[str, str]]:
    """File and function of each; one without a file is in the file before."""
    found: list[tuple[str, str]] = []
    for file, function in NAMED.findall(row):
        found.append((file or found[-1][0], function))
    return found


def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_row_names_a_test() -> None:
    assert len(rows()) > 20
    assert [row for row in rows() if not named_in(row)] == []


def test_each_test_that_is_named_exists() -> None:
    named = {one for row in rows() for one in named_in(row)}
    assert {(file, function) for file, function in named if function not in functions(file)} == set()
