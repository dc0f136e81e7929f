"""What the operator writes while nothing changes, counted in the API server's audit log."""

from __future__ import annotations

from benchmarks.result import Result
from e2e.clusters import Cluster
from e2e.quiet import settle, watch_for

SECONDS = 60.0


def run(cluster: Cluster, result: Result) -> None:
    settle(cluster)
    seen = watch_for(cluster, SECONDS)
    result.details["writesAtRest"] = [str(request) for request in seen]
    result.add(f"writes in {SECONDS:.0f} s at rest, Leases left out", len(seen), "writes", 0)
