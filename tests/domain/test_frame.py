"""Priorities and regions: the frame that a tenant gives its families."""

import pytest

from agentmemory.domain import priorities, regions


@pytest.mark.parametrize(
    ("priority", "by_tenant", "expected"),
    [("standard", ("standard",), True), ("critical", ("standard", "deferrable"), False), ("deferrable", (), False)],
)
def test_a_priority_is_allowed_when_the_tenant_lists_it(
    priority: priorities.Priority, by_tenant: tuple[priorities.Priority, ...], expected: bool
) -> None:
    assert priorities.allowed(priority, by_tenant) is expected


def test_priorities_are_ordered_from_critical_to_deferrable() -> None:
    assert priorities.PRIORITIES == ("critical", "standard", "deferrable")


@pytest.mark.parametrize(
    ("declared", "own", "expected"),
    [
        (["eu-west-1"], "eu-central-1", {"eu-west-1"}),
        ([], "eu-central-1", {"eu-central-1"}),
        ([], None, set()),
    ],
)
def test_a_tenant_without_regions_has_its_clusters(declared: list[str], own: str | None, expected: set[str]) -> None:
    assert regions.tenant_regions(declared, own) == expected


def test_regions_outside_the_frame_are_named_in_order() -> None:
    assert regions.outside(["us", "eu", "ap"], ["eu"]) == ("ap", "us")
    assert regions.outside(["eu"], ["eu", "us"]) == ()
