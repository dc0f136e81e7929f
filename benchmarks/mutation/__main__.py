"""`make mutation`: change the code in small wrong ways, and count how many of them the unit tests notice.

Result: build/bench/mutation.json and a table. What mutmut generated stays under build/mutation/<part>/: there,
`mutmut show <mutant>` tells what a survivor changed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.mutation import report, tree, verdicts
from benchmarks.mutation.parts import PARTS, Part, named

NICENESS = 15


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation", description="Mutation testing.")
    parser.add_argument("--part", choices=[part.name for part in PARTS], help="this part only")
    parser.add_argument("--workers", type=int, default=2, help="mutants tested at once (default 2)")
    arguments = parser.parse_args()
    console = Console(width=140)
    os.nice(NICENESS)
    results: dict[str, Any] = {}
    for part in named(arguments.part):
        console.print(f"mutation: {part.name}")
        began = time.monotonic()
        if not _run(part, arguments.workers):
            return 1
        results[part.name] = report.part_result(verdicts.read(tree.FOLDER / part.name), time.monotonic() - began)
        report.write(results)  # what is measured is kept when a later part fails
    report.show(results, console)
    console.print(f"result: {report.FILE.relative_to(tree.ROOT)}")
    return 0


def _run(part: Part, workers: int) -> bool:
    """Mutate a fresh copy and test each mutant. False, with the end of mutmut's log, when that did not come off."""
    root, log = tree.prepare(part), tree.FOLDER / f"{part.name}.log"
    program = Path(sys.executable).parent / "mutmut"
    with log.open("w") as file:
        ended = subprocess.run(
            [program, "run", "--max-children", str(workers)], cwd=root, stdout=file, stderr=subprocess.STDOUT
        )
    if ended.returncode:
        print("\n".join(log.read_text().replace("\r", "\n").splitlines()[-40:]))
        print(f"mutmut ended with {ended.returncode}; its whole log is {log.relative_to(tree.ROOT)}")
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
