"""Where data may rest: pure set questions about regions."""

from collections.abc import Iterable


def tenant_regions(declared: Iterable[str], cluster_region: str | None) -> frozenset[str]:
    """The regions a tenant may name: those it declares, or else its cluster's own; empty when neither is known."""
    found = frozenset(declared)
    return found or (frozenset({cluster_region}) if cluster_region else frozenset())


def outside(wanted: Iterable[str], permitted: Iterable[str]) -> tuple[str, ...]:
    """The wanted regions that are not permitted, sorted."""
    return tuple(sorted(set(wanted) - set(permitted)))
