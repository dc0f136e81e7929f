"""The store: newest wins, echoes are no news, late news of the dead are ignored."""

from typing import Any

import pytest

from agentmemory.core import store as store_module
from agentmemory.core.key import Key
from agentmemory.core.store import LAST_APPLIED, Store, trim

Object = dict[str, Any]


def obj(name: str = "a", version: str = "5", uid: str = "u1", namespace: str = "n", **metadata: Any) -> Object:
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": version, **metadata},
    }


KEY = Key("Pod", "n", "a")


class Changes(list[tuple[Object | None, Object | None]]):
    """A listener that remembers."""

    def __call__(self, new: Object | None, previous: Object | None) -> None:
        self.append((new, previous))


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
def store(changes: Changes) -> Store:
    made = Store()
    made.listen(changes)
    return made


def test_put_and_get(store: Store, changes: Changes) -> None:
    assert store.get(KEY) is None
    assert store.put(obj())
    assert store.get(KEY) == obj()
    assert changes == [(obj(), None)]


def test_an_echo_is_no_news(store: Store, changes: Changes) -> None:
    store.put(obj())
    assert not store.put(obj())
    assert len(changes) == 1


@pytest.mark.parametrize(("version", "news"), [("4", False), ("5", False), ("6", True), ("10", True)])
def test_the_newer_version_wins_as_a_number(store: Store, version: str, news: bool) -> None:
    store.put(obj())
    assert store.put(obj(version=version)) is news
    found = store.get(KEY)
    assert found is not None
    assert found["metadata"]["resourceVersion"] == (version if news else "5")


@pytest.mark.parametrize(("known", "new"), [("abc", "abd"), ("5", "abd"), ("abc", "5")])
def test_versions_of_a_foreign_form_are_compared_for_equality(store: Store, known: str, new: str) -> None:
    store.put(obj(version=known))
    assert not store.put(obj(version=known))
    assert store.put(obj(version=new))


def test_a_recreated_object_takes_the_place(store: Store, changes: Changes) -> None:
    store.put(obj())
    assert store.put(obj(uid="u2", version="9"))
    assert changes[-1] == (obj(uid="u2", version="9"), obj())


def test_drop(store: Store, changes: Changes) -> None:
    store.put(obj())
    assert store.drop(KEY)
    assert store.get(KEY) is None
    assert changes[-1] == (None, obj())
    assert not store.drop(KEY)
    assert len(changes) == 2


def test_drop_of_another_incarnation_is_ignored(store: Store) -> None:
    store.put(obj(uid="u2", version="9"))
    assert not store.drop(KEY, "u1")
    assert store.get(KEY) is not None
    assert store.drop(KEY, "u2")


def test_late_news_of_a_dropped_object_are_ignored(store: Store) -> None:
    store.put(obj())
    store.drop(KEY, "u1")
    assert not store.put(obj(version="7"))
    assert store.get(KEY) is None
    assert store.put(obj(uid="u2", version="8"))


def test_a_drop_before_the_first_put_is_remembered(store: Store) -> None:
    assert not store.drop(KEY, "u1")
    assert not store.put(obj())


def test_an_object_without_uid_can_be_dropped(store: Store) -> None:
    bare = {"kind": "Pod", "metadata": {"name": "a", "namespace": "n", "resourceVersion": "1"}}
    store.put(bare)
    assert store.drop(KEY)
    assert store.put(bare)


def test_the_memory_of_the_dead_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "REMEMBERED_UIDS", 2)
    for uid in ("u1", "u2", "u3"):
        store.drop(KEY, uid)
    assert store.put(obj(uid="u1"))
    assert not store.put(obj(uid="u3", version="9"))


def test_list_by_kind_and_namespace(store: Store) -> None:
    for name, namespace in (("a", "n"), ("b", "n"), ("a", "m")):
        store.put(obj(name, uid=f"{namespace}{name}", namespace=namespace))
    assert [one["metadata"]["name"] for one in store.list("Pod", "n")] == ["a", "b"]
    assert len(store.list("Pod")) == 3
    assert store.list("Pod", "other") == []
    assert store.list("Service") == []
    store.drop(Key("Pod", "m", "a"))
    assert store.list("Pod", "m") == []


def test_replace_tells_what_changed_and_what_vanished(store: Store) -> None:
    for name in ("same", "old", "gone"):
        store.put(obj(name, uid=name))
    listed = [obj("same", uid="same"), obj("old", "6", uid="old"), obj("new", "7", uid="new")]
    keys = store.replace("Pod", listed, version="9")
    assert sorted(key.name for key in keys) == ["gone", "new", "old"]
    assert sorted(one["metadata"]["name"] for one in store.list("Pod")) == ["new", "old", "same"]


def test_replace_leaves_what_is_newer_than_the_list(store: Store) -> None:
    store.put(obj("newer", "12", uid="newer"))
    store.put(obj("foreign", "x", uid="foreign"))
    assert [key.name for key in store.replace("Pod", [], version="9")] == ["foreign"]
    assert store.get(Key("Pod", "n", "newer")) is not None
    store.replace("Pod", [])
    assert store.get(Key("Pod", "n", "newer")) is None


def test_replace_of_one_namespace_leaves_the_others_and_syncs_nothing(store: Store) -> None:
    store.put(obj(uid="n"))
    store.put(obj(uid="m", namespace="m"))
    assert [key.namespace for key in store.replace("Pod", [], "n")] == ["n"]
    assert not store.synced("Pod")
    store.replace("Pod", [])
    assert store.synced("Pod")
    assert not store.synced("Service")


def test_nothing_of_bookkeeping_is_kept() -> None:
    annotations = {LAST_APPLIED: "{}", "mine": "1"}
    trimmed = trim(obj(managedFields=[{}], annotations=annotations))
    assert trimmed == obj(annotations={"mine": "1"})
    assert trim(obj(annotations={LAST_APPLIED: "{}"})) == obj()
    plain = obj(annotations={"mine": "1"})
    assert trim(plain) == plain
    assert trim(obj(annotations=None)) == obj(annotations=None)


def test_what_a_change_left_alone_is_kept_once() -> None:
    before = trim({**obj(labels={"a": "b"}), "spec": {"topics": [{"name": "x"}]}, "status": {"ready": False}})
    changed = {**obj(labels={"a": "b"}), "spec": {"topics": [{"name": "x"}]}, "status": {"ready": True}}
    after = trim(changed, before)
    assert after == changed
    assert after["spec"] is before["spec"]
    assert after["metadata"]["labels"] is before["metadata"]["labels"]
    assert after["status"] == {"ready": True}
    assert "spec" not in trim(obj(), before)
