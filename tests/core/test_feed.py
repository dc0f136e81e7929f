"""The feed: events and lists into the store, and the proof that a watch is dead."""

from typing import Any

import pytest

from agentmemory.core.feed import PATIENCE, Feed
from agentmemory.core.key import Key
from agentmemory.core.metrics import Metrics
from agentmemory.core.store import Store

Object = dict[str, Any]
KEY = Key("Pod", "n", "a")


def pod(version: int, name: str = "a", uid: str = "u") -> Object:
    metadata = {"name": name, "namespace": "n", "uid": uid, "resourceVersion": str(version)}
    return {"kind": "Pod", "metadata": metadata}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def feed(metrics: Metrics) -> Feed:
    return Feed(Store(), metrics)


def test_events_fill_the_store(feed: Feed, metrics: Metrics) -> None:
    feed.event("Pod", None, pod(1))
    feed.event("Pod", "MODIFIED", pod(2))
    assert feed.store.get(KEY) == pod(2)
    feed.event("Pod", "DELETED", pod(3))
    assert feed.store.get(KEY) is None
    text = metrics.text().decode()
    for type_ in ("LISTED", "MODIFIED", "DELETED"):
        assert f'agentmemory_watch_events_total{{kind="Pod",type="{type_}"}} 1.0' in text


def test_an_object_without_kind_gets_its_streams(feed: Feed) -> None:
    bare = {"metadata": pod(1)["metadata"]}
    feed.event("Pod", "ADDED", bare)
    assert feed.store.get(KEY) == pod(1)


def test_a_delete_of_an_older_incarnation_is_ignored(feed: Feed) -> None:
    feed.event("Pod", "ADDED", pod(5, uid="new"))
    feed.event("Pod", "DELETED", pod(4, uid="old"))
    assert feed.store.get(KEY) is not None


def test_a_missed_delete_is_repaired_and_proves_nothing(feed: Feed, metrics: Metrics) -> None:
    feed.event("Pod", "ADDED", pod(1))
    assert feed.listed("Pod", [], "9", now=0) == [KEY]
    assert feed.store.get(KEY) is None
    assert feed.overdue(1e6, 20) == []
    assert 'agentmemory_resync_repairs_total{kind="Pod",what="vanished"} 1.0' in metrics.text().decode()


def test_a_change_that_the_watch_owes_proves_it_dead(feed: Feed, metrics: Metrics) -> None:
    feed.event("Pod", "ADDED", pod(1))
    assert feed.listed("Pod", [pod(2)], "9", now=100) == [KEY]
    assert feed.store.get(KEY) == pod(2)
    assert feed.overdue(100, 20) == []
    assert feed.overdue(120, 20) == []
    assert feed.overdue(120.1, 20) == [KEY]
    assert 'agentmemory_resync_repairs_total{kind="Pod",what="changed"} 1.0' in metrics.text().decode()


def test_a_watch_that_never_said_anything_is_dead_too(feed: Feed) -> None:
    feed.listed("Pod", [pod(2)], "9", now=100)
    assert feed.overdue(119, 20) == []
    assert feed.overdue(121, 20) == [KEY]


@pytest.mark.parametrize(("type_", "version"), [("MODIFIED", 2), ("MODIFIED", 3), ("DELETED", 4)])
def test_a_late_watch_pays_its_debt(feed: Feed, type_: str, version: int) -> None:
    feed.listed("Pod", [pod(2)], "9", now=0)
    feed.event("Pod", type_, pod(version))
    assert feed.overdue(1e6, 20) == []


def test_older_news_pay_nothing(feed: Feed) -> None:
    feed.listed("Pod", [pod(2)], "9", now=0)
    feed.event("Pod", "MODIFIED", pod(1))
    feed.overdue(0, 20)
    assert feed.overdue(1e6, 20) == [KEY]


def test_a_slow_watch_is_given_more_time_than_a_silent_one(feed: Feed) -> None:
    feed.listed("Pod", [pod(2)], "9", now=0)
    for second in range(0, PATIENCE * 20 + 1, 5):
        feed.event("Pod", None, pod(1, name=f"other-{second}", uid=str(second)))
        assert feed.overdue(second, 20) == []
    assert feed.overdue(PATIENCE * 20 + 1, 20) == [KEY]


def test_a_second_list_does_not_renew_the_debt(feed: Feed) -> None:
    feed.listed("Pod", [pod(2)], "9", now=0)
    feed.listed("Pod", [pod(3)], "10", now=15)
    assert feed.overdue(21, 20) == [KEY]


def test_what_vanished_is_owed_no_more(feed: Feed) -> None:
    feed.listed("Pod", [pod(2)], "9", now=0)
    feed.listed("Pod", [], "10", now=5)
    assert feed.overdue(1e6, 20) == []


def test_versions_of_a_foreign_form_are_not_owed(feed: Feed) -> None:
    odd = pod(1)
    odd["metadata"]["resourceVersion"] = "abc"
    feed.listed("Pod", [odd], "9", now=0)
    assert feed.overdue(1e6, 20) == []


def test_news_of_a_foreign_form_pay_any_debt(feed: Feed) -> None:
    feed.listed("Pod", [pod(2)], "9", now=0)
    odd = pod(1)
    odd["metadata"]["resourceVersion"] = "abc"
    feed.event("Pod", "MODIFIED", odd)
    assert feed.overdue(1e6, 20) == []
