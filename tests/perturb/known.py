"""Differences that are known and not mended yet: each with its reason, its signs, and one place that shows it.

What bears the signs is set aside by the suites, so that they see everything else; `test_known.py` fails as soon as a
place shows its difference no more, and then the entry goes.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """`where` matches coordinates, `line` a finding."""

    why: str
    where: str
    line: str
    shown_by: str

    def covers(self, where: str, line: str) -> bool:
        """Whether this finding is the known one."""
        return bool(re.match(self.where, where) and re.search(self.line, line))


KNOWN: tuple[Known, ...] = (
    Known(
        "When nothing tells that a cluster was deleted, what the collector takes is made once more, until the first "
        "status write finds the cluster gone; then the collector takes that too.",
        r"(nodes|automq|tiered)-recreate/gone/dropped/",
        r"^effects: (created|deleted) (ConfigMap|Pod|PodDisruptionBudget|Secret|Service)/data/mem-\S+ "
        r"(1 times, wanted 0|2 times, wanted 1)$",
        "nodes-recreate/gone/dropped/11",
    ),
)


def unknown(where: str, lines: list[str]) -> list[str]:
    """The findings that are nobody's yet."""
    return [line for line in lines if not any(known.covers(where, line) for known in KNOWN)]
