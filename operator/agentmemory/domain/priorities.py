"""What is served first when a cluster is short of capacity."""

from typing import Literal, get_args

Priority = Literal["critical", "standard", "deferrable"]

PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""From the one that is served longest to the one that is slowed first."""


def allowed(priority: Priority, by_tenant: tuple[Priority, ...]) -> bool:
    """Whether a tenant lets its families declare this priority."""
    return priority in by_tenant
