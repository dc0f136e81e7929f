"""At rest the operator writes nothing but its Leases, counted in the API server's audit log."""

from __future__ import annotations

from e2e.clusters import Cluster
from e2e.demo.story import Story
from e2e.quiet import settle, watch_for


def test_nothing_is_written_for_a_minute(cluster: Cluster, story: Story) -> None:
    settle(cluster)
    assert watch_for(cluster, 60.0) == []
