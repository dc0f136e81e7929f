"""Several findings as one."""

from hypothesis import given
from hypothesis import strategies as st

from agentmemory.api.conditions import Phase, progressing, refused, stalled
from agentmemory.engines.verdict import sum_up


def test_sum_up() -> None:
    assert sum_up([]) is None
    findings = [progressing("A", "a"), stalled("B", "b"), refused("C", "c"), progressing("D", "a"), stalled("E", "e")]
    found = sum_up(findings)
    assert found == Phase("Refused", "C", "c; b; e; and 1 more")
    assert sum_up([progressing("A", "a"), progressing("D", "a")]) == Phase("Progressing", "A", "a")


@given(st.lists(st.sampled_from([progressing("A", "a"), stalled("B", "b"), refused("C", "c")]), min_size=1))
def test_the_gravest_finding_wins(findings: list[Phase]) -> None:
    found = sum_up(findings)
    order = ["Refused", "Stalled", "Progressing"]
    assert found is not None
    assert order.index(found.kind) == min(order.index(one.kind) for one in findings)
