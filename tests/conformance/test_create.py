"""POST: what is made, and what is refused."""

import base64

import pytest

from tests.conformance.api import Api, Object, config_map, pool


def test_the_server_sets_identity(api: Api) -> None:
    made = api.create(config_map(a="1")).body
    assert made["metadata"]["uid"]
    assert made["metadata"]["creationTimestamp"].endswith("Z")
    assert made["metadata"]["namespace"] == api.namespace
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")
    assert api.get("ConfigMap", "c").body == made


def test_what_only_the_server_sets_is_not_taken(api: Api) -> None:
    mine = {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "deletionTimestamp": "2001-01-01T00:00:00Z"}
    made = api.create(pool(**mine, generation=7)).body["metadata"]
    assert made["uid"] != "mine"
    assert not made["creationTimestamp"].startswith("2001")
    assert "deletionTimestamp" not in made
    assert made["generation"] == 1


def test_versions_are_strictly_newer_over_all_kinds(api: Api) -> None:
    versions = [api.create(config_map(f"c{at}")).version for at in range(3)]
    versions.append(api.create(pool()).version)
    versions.append(api.patch("ConfigMap", "c0", {"data": {"a": "1"}}).version)
    assert versions == sorted(set(versions))


def test_a_taken_name(api: Api) -> None:
    api.create(pool())
    answer = api.create(pool(), expect=409)
    assert answer.reason == "AlreadyExists"
    assert answer.details == {"name": "p", "group": "agentmemory.dev", "kind": "brokerpools"}
    assert answer.body["message"] == 'brokerpools.agentmemory.dev "p" already exists'
    api.create(config_map())
    assert api.create(config_map(), expect=409).details == {"name": "c", "kind": "configmaps"}


@pytest.mark.parametrize("obj", [config_map(), pool()], ids=lambda obj: obj["kind"])
def test_a_missing_namespace(api: Api, obj: Object) -> None:
    answer = api.call("POST", api.path(obj["kind"], namespace="no-such-namespace"), obj, expect=404)
    assert answer.reason == "NotFound"
    assert answer.details == {"name": "no-such-namespace", "kind": "namespaces"}


def test_a_resource_version_is_refused(api: Api) -> None:
    obj = config_map()
    obj["metadata"]["resourceVersion"] = "5"
    answer = api.create(obj, expect=500)
    assert answer.body["message"] == "resourceVersion should not be set on objects to be created"
    assert answer.reason == ""


def test_a_name_is_required(api: Api) -> None:
    answer = api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}, expect=422)
    assert answer.causes == [("FieldValueRequired", "metadata.name")]


@pytest.mark.parametrize("obj", [config_map("Bad_Name"), pool("Bad_Name")], ids=lambda obj: obj["kind"])
def test_a_name_that_is_none(api: Api, obj: Object) -> None:
    answer = api.create(obj, expect=422)
    assert answer.reason == "Invalid"
    assert ("FieldValueInvalid", "metadata.name") in answer.causes
    assert (answer.details["name"], answer.details["kind"]) == ("Bad_Name", obj["kind"])


def test_a_service_needs_a_stricter_name(api: Api) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a.b"}, "spec": {"ports": [{"port": 1}]}}
    assert ("FieldValueInvalid", "metadata.name") in api.create(service, expect=422).causes


def test_another_namespace_than_the_urls(api: Api) -> None:
    obj = config_map()
    obj["metadata"]["namespace"] = "elsewhere"
    assert api.create(obj, expect=400).reason == "BadRequest"


def test_another_kind_than_the_urls(api: Api) -> None:
    path = api.path("ConfigMap")
    assert api.call("POST", path, {**config_map(), "kind": "Pod"}, expect=400).reason == "BadRequest"
    assert api.call("POST", path, {**config_map(), "apiVersion": "v2"}, expect=400).reason == "BadRequest"
    answer = api.call("POST", api.path("BrokerPool"), {**pool(), "kind": "MemoryCluster"}, expect=422)
    assert ("FieldValueInvalid", "kind") in answer.causes


@pytest.mark.parametrize("labels", [{"a b": "c"}, {"a": "b c"}, {"a": "x" * 64}, {"Bad_/a": "b"}], ids=str)
def test_labels_that_are_none(api: Api, labels: dict[str, str]) -> None:
    answer = api.create(config_map("c", labels), expect=422)
    assert ("FieldValueInvalid", "metadata.labels") in answer.causes
    api.create(config_map())
    answer = api.patch("ConfigMap", "c", {"metadata": {"labels": labels}}, expect=422)
    assert ("FieldValueInvalid", "metadata.labels") in answer.causes


def test_a_label_that_is_no_text(api: Api) -> None:
    obj = config_map()
    obj["metadata"]["labels"] = {"a": 5}
    assert api.create(obj, expect=400).reason == "BadRequest"


def test_a_body_that_is_no_json(api: Api) -> None:
    assert api.call("POST", api.path("ConfigMap"), "{", expect=400).reason == "BadRequest"


def test_generated_names(api: Api) -> None:
    made = [api.create({**config_map(), "metadata": {"generateName": "x-"}}).body["metadata"] for _ in range(3)]
    names = {one["name"] for one in made}
    assert len(names) == 3
    assert all(name.startswith("x-") and len(name) == 7 for name in names)
    assert made[0]["generateName"] == "x-"


def test_secrets_are_written_as_text_and_read_as_base64(api: Api) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    made = api.create({**secret, "stringData": {"a": "1"}, "data": {"b": "Mg==", "a": "eA=="}}).body
    assert {name: base64.b64decode(text) for name, text in made["data"].items()} == {"a": b"1", "b": b"2"}
    assert "stringData" not in made
    bad = {**secret, "metadata": {"name": "t"}, "data": {"b": "???"}}
    assert api.create(bad, expect=400).reason == "BadRequest"


def test_an_empty_status_is_the_default(api: Api) -> None:
    made = api.create({**pool(), "status": {"observedGeneration": 7, "replicas": 3}}).body
    assert made["status"] == {"observedGeneration": -1}
    assert made["metadata"]["generation"] == 1


def test_a_namespace_is_active_and_labelled(api: Api) -> None:
    made = api.call("GET", f"/api/v1/namespaces/{api.namespace}", expect=200).body
    assert made["status"] == {"phase": "Active"}
    assert made["spec"] == {"finalizers": ["kubernetes"]}
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": api.namespace}
