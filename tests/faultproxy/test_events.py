"""The faults of one stream, by table: lines in, steps out."""

import json

import pytest

from tests.faultproxy import (
    CutStream,
    DelayEvent,
    DropEvent,
    DuplicateEvent,
    Event,
    EventMatch,
    Expire,
    Hang,
    Reorder,
)
from tests.faultproxy.events import End, EventAction, EventRules, Faulty, Pause, Send, Step, event_of
from tests.faultproxy.rules import Rules


def line(name: str, type_: str = "MODIFIED") -> bytes:
    metadata = {"namespace": "memory", "name": name, "resourceVersion": "7"}
    return json.dumps({"type": type_, "object": {"metadata": metadata}}).encode() + b"\n"


def faulty(action: EventAction, times: int | None = 1, name: str = "x") -> Faulty:
    rules: EventRules = Rules()
    rules.add(EventMatch(name=name), action, times=times)
    return Faulty("Pod", "operator", rules)


def run(stream: Faulty, *names: str) -> list[Step]:
    return [step for name in names for step in stream.take(line(name))]


def sent(*names: str) -> list[Step]:
    return [Send(line(name)) for name in names]


@pytest.mark.parametrize(
    ("action", "names", "expected"),
    [
        (DropEvent(), "axbx", sent("a", "b", "x")),
        (DuplicateEvent(), "axb", sent("a", "x", "x", "b")),
        (DuplicateEvent(3), "x", sent("x", "x", "x")),
        (DelayEvent(2.0), "axb", [*sent("a"), Pause(2.0), *sent("x", "b")]),
        (Reorder(), "axbc", sent("a", "b", "x", "c")),
        (Reorder(2), "axbc", sent("a", "b", "c", "x")),
        (Reorder(2), "axb", sent("a", "b")),
        (CutStream(), "ax", [*sent("a"), CutStream()]),
        (Hang(), "ax", [*sent("a"), Hang()]),
    ],
)
def test_a_fault_does_this(action: EventAction, names: str, expected: list[Step]) -> None:
    assert run(faulty(action), *names) == expected


def test_an_expired_stream_ends_with_410() -> None:
    first, second = run(faulty(Expire()), "x")
    assert isinstance(first, Send)
    content = json.loads(first.line)
    assert (content["type"], content["object"]["code"], content["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert second == End()


def test_what_is_withheld_comes_with_a_flush() -> None:
    stream = faulty(Reorder(5, within=0.5))
    assert stream.patience is None
    assert run(stream, "x", "a") == sent("a")
    assert stream.patience == 0.5
    assert stream.flush() == sent("x")
    assert stream.flush() == []
    assert stream.patience is None


def test_two_withheld_events_keep_to_their_own_distance() -> None:
    assert run(faulty(Reorder(1), times=2), "x", "x", "a", "b") == sent("a", "x", "x", "b")


def test_without_rules_lines_are_not_even_read() -> None:
    assert Faulty("Pod", "", Rules()).take(b"no json\n") == [Send(b"no json\n")]


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (EventMatch(), True),
        (EventMatch("DELETED"), True),
        (EventMatch("ADDED"), False),
        (EventMatch(kind="Pod", namespace="memory", name="a"), True),
        (EventMatch(kind={"Service"}), False),
        (EventMatch(agent="op"), True),
        (EventMatch(agent="user"), False),
    ],
)
def test_an_event_matches_when_all_that_is_given_fits(match: EventMatch, expected: bool) -> None:
    assert match(event_of(line("a", "DELETED"), "Pod", "operator")) is expected


def test_bookmarks_only_when_asked_for() -> None:
    bookmark = Event("BOOKMARK", "Pod")
    assert not EventMatch()(bookmark)
    assert EventMatch(type="BOOKMARK")(bookmark)
