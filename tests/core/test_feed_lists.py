"""The feed and the resync's lists: what they leave alone, what they count, and when silence begins."""

from typing import Any

import pytest

from agentmemory.core.feed import Feed
from agentmemory.core.key import Key
from agentmemory.core.metrics import Metrics
from agentmemory.core.store import Store

Object = dict[str, Any]


def pod(version: int, name: str = "a", namespace: str = "n") -> Object:
    metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}", "resourceVersion": str(version)}
    return {"kind": "Pod", "metadata": metadata}


def key(name: str = "a", namespace: str = "n") -> Key:
    return Key("Pod", namespace, name)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def feed(metrics: Metrics) -> Feed:
    return Feed(Store(), metrics)


def test_a_list_of_one_namespace_says_nothing_of_another(feed: Feed) -> None:
    feed.event("Pod", "ADDED", pod(1))
    feed.event("Pod", "ADDED", pod(2, namespace="m"))
    assert feed.listed("Pod", [], "9", now=0, namespace="n") == [key()]
    assert feed.store.get(key(namespace="m")) is not None
    assert not feed.store.synced("Pod")


def test_a_list_that_is_older_than_an_object_does_not_remove_it(feed: Feed) -> None:
    feed.event("Pod", "ADDED", pod(10))
    assert feed.listed("Pod", [], "9", now=0) == []
    assert feed.store.get(key()) is not None
    assert feed.store.synced("Pod")


def test_every_repair_is_counted(feed: Feed, metrics: Metrics) -> None:
    for name in ("a", "b", "c", "d"):
        feed.event("Pod", "ADDED", pod(1, name))
    assert feed.overdue(0, 20) == []
    feed.listed("Pod", [pod(2, "a"), pod(3, "b")], "9", now=0)
    text = metrics.text().decode()
    for what in ("changed", "vanished"):
        assert f'agentmemory_resync_repairs_total{{kind="Pod",what="{what}"}} 2.0' in text
    assert sorted(feed.overdue(100, 20)) == [key("a"), key("b")]


def test_silence_begins_with_the_last_event_that_came(feed: Feed) -> None:
    feed.listed("Pod", [pod(2)], "9", now=100)
    assert feed.overdue(105, 20) == []
    feed.event("Pod", "ADDED", pod(3, "other"))
    assert feed.overdue(119, 20) == []  # it looks, and sees that one came
    assert feed.overdue(139, 20) == []
    assert feed.overdue(139.1, 20) == [key()]


def test_events_of_another_kind_do_not_break_the_silence(feed: Feed) -> None:
    feed.listed("Pod", [pod(2)], "9", now=100)
    feed.event("Node", "ADDED", {"metadata": {"name": "x", "uid": "x", "resourceVersion": "3"}})
    assert feed.overdue(119, 20) == []
    assert feed.overdue(121, 20) == [key()]
