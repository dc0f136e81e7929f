"""The source tree's one trap: `operator` is a folder of ours and a module of the standard library."""

import importlib.util
import operator
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_source_root_is_no_package() -> None:
    assert (ROOT / "operator").is_dir()
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert list((ROOT / "operator").glob("*.py")) == []


def test_import_operator_is_the_standard_library() -> None:
    assert operator.itemgetter(1)("ab") == "b"
    spec = importlib.util.find_spec("operator")
    assert spec is not None
    assert not str(spec.origin).startswith(str(ROOT))


def test_python_starts_in_the_root_folder() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import collections, operator; print(operator.add(1, 2))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr
