"""The timeline: what each look shows, in the order in which things happen and in others."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from agentmemory.api.base import parse
from agentmemory.api.brokerpool import BrokerPool
from agentmemory.cli.drill.facts import broker_of
from agentmemory.cli.drill.kafkaview import KafkaView
from agentmemory.cli.drill.watch import MILESTONES, Look, Timeline
from agentmemory.kafka.model import PartitionRef
from tests.cli.drill.builders import IDS, NOW, kafka, part, pod, pool

VICTIM = broker_of(pod(1001), NOW)
LED = frozenset({PartitionRef("t", 1)})
OTHERS = [pod(1000), pod(1002)]
WITHOUT = kafka((1000, 1002), [part(0, 1000, (1000, 1002)), part(1, 1002, (1000, 1002)), part(2, 1002, (1000, 1002))])
BACK_BEHIND = kafka(IDS, WITHOUT.topics[0].partitions)


def timeline(*, asks_kafka: bool = True) -> Timeline:
    return Timeline(VICTIM, frozenset(IDS), LED, asks_kafka=asks_kafka)


def look(pods: Iterable[dict[str, Any]], view: KafkaView | None, ids: Iterable[int] = IDS) -> Look:
    return Look(list(pods), parse(BrokerPool, pool(ids)), view)


def placed(node_id: int = 1001) -> dict[str, Any]:
    made = pod(node_id, uid="new", ready=False)
    made["status"] |= {"containerStatuses": [], "conditions": []}
    return made


def test_a_killed_broker_comes_back() -> None:
    made = timeline()
    story = [
        ([pod(1001)], kafka(), []),
        ([], kafka(), ["gone"]),
        ([placed()], kafka(), ["scheduled"]),
        ([pod(1001, "new", ready=False)], kafka(), ["started"]),  # the old session still counts as registered
        ([pod(1001, "new", ready=False)], WITHOUT, ["fenced", "moved"]),
        ([pod(1001, "new")], BACK_BEHIND, ["ready", "registered", "settled"]),
        ([pod(1001, "new")], None, []),
        ([pod(1001, "new")], kafka(), ["synced"]),
    ]
    for at, (pods, view, expected) in enumerate(story):
        assert made.see(float(at), look(OTHERS + pods, view)) == expected
    assert made.missing == ()
    assert made.reached["registered"] == 5
    assert made.heir == "main-1001"


def test_a_partition_without_a_leader_has_not_moved() -> None:
    made = timeline()
    leaderless = kafka((1000, 1002), [part(1, -1, ())])
    assert made.see(1, look(OTHERS, leaderless)) == ["gone", "fenced"]
    assert made.see(2, look(OTHERS, WITHOUT)) == ["moved"]


def test_leaders_may_move_before_anything_else() -> None:
    made = timeline()
    moved = replace(WITHOUT, registered=frozenset(IDS))
    assert made.see(1, look([pod(1001), *OTHERS], moved)) == ["moved"]
    idle = Timeline(VICTIM, frozenset(IDS), frozenset(), asks_kafka=True)
    assert idle.see(1, look([pod(1001), *OTHERS], kafka())) == []
    assert idle.see(2, look(OTHERS, WITHOUT)) == ["gone", "fenced", "moved"]


def test_a_new_id_takes_the_place() -> None:
    made = timeline()
    made.see(
        1, look([*OTHERS, pod(1003, "new")], replace(WITHOUT, registered=frozenset((1000, 1002, 1003))), (1000, 1002))
    )
    assert made.heir == "main-1003"
    assert made.missing == ("synced", "settled")
    made.see(2, look([*OTHERS, pod(1003, "new")], kafka((1000, 1002, 1003), []), (1000, 1002, 1003)))
    assert made.missing == ()


def test_another_pools_new_broker_is_no_heir() -> None:
    other = pod(1003, "new")
    other["metadata"]["labels"]["agentmemory.dev/pool"] = "others"
    made = timeline()
    made.see(1, look([*OTHERS, other], WITHOUT))
    assert "scheduled" not in made.reached


def test_fencing_between_two_looks_is_not_missed() -> None:
    made = timeline()
    made.see(1, look([*OTHERS, pod(1001, "new", ready=False)], kafka()))
    made.see(2, look([*OTHERS, pod(1001, "new")], kafka()))
    made.see(3, look([*OTHERS, pod(1001, "new")], kafka()))
    assert "fenced" not in made.reached
    assert made.missing == ()


def test_without_kafka_the_pools_status_tells_the_rest() -> None:
    made = timeline(asks_kafka=False)
    assert set(MILESTONES) - set(made.wanted) == {"moved", "synced"}
    assert made.see(1, look(OTHERS, None)) == ["gone"]
    assert made.see(2, look([*OTHERS, placed()], None, (1000, 1002))) == ["fenced", "scheduled"]
    assert made.see(3, look([*OTHERS, pod(1001, "new")], None, (1000, 1002))) == ["started", "ready"]
    assert made.see(4, look([*OTHERS, pod(1001, "new")], None)) == ["registered", "settled"]
    assert made.missing == ()


def test_a_pool_that_went_settles_nothing() -> None:
    made = timeline()
    made.see(1, look([*OTHERS, pod(1001, "new")], WITHOUT))
    made.see(2, Look([*OTHERS, pod(1001, "new")], None, kafka()))
    assert made.missing == ("settled",)
