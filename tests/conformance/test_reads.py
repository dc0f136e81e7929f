"""LIST and WATCH: pages of one snapshot, selectors, versions, bookmarks, 410."""

import base64
import json

import pytest

from tests.conformance.api import Api, config_map, pool

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
FUTURE = "99999999"


def some(api: Api, count: int = 5) -> None:
    for at in range(count):
        api.create(pool(f"p{at}", labels={"even": str(at % 2 == 0).lower(), "at": str(at)}))


# --- list ---


def test_a_list_is_sorted_and_has_a_version(api: Api) -> None:
    newest = max(api.create(pool(name)).version for name in ("b", "a", "c"))
    listed = api.list("BrokerPool")
    assert [item["metadata"]["name"] for item in listed.body["items"]] == ["a", "b", "c"]
    assert listed.body["kind"] == "BrokerPoolList"
    assert listed.version >= newest
    assert all(item["kind"] == "BrokerPool" for item in listed.body["items"])


def test_items_of_built_in_kinds_do_not_say_what_they_are(api: Api) -> None:
    api.create(config_map())
    listed = api.list("ConfigMap").body
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert not [item for item in listed["items"] if "kind" in item or "apiVersion" in item]


def test_pages_are_of_one_snapshot(api: Api) -> None:
    some(api)
    first = api.list("BrokerPool", limit="2")
    assert first.body["metadata"]["remainingItemCount"] == 3
    token = first.body["metadata"]["continue"]
    api.delete("BrokerPool", "p3")
    api.create(pool("p2b"))
    api.patch("BrokerPool", "p4", {"spec": {"replicas": 9}})
    second = api.list("BrokerPool", **{"limit": "2", "continue": token})
    assert [item["metadata"]["name"] for item in second.body["items"]] == ["p2", "p3"]
    assert second.version == first.version
    again = api.list("BrokerPool", **{"limit": "2", "continue": token})
    assert again.body["items"] == second.body["items"], "a page whose answer was lost can be had again"
    third = api.list("BrokerPool", **{"continue": second.body["metadata"]["continue"]})
    assert [item["spec"]["replicas"] for item in third.body["items"]] == [3]
    assert not third.body["metadata"].get("continue")


def test_the_rest_of_a_selection_is_not_counted(api: Api) -> None:
    some(api)
    page = api.list("BrokerPool", limit="1", labelSelector="even=true").body["metadata"]
    assert page["continue"]
    assert "remainingItemCount" not in page


def test_a_continue_token_that_is_none(api: Api) -> None:
    assert api.list("BrokerPool", expect=400, **{"continue": "garbage"}).reason == "BadRequest"


def test_an_expired_continue_token(api: Api) -> None:
    some(api, 3)
    token = api.list("BrokerPool", limit="1").body["metadata"]["continue"]
    api.patch("BrokerPool", "p0", {"spec": {"replicas": 9}})
    api.server.compact()
    read = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    # As if it had been made long ago: the real one keeps snapshots in memory for a while.
    old = base64.urlsafe_b64encode(json.dumps(read | {"rv": 2}).encode()).decode().rstrip("=")
    answer = api.list("BrokerPool", expect=410, **{"limit": "1", "continue": old})
    assert answer.reason == "Expired"


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("even=true", ["p0", "p2"]),
        ("even==true,at=2", ["p2"]),
        ("even!=true", ["p1", "p3"]),
        ("at in (1, 2)", ["p1", "p2"]),
        ("at notin (1,2),even", ["p0", "p3"]),
        ("!even", []),
    ],
)
def test_label_selectors(api: Api, selector: str, expected: list[str]) -> None:
    some(api, 4)
    assert api.names("BrokerPool", labelSelector=selector) == expected


def test_field_selectors(api: Api) -> None:
    some(api, 3)
    assert api.names("BrokerPool", fieldSelector="metadata.name=p1") == ["p1"]
    assert api.list("BrokerPool", fieldSelector="spec.replicas=1", expect=400).reason == "BadRequest"


def test_a_selector_that_is_none(api: Api) -> None:
    assert api.list("BrokerPool", labelSelector="a===b", expect=400).reason == "BadRequest"


def test_a_version_that_is_not_there_yet(api: Api) -> None:
    answer = api.list("BrokerPool", resourceVersion=FUTURE, resourceVersionMatch="NotOlderThan", expect=504)
    assert answer.reason == "Timeout"
    assert answer.causes == [("ResourceVersionTooLarge", "")]
    assert api.list("BrokerPool", resourceVersion="abc", expect=400).reason == "BadRequest"


def test_a_get_of_a_version(api: Api) -> None:
    version = api.create(pool()).version
    path = api.path("BrokerPool", "p")
    assert api.call("GET", path, query={"resourceVersion": str(version)}, expect=200).version == version
    assert api.call("GET", path, query={"resourceVersion": "abc"}, expect=500).reason == ""


def test_version_zero_is_any(api: Api) -> None:
    made = api.create(pool()).version
    api.until("the cache to have it", lambda: api.names("BrokerPool", resourceVersion="0") == ["p"])
    assert api.list("BrokerPool", resourceVersion=str(made)).version >= made


# --- watch ---


