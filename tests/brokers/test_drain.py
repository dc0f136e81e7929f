"""Each step of a broker that leaves, from what is seen alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.brokers import drain
from agentmemory.brokers.drain import Exclude, Forget, Leaver, Move, Readmit, Stop, Unregister, Wait
from agentmemory.core.errors import Transient
from agentmemory.engines.pods import PodState, PodView
from agentmemory.kafka.model import PartitionRef
from agentmemory.kafka.nodes import ACTIVE, CONTROLLED_SHUTDOWN, FENCED, NodeView
from tests.engines.builders import NOW, pod_view

SILENT = Transient("KafkaUnreachable", "no connection")
LONG_AGO = NOW - timedelta(hours=1)


def pod(state: PodState = PodState.READY, **changes: Any) -> PodView:
    return pod_view(1002, state, **{"running_since": LONG_AGO, **changes})


def node(state: str = ACTIVE, *, open_streams: bool = False, epoch: datetime = LONG_AGO, **tags: str) -> NodeView:
    return NodeView(1002, state, int(epoch.timestamp() * 1000), open_streams, tags)


def refs(count: int, topic: str = "t") -> list[PartitionRef]:
    return [PartitionRef(topic, number) for number in range(count)]


def leaver(**changes: Any) -> Leaver:
    """One that serves, is excluded, holds nothing and may go."""
    fixed: dict[str, Any] = {
        "node_id": 1002,
        "name": "mem-1002",
        "since": NOW - timedelta(minutes=1),
        "now": NOW,
        "pod": pod(),
        "lost": False,
        "registered": True,
        "node": node(),
        "excluded": True,
        "placements": {},
        "targets": frozenset({1000, 1001}),
    }
    return Leaver(**(fixed | changes))


def stopped(**changes: Any) -> Leaver:
    """One whose process is over, fenced, with its streams closed."""
    return leaver(**({"pod": None, "registered": False, "node": node(FENCED)} | changes))


ON_IT = dict.fromkeys(refs(3), (1002,))
STEPS: dict[str, tuple[Leaver, type, str]] = {
    "its turn comes later": (leaver(before="mem-1001"), Wait, "waiting for mem-1001, which leaves first"),
    "the cluster is held": (leaver(hold="a roll-out goes on"), Wait, "a roll-out goes on"),
    "its pod is young": (leaver(pod=pod(running_since=NOW - timedelta(seconds=59))), Wait, "less than 60 s ago"),
    "its node is young": (leaver(node=node(epoch=NOW - timedelta(seconds=59))), Wait, "less than 60 s ago"),
    "just old enough": (leaver(pod=pod(running_since=NOW - timedelta(seconds=60))), Stop, ""),
    "nobody knows its start": (leaver(pod=pod(running_since=None), node=None), Stop, ""),
    "to be excluded": (leaver(excluded=False, placements=None), Exclude, ""),
    "partitions not looked at": (leaver(placements=None), Wait, "a look at its partitions"),
    "partitions to move": (leaver(placements=ON_IT), Move, ""),
    "all of them under way": (leaver(placements=ON_IT, moving=frozenset(ON_IT)), Wait, "moving its partitions"),
    "others' moves are no concern": (leaver(placements=ON_IT, moving=frozenset(refs(9, "o"))), Move, ""),
    "nobody takes over": (leaver(placements=ON_IT, targets=frozenset(), excluded=False), Wait, "spec.replicas"),
    "nobody takes over nothing": (leaver(targets=frozenset(), excluded=False), Stop, ""),
    "others' partitions stay": (leaver(placements={refs(1)[0]: (1001,)}), Stop, ""),
    "empty": (leaver(), Stop, ""),
    "its process ends": (leaver(pod=pod(PodState.ENDING)), Wait, "waiting for its process to end"),
    "never registered": (leaver(registered=False, node=None), Stop, ""),
    "fenced while it runs": (leaver(registered=False, node=node(FENCED, open_streams=True)), Stop, ""),
    "it does not start": (leaver(pod=pod(PodState.PENDING), registered=False, node=None, error=SILENT), Stop, ""),
    "its machine is lost": (leaver(lost=True, registered=False), Stop, ""),
    "ready, and Kafka is silent": (leaver(registered=False, error=SILENT), Wait, "cannot be asked"),
    "stopped, and Kafka is silent": (stopped(error=SILENT), Wait, "cannot be asked"),
    "still registered": (stopped(registered=True, node=node()), Wait, "to notice that it is gone"),
    "still active": (stopped(node=node()), Wait, "to notice that it is gone"),
    "shutting down": (stopped(node=node(CONTROLLED_SHUTDOWN)), Wait, "to notice that it is gone"),
    "registered, without a node": (stopped(registered=True, node=None), Wait, "to notice that it is gone"),
    "open streams": (stopped(node=node(FENCED, open_streams=True)), Wait, "its streams to be closed"),
    "unknown, with open streams": (stopped(node=node("UNKNOWN", open_streams=True)), Wait, "its streams"),
    "locked": (stopped(node=node(FENCED, CIRCUIT_BREAKER="OPEN")), Wait, "circuit breaker"),
    "unlocked": (stopped(node=node(FENCED, CIRCUIT_BREAKER="CLOSED")), Unregister, ""),
    "closed": (stopped(), Unregister, ""),
    "lost, and forgotten by its machine": (stopped(pod=pod(PodState.ENDING), lost=True), Unregister, ""),
    "forgotten, still excluded": (stopped(node=None), Readmit, ""),
    "forgotten": (stopped(node=None, excluded=False), Forget, ""),
    "a registration that failed": (stopped(node=node("UNKNOWN"), excluded=False), Forget, ""),
    "forgotten, its pod hangs": (
        stopped(node=None, excluded=False, pod=pod(PodState.ENDING), lost=True),
        Wait,
        "its pod goes with its machine",
    ),
}


@pytest.mark.parametrize("case", STEPS)
def test_the_step(case: str) -> None:
    seen, kind, said = STEPS[case]
    step = drain.next_step(seen)
    assert isinstance(step, kind)
    words = drain.words(seen, step)
    assert "mem-1002" in words.message
    assert said in words.message


STUCK = {
    "NodeLocked": stopped(node=node(FENCED, CIRCUIT_BREAKER="OPEN")),
    "StreamsStayOpen": stopped(node=node(FENCED, open_streams=True), since=NOW - timedelta(minutes=30)),
    "NoBrokerTakesOver": leaver(placements=ON_IT, targets=frozenset()),
}


@pytest.mark.parametrize("reason", STUCK)
def test_what_does_not_pass_by_itself_is_stalled(reason: str) -> None:
    step = drain.next_step(STUCK[reason])
    assert isinstance(step, Wait)
    assert (step.phase.kind, step.phase.reason) == ("Stalled", reason)


def test_streams_may_take_their_time() -> None:
    waiting = stopped(node=node(FENCED, open_streams=True), since=NOW - timedelta(minutes=29, seconds=59))
    step = drain.next_step(waiting)
    assert isinstance(step, Wait)
    assert (step.phase.kind, step.phase.reason) == ("Progressing", "Draining")


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (leaver(placements=None), True),
        (leaver(excluded=False), False),
        (leaver(excluded=False, targets=frozenset()), True),
        (leaver(hold="x"), False),
        (leaver(lost=True), False),
        (stopped(), False),
    ],
)
def test_partitions_are_listed_only_where_the_step_hangs_on_them(seen: Leaver, wanted: bool) -> None:
    assert drain.wants_placements(seen) is wanted


def test_a_batch_is_bounded_by_what_is_under_way() -> None:
    placements = dict.fromkeys(refs(200), (1002,))
    step = drain.next_step(leaver(placements=placements, moving=frozenset(refs(20))))
    assert isinstance(step, Move)
    assert list(step.targets) == refs(200)[20:50]
    full = leaver(placements=placements, moving=frozenset(refs(50)))
    assert isinstance(drain.next_step(full), Wait)


def test_those_with_the_fewest_take_them() -> None:
    placements = {
        **dict.fromkeys(refs(3, "a"), (1000,)),
        **dict.fromkeys(refs(1, "b"), (1001,)),
        **dict.fromkeys(refs(4, "c"), (1002,)),
    }
    moves = drain.spread(1002, refs(4, "c"), placements, frozenset({1000, 1001}))
    assert list(moves.values()) == [(1001,), (1001,), (1000,), (1001,)]


def test_other_replicas_stay_in_their_places() -> None:
    one, two = refs(2)
    placements = {one: (1000, 1002), two: (1001, 1002, 1000)}
    moves = drain.spread(1002, [one, two], placements, frozenset({1000, 1001}))
    assert moves == {one: (1000, 1001), two: (1001, 1000)}


@given(
    st.dictionaries(st.integers(0, 30), st.sampled_from([1000, 1001, 1002, 1003]), max_size=30),
    st.frozensets(st.sampled_from([1000, 1001, 1003]), min_size=1),
)
def test_each_move_goes_to_a_target_and_spreads_evenly(where: dict[int, int], targets: frozenset[int]) -> None:
    placements = {PartitionRef("t", number): (broker,) for number, broker in where.items()}
    seen = leaver(placements=placements, targets=targets)
    moves = drain.spread(1002, seen.hosted, placements, targets)
    assert moves.keys() == {ref for ref, replicas in placements.items() if replicas == (1002,)}
    assert all(len(replicas) == 1 and replicas[0] in targets for replicas in moves.values())
    after = [replicas[0] for replicas in (placements | moves).values()]
    before = [replicas[0] for replicas in placements.values()]
    grown = {target: after.count(target) for target in targets if after.count(target) > before.count(target)}
    least = min(after.count(target) for target in targets)
    assert all(count <= least + 1 for count in grown.values())


def test_a_leaver_in_other_words() -> None:
    assert replace(leaver(), node=None).known
    assert not stopped(node=None).known
    assert stopped(node=node("UNKNOWN", open_streams=True)).known
    assert leaver(pod=pod(PodState.ENDING), lost=True).stopped is False
    assert drain.is_young(None, None, NOW) is False
    assert drain.is_young(None, NodeView(1, ACTIVE, 0, False), datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)) is False
