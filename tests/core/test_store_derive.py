"""What is made of an object is made once, until the object changes; and objects share what is equal in them."""

import gc
import weakref
from typing import Any

import pytest

from agentmemory.core import store as store_module
from agentmemory.core.key import Key
from agentmemory.core.store import LAST_APPLIED, Store, trim, version_of

Object = dict[str, Any]
KEY = Key("Pod", "n", "a")


def obj(version: str = "5", uid: str = "u1", **metadata: Any) -> Object:
    return {
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "n", "uid": uid, "resourceVersion": version, **metadata},
    }


@pytest.fixture
def store() -> Store:
    return Store()


class Maker:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, one: Object) -> str:
        self.seen.append(one["metadata"]["resourceVersion"])
        return f"made of {self.seen[-1]}"


def test_nothing_is_made_of_nothing(store: Store) -> None:
    make = Maker()
    assert store.derive(KEY, make) is None
    assert make.seen == []


def test_it_is_made_once_for_each_change(store: Store) -> None:
    make = Maker()
    store.put(obj())
    assert [store.derive(KEY, make) for _ in range(3)] == ["made of 5"] * 3
    store.put(obj("6"))
    assert [store.derive(KEY, make) for _ in range(3)] == ["made of 6"] * 3
    assert make.seen == ["5", "6"]


def test_two_makers_and_two_objects_do_not_meet(store: Store) -> None:
    one, other = Maker(), Maker()
    store.put(obj())
    store.put({"kind": "Node", "metadata": {"name": "a", "resourceVersion": "7"}})
    assert store.derive(KEY, one) == "made of 5"
    assert store.derive(KEY, other) == "made of 5"
    assert store.derive(Key("Node", "", "a"), one) == "made of 7"
    assert store.derive(KEY, one) == "made of 5"
    assert (one.seen, other.seen) == (["5", "7"], ["5"])


def test_what_is_made_of_a_vanished_object_is_not_given_again(store: Store) -> None:
    make = Maker()
    store.put(obj())
    store.derive(KEY, make)
    store.drop(KEY)
    assert store.derive(KEY, make) is None
    store.put(obj("5", uid="u2"))
    assert store.derive(KEY, make) == "made of 5"
    assert make.seen == ["5", "5"]


def test_what_cannot_be_made_is_tried_again(store: Store) -> None:
    results: list[Any] = [ValueError("odd"), "good"]

    def make(one: Object) -> str:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return str(result)

    store.put(obj())
    with pytest.raises(ValueError, match="odd"):
        store.derive(KEY, make)
    assert store.derive(KEY, make) == "good"
    assert results == []


def text(*parts: str) -> str:
    """A string of its own, as a parser makes it."""
    return "".join(parts)


def test_equal_texts_are_kept_once() -> None:
    first, second = (
        trim({"kind": "Pod", "metadata": {"name": text("a", "-b"), "labels": [{text("k", "-1"): text("a", "-b")}]}})
        for _ in range(2)
    )
    assert first == {"kind": "Pod", "metadata": {"name": "a-b", "labels": [{"k-1": "a-b"}]}}
    assert first["metadata"]["name"] is second["metadata"]["name"]
    (one,), (other,) = first["metadata"]["labels"], second["metadata"]["labels"]
    assert one["k-1"] is other["k-1"]
    assert next(iter(one)) is next(iter(other))


def test_what_is_no_text_stays_as_it_is() -> None:
    odd = obj() | {"spec": {"n": 3, "on": True, "none": None, "list": [1, "a", ["b", {"c": 2.5}]], "empty": {}}}
    assert trim(odd) == odd


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ({"managedFields": [{}]}, {}),
        ({"managedFields": [{}], "annotations": {}}, {}),
        ({"managedFields": [{}], "annotations": None}, {}),
        ({"managedFields": [{}], "annotations": {"mine": "1"}}, {"annotations": {"mine": "1"}}),
        (
            {"annotations": {LAST_APPLIED: "{}", "mine": "1"}, "labels": {"a": "b"}},
            {"annotations": {"mine": "1"}, "labels": {"a": "b"}},
        ),
    ],
)
def test_bookkeeping_goes_and_nothing_else(metadata: Object, kept: Object) -> None:
    given = obj(**metadata)
    assert trim(given) == obj(**kept)
    assert given == obj(**metadata), "the caller's object must stay as it is"


@pytest.mark.parametrize(
    ("metadata", "version"), [({}, None), ({"resourceVersion": "x1"}, None), ({"resourceVersion": "12"}, 12)]
)
def test_a_version_is_a_number_or_unknown(metadata: Object, version: int | None) -> None:
    assert version_of(metadata) == version


def test_late_news_of_an_object_dropped_without_its_uid_are_ignored(store: Store) -> None:
    store.put(obj())
    assert store.drop(KEY)
    assert not store.put(obj("7"))
    assert store.put(obj("8", uid="u2"))


def test_what_is_as_old_as_the_list_and_not_in_it_is_gone(store: Store) -> None:
    store.put(obj("9"))
    assert store.replace("Pod", [], version="9") == [KEY]
    assert not store.put(obj("10")), "this incarnation is known to be gone"


def test_a_kind_that_nobody_saw_has_no_objects_in_any_namespace(store: Store) -> None:
    assert store.list("Service", "n") == []


class Made:
    """Something large that was made of an object."""


def test_what_was_made_of_a_vanished_object_is_let_go(store: Store) -> None:
    store.put(obj())
    made = weakref.ref(store.derive(KEY, lambda one: Made()))
    gc.collect()
    assert made() is not None
    store.drop(KEY)
    gc.collect()
    assert made() is None


def test_the_memory_of_the_dead_holds_as_many_as_it_says(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "REMEMBERED_UIDS", 2)
    for uid in ("u1", "u2", "u3"):
        store.drop(KEY, uid)
    assert [store.put(obj("9", uid=uid)) for uid in ("u3", "u2", "u1")] == [False, False, True]


def test_what_was_told_holds_for_one_state_of_one_object(store: Store) -> None:
    def now(key: Key = KEY) -> Object:
        found = store.get(key)
        assert found is not None
        return found

    store.put(obj())
    assert not store.was_told(now(), "x")
    assert not store.was_told(now(), "")
    store.tell(now(), "x")
    assert store.was_told(now(), "x")
    assert not store.was_told(now(), "y")
    store.tell(now(), "y")
    assert [store.was_told(now(), what) for what in ("x", "y")] == [False, True]
    store.put(obj("6"))
    assert not store.was_told(now(), "y"), "it has changed since"
    store.tell(now(), "y")
    store.put({"kind": "Pod", "metadata": {"name": "b", "namespace": "n", "resourceVersion": "7"}})
    assert not store.was_told(now(KEY._replace(name="b")), "y")
    assert store.was_told(now(), "y")
