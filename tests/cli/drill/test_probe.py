"""The sums of a probe; that it writes and reads on a real Kafka is in test_real_probe.py."""

import pytest

from agentmemory.cli.drill.probe import Record, summary

KILLED = 100.0


def taken(number: int, partition: int, sent: float, acknowledged: float | None) -> Record:
    return Record(number, partition, sent, acknowledged)


RECORDS = [
    taken(0, 0, 99.0, 99.1),
    taken(1, 1, 99.0, 99.2),
    taken(2, 0, 99.9, 104.0),  # under way when the broker went
    taken(3, 0, 100.5, 104.5),
    taken(4, 1, 100.5, 100.6),
    taken(5, 2, 100.5, 106.0),
    taken(6, 2, 101.0, None),
]


def test_the_sums() -> None:
    made = summary("t", RECORDS, {0, 1, 2, 3, 4, 5}, KILLED, frozenset({0, 2}))
    assert (made.partitions, made.affected) == (3, 2)
    assert (made.acknowledged_before, made.acknowledged, made.lost, made.unacknowledged) == (2, 6, 0, 1)
    assert made.first_after == pytest.approx(4.5)
    assert made.all_after == pytest.approx(6.0)
    assert made.longest_pause == pytest.approx(4.9)
    assert made.pause_over == pytest.approx(4.0)


def test_what_is_not_read_back_is_lost() -> None:
    made = summary("t", RECORDS, {1, 2, 3, 4, 5}, KILLED, frozenset({0}))
    assert made.lost == 1


def test_a_broker_that_led_none_of_it_tells_nothing_of_the_pause() -> None:
    made = summary("t", RECORDS, set(range(6)), KILLED, frozenset())
    assert (made.affected, made.first_after, made.all_after) == (0, None, None)
    assert (made.longest_pause, made.pause_over) == (None, None)


def test_a_partition_that_never_took_one_again() -> None:
    made = summary("t", [*RECORDS[:2], taken(2, 0, 100.5, None)], {0, 1}, KILLED, frozenset({0, 1}))
    assert (made.first_after, made.all_after) == (None, None)
