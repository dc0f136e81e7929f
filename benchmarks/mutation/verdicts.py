"""What mutmut found out, module by module."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.mutation import changes

# mutmut keeps pytest's exit code, the signal that ended a mutant, or 33 when no test comes near it.
_VERDICTS = {0: "survived", 1: "killed", 3: "killed", 5: "no_tests", 33: "no_tests", -24: "timed_out"}
_NOTICED = ("killed", "timed_out")


@dataclass
class Score:
    """Mutants of a module or part. `counts` by verdict of those that count, `left_out` by (rule, verdict)."""

    counts: Counter[str] = field(default_factory=Counter)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    survivors: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Noticed ones (killed, or ended because they hang) among those that count; 1 when there are none."""
        return _share(sum(self.counts[name] for name in _NOTICED), self.counts.total())

    @property
    def share_of_all(self) -> float:
        """The same with nothing left out."""
        noticed = sum(number for (_, verdict), number in self.left_out.items() if verdict in _NOTICED)
        noticed += sum(self.counts[name] for name in _NOTICED)
        return _share(noticed, self.counts.total() + self.left_out.total())

    def add(self, name: str, verdict: str, rule: str | None) -> None:
        """Count one mutant."""
        if rule is not None:
            self.left_out[rule, verdict] += 1
            return
        self.counts[verdict] += 1
        if verdict not in _NOTICED:
            self.survivors.append(name)

    def to_dict(self) -> dict[str, Any]:
        """For the result file."""
        rules: Counter[str] = Counter()
        for (rule, _), number in self.left_out.items():
            rules[rule] += number
        return {
            "mutants": self.counts.total(),
            **{name: self.counts[name] for name in ("killed", "timed_out", "survived", "no_tests", "other")},
            "share": round(self.share, 4),
            "left_out": dict(rules),
            "share_with_left_out": round(self.share_of_all, 4),
        }


def read(tree: Path) -> dict[str, Score]:
    """The score of every mutated module of a finished run, by its path in the package."""
    mutants = tree / "mutants"
    return {
        str(meta.relative_to(mutants))[: -len(".meta")]: _score(meta)
        for meta in sorted(mutants.rglob("*.py.meta"))
        if json.loads(meta.read_text())["exit_code_by_key"]
    }


def total(scores: Iterable[Score]) -> Score:
    """All of them together."""
    made = Score()
    for score in scores:
        made.counts += score.counts
        made.left_out += score.left_out
        made.survivors += score.survivors
    return made


def _score(meta: Path) -> Score:
    functions = changes.functions(ast.parse(meta.with_suffix("").read_text()))
    made = Score()
    for name, code in json.loads(meta.read_text())["exit_code_by_key"].items():
        mutant = name.rpartition(".")[2]
        original = mutant.rpartition("__mutmut_")[0] + "__mutmut_orig"
        rule = changes.left_out(functions[original], functions[mutant])
        made.add(name, _VERDICTS.get(code, "other"), rule)
    return made


def _share(some: int, of: int) -> float:
    return some / of if of else 1.0
