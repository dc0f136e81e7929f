"""Which node goes next: a table, and the rules over all small clusters."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.core.errors import Transient
from agentmemory.engines.pods import PodState, PodView, Trouble
from agentmemory.engines.roller import Member, Replace, Wait, healthy, next_step, wants_sync
from agentmemory.engines.sight import Sight
from tests.engines.builders import pod_view

ALL = Sight(registered=frozenset({1000, 1001, 1002}), leader=1, voters=frozenset({0, 1, 2}))
SILENT = Sight(error=Transient("KafkaUnavailable", "no answer"))
STUCK = Trouble("CrashLoopBackOff", "it ends again and again")


def member(node_id: int, state: PodState | None = PodState.READY, *, current: bool = True, **pod: Any) -> Member:
    role: Any = "controller" if node_id < 1000 else "broker"
    return Member(node_id, role, None if state is None else pod_view(node_id, state, **pod), current)


def stale(node_id: int, state: PodState = PodState.READY, **pod: Any) -> Member:
    return member(node_id, state, current=False, **pod)


def others(*changed: Member) -> list[Member]:
    """The whole cluster, with some members as given."""
    by_id = {found.node_id: found for found in changed}
    return [by_id.get(node_id, member(node_id)) for node_id in (0, 1, 2, 1000, 1001, 1002)]


REPLACED = {
    "a broker, lowest id first": ([stale(1001), stale(1000)], ALL, 1000),
    "a controller that does not lead": ([stale(0), stale(1), stale(2)], ALL, 0),
    "the other one that does not lead": ([member(0), stale(1), stale(2)], ALL, 2),
    "the leader last": ([member(0), stale(1), member(2)], ALL, 1),
    "one that never was ready, though Kafka is silent": ([stale(1000, PodState.PENDING)], SILENT, 1000),
    "one that never was ready before a healthy one": ([stale(1000), stale(1002, PodState.STARTING)], ALL, 1002),
    "one that cannot get on": ([stale(1001, PodState.STARTING, proven=True, trouble=STUCK)], SILENT, 1001),
}


@pytest.mark.parametrize("case", REPLACED)
def test_replaced(case: str) -> None:
    own, sight, wanted = REPLACED[case]
    step = next_step(own, others(*own), sight)
    assert isinstance(step, Replace)
    assert step.member.node_id == wanted


HELD = {
    "Kafka is silent": ([stale(1000)], [], SILENT, "", "", "once Kafka answers"),
    "a broker is fenced": ([stale(1000)], [], replace(ALL, registered=frozenset({1000, 1001})), "", "", "1002"),
    "a controller does not vote": ([stale(1000)], [], replace(ALL, voters=frozenset({0, 1})), "", "", "node 2"),
    "a voter is slow": ([stale(1000)], [], replace(ALL, slow_voters=frozenset({2})), "", "", "node 2"),
    "another pod is missing": ([stale(1000)], [member(1002, None)], ALL, "", "", "1002"),
    "another pod starts": ([stale(1000)], [member(1, PodState.STARTING)], ALL, "", "", "node 1"),
    "partitions are copied": ([stale(1000)], [], ALL, "partitions still copying: trail-0", "", "trail-0"),
    "controllers go first": ([stale(1000)], [], ALL, "", "waiting for the controllers", "controllers"),
    "the replaced one still ends": ([stale(1000, PodState.ENDING), stale(1001)], [], ALL, "", "", "to end"),
    "one recovers its log": ([stale(1000, PodState.STARTING, proven=True)], [], ALL, "", "", "1000"),
}


@pytest.mark.parametrize("case", HELD)
def test_held_back(case: str) -> None:
    own, changed, sight, lacks, hold, words = HELD[case]
    step = next_step(own, others(*own, *changed), sight, lacks, hold)
    assert isinstance(step, Wait)
    assert words in step.message


def test_nothing_to_do() -> None:
    assert next_step([member(1000), member(1001, None)], others(), SILENT) is None


def test_partitions_are_looked_at_only_when_all_else_allows() -> None:
    own = [stale(1000)]
    assert wants_sync(own, others(*own), ALL)
    assert not wants_sync(own, others(*own), SILENT)
    assert not wants_sync(own, others(*own), ALL, hold="controllers first")
    broken = [stale(1000, PodState.PENDING)]
    assert not wants_sync(broken, others(*broken), ALL)


@pytest.mark.parametrize(
    ("who", "sight", "well"),
    [
        (member(1000), ALL, True),
        (member(1), ALL, True),
        (member(1000, None), ALL, False),
        (member(1000, PodState.STARTING), ALL, False),
        (member(1000), SILENT, False),
    ],
)
def test_healthy(who: Member, sight: Sight, well: bool) -> None:
    assert healthy(who, sight) is well


pods = st.builds(
    lambda state, proven, stuck: (state, proven or state is PodState.READY, STUCK if stuck else None),
    st.sampled_from(PodState),
    st.booleans(),
    st.booleans(),
)


@given(
    st.dictionaries(st.sampled_from([0, 1, 2, 1000, 1001, 1002]), st.tuples(pods, st.booleans()), min_size=6),
    st.frozensets(st.sampled_from([1000, 1001, 1002])),
    st.sampled_from(["", "partitions still copying: t-0"]),
    st.booleans(),
)
def test_a_healthy_node_goes_only_when_all_others_are_healthy(
    drawn: dict[int, tuple[tuple[PodState, bool, Trouble | None], bool]],
    registered: frozenset[int],
    lacks: str,
    answers: bool,
) -> None:
    sight = Sight(registered=registered, leader=1, voters=frozenset({0, 1, 2})) if answers else SILENT
    everyone = []
    for node_id, ((state, proven, trouble), current) in sorted(drawn.items()):
        everyone.append(member(node_id, state, current=current, proven=proven, trouble=trouble))
    for role in ("controller", "broker"):
        own = [found for found in everyone if found.role == role]
        step = next_step(own, everyone, sight, lacks)
        if not isinstance(step, Replace):
            continue
        pod: PodView | None = step.member.pod
        assert pod is not None
        assert not step.member.current
        assert pod.state is not PodState.ENDING
        if (pod.proven and pod.trouble is None) or pod.state is PodState.READY:
            assert all(healthy(found, sight) for found in everyone)
            assert not lacks
