"""A copy of the sources to mutate, so that the work tree stays as it is.

mutmut takes a module's name from its path, so the package lies at the root of the copy and not under `operator/`. What
it generates, runs and remembers is in `mutants/` there.
"""

from __future__ import annotations

import ast
import shutil
from configparser import ConfigParser
from pathlib import Path

from benchmarks.mutation.parts import Part

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "mutation"

# The tests' root conftest imports the stand; engines read the templates beside the package's parent.
_COPIED = ("tests", "e2e", "templates", "pyproject.toml")
_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc")
# A mutant that hangs is ended after (the tests' own time + 1 s) times 6: a slow neighbour does not look like one.
_TIMEOUT_CONSTANT = "1"
_TIMEOUT_MULTIPLIER = "6"
_PROFILE = "mutation_profile"
_PYTEST_ARGUMENTS = ("-p", _PROFILE, "--hypothesis-profile=mutation", "-p", "no:cacheprovider", "-p", "no:xdist")
_SELECTION = ("-m", "not integration and not kafka")


def prepare(part: Part) -> Path:
    """Make the copy for `part` anew and return its root. Raises ValueError when a glob of the part finds nothing."""
    tree = FOLDER / part.name
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    shutil.copytree(ROOT / "operator" / "agentmemory", tree / "agentmemory", ignore=_IGNORED)
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=_IGNORED)
        else:
            shutil.copy2(source, tree / name)
    shutil.copy2(Path(__file__).with_name("profile.py"), tree / f"{_PROFILE}.py")
    for name in _found(tree, part.mutated):
        _postpone_annotations(tree / name)
    _configure(tree, part)
    return tree


def _postpone_annotations(module: Path) -> None:
    """mutmut puts its copies of a method behind the method: `-> list[Key]` means the class's own `list` there."""
    text = module.read_text()
    body = ast.parse(text).body
    if not body:
        return
    has_docstring = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    lines = text.splitlines(keepends=True)
    lines.insert((body[0].end_lineno or 0) if has_docstring else 0, "from __future__ import annotations\n")
    module.write_text("".join(lines))


def _configure(tree: Path, part: Part) -> None:
    config = ConfigParser()
    config["mutmut"] = {
        "source_paths": "agentmemory",
        "only_mutate": _lines(_found(tree, part.mutated)),
        "also_copy": _lines(("e2e", "templates", f"{_PROFILE}.py")),
        "pytest_add_cli_args_test_selection": _lines(
            (*_found(tree, part.tests), "-m", "not integration and not kafka")
        ),
        "pytest_add_cli_args": _lines(_PYTEST_ARGUMENTS),
        "timeout_constant": _TIMEOUT_CONSTANT,
        "timeout_multiplier": _TIMEOUT_MULTIPLIER,
        "use_git_change_detection": "false",
        "on_dependency_change": "ignore",
    }
    with (tree / "setup.cfg").open("w") as file:
        config.write(file)


def _found(tree: Path, globs: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for glob in globs:
        paths = sorted(str(path.relative_to(tree)) for path in tree.glob(glob))
        if not paths:
            raise ValueError(f"{glob} names no file")
        found += paths
    return tuple(found)


def _lines(values: tuple[str, ...]) -> str:
    """mutmut reads a list from a value of several lines."""
    return "\n" + "\n".join(values)
