"""Server-side apply: create, own, give up, conflict, force."""

from tests.conformance.api import APPLY, NO_UID, Api, config_map, pool


def data(api: Api) -> dict[str, str]:
    found: dict[str, str] = api.get("ConfigMap", "c").body.get("data", {})
    return found


def test_it_creates(api: Api) -> None:
    api.apply(config_map(a="1"), "one", expect=201)
    assert data(api) == {"a": "1"}


def test_again_it_changes_nothing(api: Api) -> None:
    made = api.apply(config_map(a="1"), "one", expect=201)
    assert api.apply(config_map(a="1"), "one").version == made.version


def test_what_is_applied_no_more_goes(api: Api) -> None:
    api.apply(config_map(a="1", b="2"), "one", expect=201)
    api.patch("ConfigMap", "c", {"data": {"theirs": "x"}, "metadata": {"labels": {"theirs": "x"}}})
    applied = api.apply(config_map(a="1"), "one").body
    assert applied["data"] == {"a": "1", "theirs": "x"}
    assert applied["metadata"]["labels"] == {"theirs": "x"}


def test_a_second_managers_other_value_is_a_conflict(api: Api) -> None:
    api.apply(config_map(a="1"), "one", expect=201)
    answer = api.apply(config_map(a="2"), "two", expect=409)
    assert answer.reason == "Conflict"
    assert answer.causes == [("FieldManagerConflict", ".data.a")]
    assert answer.body["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    assert data(api) == {"a": "1"}


def test_the_same_value_is_owned_by_both(api: Api) -> None:
    api.apply(config_map(a="1"), "one", expect=201)
    api.apply(config_map(a="1", b="2"), "two")
    api.apply(config_map(), "one")
    assert data(api) == {"a": "1", "b": "2"}
    api.apply(config_map(b="2"), "two")
    assert data(api) == {"b": "2"}


def test_force_takes_over(api: Api) -> None:
    api.apply(config_map(a="1"), "one", expect=201)
    api.apply(config_map(a="2"), "two", force=True)
    assert data(api) == {"a": "2"}
    answer = api.apply(config_map(a="1"), "one", expect=409)
    assert answer.causes == [("FieldManagerConflict", ".data.a")]


def test_an_edit_is_a_conflict(api: Api) -> None:
    api.apply(config_map(a="1"), "one", expect=201)
    api.patch("ConfigMap", "c", {"data": {"a": "2"}}, fieldManager="user")
    answer = api.apply(config_map(a="1"), "one", expect=409)
    assert answer.body["message"] == 'Apply failed with 1 conflict: conflict with "user" using v1: .data.a'
    api.apply(config_map(a="1"), "one", force=True)
    assert data(api) == {"a": "1"}


def test_what_was_created_otherwise_is_somebodys(api: Api) -> None:
    api.create(config_map(a="1", b="2"))
    api.apply(config_map(a="1"), "one")
    assert data(api) == {"a": "1", "b": "2"}
    assert api.apply(config_map(b="3"), "one", expect=409).causes == [("FieldManagerConflict", ".data.b")]


def test_defaults_are_nobodys(api: Api) -> None:
    api.apply(pool(), "one", expect=201)
    assert api.apply(pool(spec={"replicas": 5}), "two").body["spec"]["replicas"] == 5


def test_it_needs_a_manager_and_a_type(api: Api) -> None:
    path = api.path("ConfigMap", "c")
    answer = api.call("PATCH", path, config_map(), APPLY, expect=422)
    assert answer.causes == [("FieldValueRequired", "fieldManager")]
    assert api.call("PATCH", f"{path}?fieldManager=x", {"data": {}}, APPLY).code == 400


def test_it_takes_yaml(api: Api) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  a: '1'\n"
    api.call("PATCH", f"{api.path('ConfigMap', 'c')}?fieldManager=x", text, APPLY, expect=201)
    assert data(api) == {"a": "1"}


def test_a_uid_is_a_precondition(api: Api) -> None:
    wanted = config_map(a="1")
    wanted["metadata"]["uid"] = NO_UID
    answer = api.apply(wanted, "one", expect=409)
    assert answer.reason == "Conflict"
    assert answer.details == {"name": "c", "kind": "configmaps"}
    api.create(config_map(a="1"))
    answer = api.apply(wanted, "one", force=True, expect=422)
    assert set(answer.causes) == {("FieldValueInvalid", "metadata.uid")}


def test_an_old_version_is_a_conflict(api: Api) -> None:
    made = api.apply(config_map(a="1"), "one", expect=201).body["metadata"]
    api.patch("ConfigMap", "c", {"data": {"b": "2"}})
    wanted = config_map(a="3")
    wanted["metadata"]["resourceVersion"] = made["resourceVersion"]
    answer = api.apply(wanted, "one", force=True, expect=409)
    assert "the object has been modified" in answer.body["message"]


def test_a_status_is_applied_through_its_subresource(api: Api) -> None:
    wanted = {**pool(), "status": {"replicas": 1}}
    assert api.apply(wanted, "one", "status", expect=404).details["name"] == "p"
    made = api.create(pool()).body
    applied = api.apply(wanted, "one", "status").body
    assert applied["status"] == {"observedGeneration": -1, "replicas": 1}
    assert applied["spec"] == made["spec"]
    given_up = api.apply({**pool(), "status": {"readyReplicas": 1}}, "one", "status").body
    assert given_up["status"] == {"observedGeneration": -1, "readyReplicas": 1}
    assert given_up["metadata"]["generation"] == 1