def test_a_watch_goes_on_from_its_version(api: Api) -> None:
    start = api.create(config_map("before")).body["metadata"]["resourceVersion"]
    api.create(config_map("c", a="1"))
    api.patch("ConfigMap", "c", {"data": {"a": "2"}})
    api.delete("ConfigMap", "c")
    with api.watch("ConfigMap", resourceVersion=start, fieldSelector="metadata.name=c") as events:
        seen = [events.next() for _ in range(3)]
    assert [type_ for type_, _ in seen] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in seen]
    assert versions == sorted(set(versions))
    assert int(start) < versions[0]
    assert seen[2][1]["data"] == {"a": "2"}
    assert (seen[0][1]["kind"], seen[0][1]["apiVersion"]) == ("ConfigMap", "v1")


def test_a_watch_sees_what_comes(api: Api) -> None:
    start = api.list("BrokerPool").body["metadata"]["resourceVersion"]
    with api.watch("BrokerPool", resourceVersion=start) as events:
        api.create(pool())
        assert events.take(1) == [("ADDED", "p")]
        api.patch("BrokerPool", "p", {"status": {"replicas": 1}}, "status")
        type_, obj = events.next()
        assert (type_, obj["status"]["replicas"]) == ("MODIFIED", 1)
        api.patch("BrokerPool", "p", {"status": {"replicas": 1}}, "status")
        api.delete("BrokerPool", "p")
        assert events.take(1) == [("DELETED", "p")], "what changes nothing makes no event"


def test_a_selector_sees_objects_come_and_go(api: Api) -> None:
    start = api.list("ConfigMap").body["metadata"]["resourceVersion"]
    api.create(config_map("x"))
    api.patch("ConfigMap", "x", {"metadata": {"labels": {"ours": "yes"}}})
    api.patch("ConfigMap", "x", {"data": {"a": "1"}})
    left = api.patch("ConfigMap", "x", {"metadata": {"labels": {"ours": None}}, "data": {"a": "2"}})
    api.patch("ConfigMap", "x", {"data": {"a": "3"}})
    api.create(config_map("y", {"ours": "yes"}))
    with api.watch("ConfigMap", resourceVersion=start, labelSelector="ours=yes") as events:
        seen = [events.next() for _ in range(4)]
    told = [(type_, obj["metadata"]["name"]) for type_, obj in seen]
    assert told == [("ADDED", "x"), ("MODIFIED", "x"), ("DELETED", "x"), ("ADDED", "y")]
    gone = seen[2][1]
    assert gone["data"] == {"a": "1"}, "as it was when the selector saw it last"
    assert gone["metadata"]["labels"] == {"ours": "yes"}
    assert int(gone["metadata"]["resourceVersion"]) == left.version


def test_the_end_of_a_held_object_is_one_event(api: Api) -> None:
    start = api.list("BrokerPool").body["metadata"]["resourceVersion"]
    api.create(pool(finalizers=["agentmemory.dev/cleanup"]))
    held = api.delete("BrokerPool", "p")
    api.patch("BrokerPool", "p", {"metadata": {"finalizers": None}})
    with api.watch("BrokerPool", resourceVersion=start) as events:
        seen = [events.next() for _ in range(3)]
    assert [type_ for type_, _ in seen] == ["ADDED", "MODIFIED", "DELETED"]
    assert int(seen[1][1]["metadata"]["resourceVersion"]) == held.version
    assert int(seen[2][1]["metadata"]["resourceVersion"]) > held.version


def test_a_watch_without_a_version_tells_what_there_is(api: Api) -> None:
    some(api, 2)
    with api.watch("BrokerPool") as events:
        assert sorted(events.take(2)) == [("ADDED", "p0"), ("ADDED", "p1")]
        api.create(pool("late"))
        assert events.take(1) == [("ADDED", "late")]


def test_initial_events_end_with_a_bookmark(api: Api) -> None:
    some(api, 2)
    newest = api.create(pool("last")).version
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    with api.watch("BrokerPool", **query) as events:
        assert sorted(events.take(3)) == [("ADDED", "last"), ("ADDED", "p0"), ("ADDED", "p1")]
        type_, obj = events.next()
        assert type_ == "BOOKMARK"
        assert obj["metadata"]["annotations"] == {INITIAL_EVENTS_END: "true"}
        assert (obj["kind"], obj["apiVersion"]) == ("BrokerPool", "agentmemory.dev/v1alpha1")
        assert int(obj["metadata"]["resourceVersion"]) >= newest
        api.create(pool("late"))
        assert events.take(1) == [("ADDED", "late")]


def test_initial_events_need_a_match(api: Api) -> None:
    with api.watch("BrokerPool", sendInitialEvents="true") as events:
        assert events.code == 422


def test_a_watch_ends_at_its_time(api: Api) -> None:
    start = api.create(pool()).body["metadata"]["resourceVersion"]
    with api.watch("BrokerPool", seconds=1, resourceVersion=start) as events:
        assert list(events) == []


def test_a_watch_from_a_forgotten_version(api: Api) -> None:
    api.create(pool())
    api.server.compact()
    with api.watch("BrokerPool", resourceVersion="1") as events:
        assert events.code == 200
        type_, told = events.next()
    assert type_ == "ERROR"
    assert (told["code"], told["reason"]) == (410, "Expired")
    assert "too old resource version: 1" in told["message"]


def test_a_watch_over_all_namespaces(api: Api) -> None:
    start = api.create(config_map("other")).body["metadata"]["resourceVersion"]
    made = api.create(pool()).body["metadata"]
    path = "/apis/agentmemory.dev/v1alpha1/brokerpools"
    query = {"watch": "true", "resourceVersion": start, "timeoutSeconds": "2"}
    lines = api.call("GET", path, query=query, expect=200).text.splitlines()
    assert made["uid"] in {json.loads(line)["object"]["metadata"].get("uid") for line in lines}
