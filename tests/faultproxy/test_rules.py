"""Matches and rules, by table."""

import pytest

from tests.faultproxy import READS, WRITES, Call, Delay, DropBefore, Match, Refuse
from tests.faultproxy.calls import call_of
from tests.faultproxy.counts import Counts
from tests.faultproxy.rules import Action, Rules

STATUS = Call("patch", "TopicFamily", "team", "calls", "status", "operator/1", "merge")
POD = Call("create", "Pod", "memory", "a-0", agent="operator/1")


@pytest.mark.parametrize(
    ("match", "call", "expected"),
    [
        (Match(), STATUS, True),
        (Match(verb="patch"), STATUS, True),
        (Match(verb="create"), STATUS, False),
        (Match(verb=WRITES), STATUS, True),
        (Match(verb=READS), STATUS, False),
        (Match(kind={"Pod", "TopicFamily"}), STATUS, True),
        (Match(kind="Pod"), STATUS, False),
        (Match(namespace="team", name="calls"), STATUS, True),
        (Match(name="call"), STATUS, False),
        (Match(subresource="status"), STATUS, True),
        (Match(subresource=""), STATUS, False),
        (Match(subresource=""), POD, True),
        (Match(agent="operator"), POD, True),
        (Match(agent="perator"), POD, False),
        (Match(style="merge"), STATUS, True),
        (Match(style="apply"), STATUS, False),
    ],
)
def test_a_match_is_true_when_all_that_is_given_fits(match: Match, call: Call, expected: bool) -> None:
    assert match(call) is expected


def acted(rules: Rules[Call, Action], number: int = 6) -> list[Action | None]:
    found = [rules.decide(POD) for _ in range(number)]
    return [rule.action if rule else None for rule in found]


@pytest.mark.parametrize(
    ("after", "times", "expected"),
    [
        (0, 1, [1, 0, 0, 0, 0, 0]),
        (2, 1, [0, 0, 1, 0, 0, 0]),
        (2, 3, [0, 0, 1, 1, 1, 0]),
        (0, None, [1, 1, 1, 1, 1, 1]),
        (5, None, [0, 0, 0, 0, 0, 1]),
    ],
)
def test_a_rule_acts_so_often_after_so_many(after: int, times: int | None, expected: list[int]) -> None:
    rules: Rules[Call, Action] = Rules()
    rules.add(Match(kind="Pod"), DropBefore(), after=after, times=times)
    assert [int(action is not None) for action in acted(rules)] == expected


def test_what_does_not_match_does_not_count() -> None:
    rules: Rules[Call, Action] = Rules()
    rule = rules.add(Match(kind="Pod"), DropBefore(), after=1)
    assert rules.decide(STATUS) is None
    assert rules.decide(POD) is None
    assert rules.decide(STATUS) is None
    assert rules.decide(POD) is rule
    assert (rule.seen, rule.hits) == (2, 1)


def test_the_first_willing_rule_acts_and_the_others_count() -> None:
    rules: Rules[Call, Action] = Rules()
    rules.add(Match(), DropBefore())
    rules.add(Match(), Refuse(500), after=1, times=2)
    rules.add(Match(), Delay(1.0), times=None)
    assert acted(rules, 4) == [DropBefore(), Refuse(500), Refuse(500), Delay(1.0)]


def test_a_removed_rule_does_not_act() -> None:
    rules: Rules[Call, Action] = Rules()
    rule = rules.add(Match(), DropBefore(), times=None)
    rules.remove(rule)
    assert acted(rules, 1) == [None]
    rules.add(Match(), DropBefore(), times=None)
    rules.clear()
    assert acted(rules, 1) == [None]
    assert len(rules) == 0


TOPICS = "/apis/agentmemory.dev/v1alpha1"


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/namespaces/memory/pods/a-0", {}, Call("get", "Pod", "memory", "a-0")),
        ("GET", "/api/v1/namespaces/memory/pods", {}, Call("list", "Pod", "memory")),
        ("GET", "/api/v1/pods", {"watch": "true"}, Call("watch", "Pod")),
        ("GET", "/api/v1/pods", {"watch": "1"}, Call("watch", "Pod")),
        ("GET", "/api/v1/pods", {"watch": "false"}, Call("list", "Pod")),
        ("GET", "/api/v1/namespaces", {}, Call("list", "Namespace")),
        ("GET", "/api/v1/namespaces/memory", {}, Call("get", "Namespace", "", "memory")),
        ("PUT", "/api/v1/namespaces/memory/finalize", {}, Call("update", "Namespace", "", "memory", "finalize")),
        ("GET", f"{TOPICS}/topicfamilies", {}, Call("list", "TopicFamily")),
        ("DELETE", f"{TOPICS}/namespaces/t/topicfamilies/f", {}, Call("delete", "TopicFamily", "t", "f")),
        ("PUT", f"{TOPICS}/namespaces/t/topicfamilies/f/status", {}, Call("update", "TopicFamily", "t", "f", "status")),
        ("GET", "/apis/apps/v1/namespaces/x/deployments/y", {}, Call("get", "deployments", "x", "y")),
        ("GET", "/api/v1/namespaces/a%20b/pods/c", {}, Call("get", "Pod", "a b", "c")),
        ("GET", "/version", {}, Call("get", "")),
        ("GET", "/apis", {}, Call("get", "")),
        ("GET", "/api/v1", {}, Call("get", "")),
        ("GET", "/", {}, Call("get", "")),
    ],
)
def test_a_request_is_understood(method: str, path: str, query: dict[str, str], expected: Call) -> None:
    assert call_of(method, path, query) == expected


@pytest.mark.parametrize(
    ("content_type", "style"),
    [
        ("application/apply-patch+yaml", "apply"),
        ("application/merge-patch+json", "merge"),
        ("application/json-patch+json; charset=utf-8", "json"),
        ("application/strategic-merge-patch+json", "strategic"),
        ("text/plain", ""),
    ],
)
def test_the_style_of_a_patch(content_type: str, style: str) -> None:
    assert call_of("PATCH", "/api/v1/namespaces/x/pods/y", {}, content_type).style == style


@pytest.mark.parametrize(
    ("body", "name"),
    [(b'{"metadata": {"name": "p"}}', "p"), (b"{}", ""), (b"[]", ""), (b"\x00k8s", ""), (b'{"metadata": null}', "")],
)
def test_the_name_of_what_is_created(body: bytes, name: str) -> None:
    assert call_of("POST", "/api/v1/namespaces/x/pods", {}, "application/json", "", body).name == name


def test_counts_by_verb_kind_subresource_and_agent() -> None:
    counts = Counts()
    for call in (POD, STATUS, STATUS, Call("update", "Lease", agent="operator/1"), Call("get", "Pod", agent="user")):
        counts.add(call)
    assert counts.total() == 5
    assert counts.total(agent="operator") == 4
    assert counts.total(kind="TopicFamily", subresource="status") == 2
    assert counts.total(kind="TopicFamily", subresource="") == 0
    assert counts.writes() == 4
    assert counts.writes(but=("Lease",)) == 3
    assert counts.writes(but=("Lease",), agent="user") == 0
    assert counts.table() == {
        "patch TopicFamily/status operator/1": 2,
        "create Pod operator/1": 1,
        "update Lease operator/1": 1,
        "get Pod user": 1,
    }
    counts.clear()
    assert counts.total() == 0
