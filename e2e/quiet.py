"""Counts what the operator's two ServiceAccounts write, from the audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from e2e.clusters import Cluster
from e2e.kubectl import until
from e2e.release import NAMESPACE, ROLES
from e2e.stand.audit import AuditLog, Request, service_account


def audit_of(cluster: Cluster) -> AuditLog:
    if cluster.audit is None:
        pytest.skip(f"cluster {cluster.name} shows no audit log")
    return cluster.audit


def writes(cluster: Cluster, since: datetime) -> list[Request]:
    """The operator's writes since then, its Leases left out."""
    audit = audit_of(cluster)
    accounts = [service_account(NAMESPACE, f"agent-memory-operator-{role}") for role in ROLES]
    return [r for account in accounts for r in audit.writes(since, user=account) if r.resource != "leases"]


def settle(cluster: Cluster, quiet: float = 10.0, seconds: float = 120.0) -> None:
    """Wait until nothing was written for `quiet` seconds: what was begun before has come to its end."""
    until(
        lambda: not writes(cluster, datetime.now(UTC) - timedelta(seconds=quiet)),
        seconds,
        lambda: f"the operator still writes: {writes(cluster, datetime.now(UTC) - timedelta(seconds=quiet))}",
        every=1.0,
    )


def watch_for(cluster: Cluster, seconds: float) -> list[Request]:
    """Look on for `seconds`; the writes seen in that time."""
    began = datetime.now(UTC)
    until(lambda: datetime.now(UTC) - began >= timedelta(seconds=seconds), seconds + 5, str, every=1.0)
    return writes(cluster, began)
