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


KNOWN = (
    Known(
        "A new broker's pod is made before its certificate's Secret: who dies in between makes another certificate "
        "and replaces the pod, which has not started yet (brokers/nodes.py, Writer.keep)",
        where=r"(nodes|pool|whole)-.*/(crash|lease|answer-lost|call-cut|busy|stale-start|stale-reads)/",
        line=r"Pod/data/mem-1\d\d\d(\.metadata\.uid| \d times)",
        shown_by="nodes-create/rise/crash/30",
    ),
    Known(
        "What was handed over for a cluster is withdrawn by who sees the cluster go; deleted while nobody works, its "
        "credentials stay in the Secret agent-memory-tenant-principals (clusters/handover.py, withdraw)",
        where=r"[a-z-]+/(gone|all-gone)/(off|lease|crash|stale-start|stale-reads)/",
        line=r"agent-memory-tenant-principals\.content\.",
        shown_by="external-recreate/gone/off/1",
    ),
)


def unknown(where: str, lines: list[str]) -> list[str]:
    """The findings that are nobody's yet."""
    return [line for line in lines if not any(known.covers(where, line) for known in KNOWN)]
