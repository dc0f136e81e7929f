"""From changes to keys: who is asked, who is queued, how urgently, and who not."""

from collections.abc import Iterable
from typing import Any

import pytest
from structlog.testing import capture_logs

from agentmemory.core.key import Key, key_of
from agentmemory.core.metrics import Metrics
from agentmemory.core.outcome import Done, Outcome
from agentmemory.core.queue import KeyedQueue, Priority
from agentmemory.core.router import CURRENT, Router
from agentmemory.core.store import Store
from tests.fakekube.clock import FakeClock

Object = dict[str, Any]


class Owner:
    """Owns every Pod by its label."""

    kind = "BrokerPool"

    def owners(self, obj: Object) -> Iterable[Key]:
        if obj["kind"] == "Pod":
            yield Key("BrokerPool", obj["metadata"]["namespace"], obj["metadata"]["labels"]["pool"])

    async def reconcile(self, key: Key) -> Outcome:
        return Done()


class Recorder(KeyedQueue):
    """Remembers the adds."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.adds: dict[str, Priority] = {}

    def add(self, key: Key, priority: Priority = Priority.USER, after: float = 0.0) -> None:
        self.adds[key.name] = priority


def pod(pool: str = "p", version: int = 1, **metadata: Any) -> Object:
    metadata = {"name": "x", "namespace": "n", "labels": {"pool": pool}, "resourceVersion": str(version), **metadata}
    return {"kind": "Pod", "metadata": metadata}


def pool(version: int = 1, generation: int = 1, **metadata: Any) -> Object:
    metadata = {"name": "p", "namespace": "n", "generation": generation, "resourceVersion": str(version), **metadata}
    return {"kind": "BrokerPool", "metadata": metadata}


@pytest.fixture
def queue() -> Recorder:
    return Recorder()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def store(queue: Recorder, metrics: Metrics) -> Store:
    made = Store()
    made.listen(Router(made, queue, {"BrokerPool": Owner()}, metrics))
    made.mark_synced("Pod")
    made.mark_synced("BrokerPool")
    return made


def test_a_child_wakes_its_owner_patiently(store: Store, queue: Recorder) -> None:
    store.put(pod())
    assert queue.adds == {"p": Priority.CHILD}


def test_a_child_that_changes_hands_wakes_both(store: Store, queue: Recorder) -> None:
    store.put(pod("p"))
    store.put(pod("q", version=2))
    assert set(queue.adds) == {"p", "q"}


def test_a_child_that_goes_wakes_its_owner(store: Store, queue: Recorder) -> None:
    store.put(pod())
    queue.adds.clear()
    store.drop(Key("Pod", "n", "x"))
    assert queue.adds == {"p": Priority.CHILD}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"generation": 2}, Priority.USER),
        ({"annotations": {"agentmemory.dev/reconcile-at": "now"}}, Priority.USER),
        ({"labels": {"a": "b"}}, Priority.USER),
        ({"deletionTimestamp": "now"}, Priority.USER),
        ({}, Priority.CHILD),
    ],
)
def test_what_a_user_did_is_urgent(store: Store, queue: Recorder, change: Object, expected: Priority) -> None:
    store.put(pool())
    assert queue.adds.pop("p") == Priority.USER
    store.put(pool(version=2, **change))
    assert queue.adds == {"p": expected}


def test_what_exists_at_the_start_is_not_urgent(queue: Recorder) -> None:
    store = Store()
    store.listen(Router(store, queue, {"BrokerPool": Owner()}))
    store.put(pool())
    assert queue.adds == {"p": Priority.RESYNC}


def test_a_kind_without_reconciler_wakes_nobody_by_itself(store: Store, queue: Recorder) -> None:
    store.put({"kind": "Service", "metadata": {"name": "s", "namespace": "n", "resourceVersion": "1"}})
    assert queue.adds == {}


def test_own_writes_do_not_wake_their_writer_but_everybody_else(queue: Recorder) -> None:
    class Other(Owner):
        kind = "MemoryCluster"

        def owners(self, obj: Object) -> Iterable[Key]:
            return [Key("MemoryCluster", "n", "c")]

    store = Store()
    store.listen(Router(store, queue, {"BrokerPool": Owner(), "MemoryCluster": Other()}))
    token = CURRENT.set(Key("BrokerPool", "n", "p"))
    try:
        store.put(pool())
        store.put(pod())
    finally:
        CURRENT.reset(token)
    assert set(queue.adds) == {"c"}


def test_an_odd_object_is_told_and_stops_nobody(store: Store, queue: Recorder, metrics: Metrics) -> None:
    odd = pod()
    del odd["metadata"]["labels"]
    with capture_logs() as logs:
        assert store.put(odd)
        store.put(pool())
    assert [entry["object"] for entry in logs] == ["Pod/n/x"]
    assert set(queue.adds) == {"p"}
    assert 'agentmemory_owner_errors_total{kind="Pod"} 1.0' in metrics.text().decode()


def test_an_echo_that_comes_before_its_answer_does_not_wake_its_writer(queue: Recorder) -> None:
    class Other(Owner):
        kind = "MemoryCluster"

        def owners(self, obj: Object) -> Iterable[Key]:
            return [Key("MemoryCluster", "n", "c")]

    store = Store()
    store.listen(Router(store, queue, {"BrokerPool": Owner(), "MemoryCluster": Other()}))
    store.put(pool())
    queue.adds.clear()
    ours = Key("BrokerPool", "n", "p")
    with store.expecting(ours, lambda seen: seen.get("status") == {"ready": True}):
        store.put({**pool(version=2), "status": {"ready": True}})  # in the watch's task: nobody's key is current
    assert set(queue.adds) == {"c"}
    queue.adds.clear()
    store.put({**pool(version=3), "status": {"ready": True}})
    assert set(queue.adds) == {"c", "p"}, "the write has ended: this is somebody else's"


def test_while_a_write_is_under_way_what_is_no_echo_is_news(store: Store, queue: Recorder) -> None:
    store.put(pool())
    queue.adds.clear()
    with store.expecting(Key("BrokerPool", "n", "p"), lambda seen: seen.get("status") == {"ready": True}):
        store.put(pool(version=2, generation=2))
        assert queue.adds == {"p": Priority.USER}
        queue.adds.clear()
        store.put(pod("q", version=3))
        assert queue.adds == {"q": Priority.CHILD}, "nobody said what to expect of this object"


def test_a_write_that_failed_expects_nothing_any_more(store: Store, queue: Recorder) -> None:
    ours = Key("BrokerPool", "n", "p")
    with pytest.raises(ValueError, match="refused"), store.expecting(ours, lambda seen: True):
        raise ValueError("refused")
    assert store.written_by(pool()) is None
    store.put(pool())
    assert set(queue.adds) == {"p"}


def test_the_echo_of_a_child_wakes_everybody_but_its_writer_and_once() -> None:
    store = Store()
    with store.expecting(key_of(pool()), lambda _: True, Key("MemoryCluster", "n", "writer")):
        assert store.written_by(pool()) == Key("MemoryCluster", "n", "writer")
        assert store.written_by(pool()) is None
    assert store.written_by(pool()) is None


def test_what_finds_itself_gone_is_looked_at_once_more(store: Store, queue: Recorder) -> None:
    """A status write that finds the object gone takes it from the store; what was made for it has still to go."""
    store.put(pool())
    queue.adds.clear()
    token = CURRENT.set(Key("BrokerPool", "n", "p"))
    try:
        store.drop(Key("BrokerPool", "n", "p"))
    finally:
        CURRENT.reset(token)
    assert [*queue.adds] == ["p"]
