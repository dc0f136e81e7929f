"""PUT and merge patch: preconditions, generation, what changes nothing."""

from tests.conformance.api import JSON, MERGE, NO_UID, Api, Object, config_map, pool

STRATEGIC = "application/strategic-merge-patch+json"


def with_metadata(obj: Object, **metadata: object) -> Object:
    return {**obj, "metadata": {**obj["metadata"], **metadata}}


# --- PUT ---


def test_put_replaces(api: Api) -> None:
    made = api.create(config_map(a="1", b="2")).body
    replaced = api.put({**made, "data": {"c": "3"}}).body
    assert replaced["data"] == {"c": "3"}
    assert replaced["metadata"]["uid"] == made["metadata"]["uid"]
    assert replaced["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]


def test_put_of_an_old_version(api: Api) -> None:
    made = api.create(config_map(a="1")).body
    api.patch("ConfigMap", "c", {"data": {"a": "2"}})
    answer = api.put(made, expect=409)
    assert answer.reason == "Conflict"
    assert answer.details == {"name": "c", "kind": "configmaps"}
    assert "the object has been modified; please apply your changes to the latest version" in answer.body["message"]


def test_put_of_another_incarnation(api: Api) -> None:
    api.create(config_map(a="1"))
    answer = api.put(with_metadata(config_map(a="2"), uid=NO_UID), expect=409)
    assert answer.reason == "Conflict"
    assert "UID in precondition" in answer.body["message"]


def test_put_without_a_version(api: Api) -> None:
    api.create(config_map(a="1"))
    assert api.put(config_map(a="2")).body["data"] == {"a": "2"}
    api.create(pool())
    answer = api.put(pool(), expect=422)
    assert answer.causes == [("FieldValueInvalid", "metadata.resourceVersion")]
    assert answer.details["kind"] == "brokerpools"


def test_put_of_nothing(api: Api) -> None:
    assert api.put(config_map("none"), expect=404).details == {"name": "none", "kind": "configmaps"}
    assert api.put(with_metadata(pool("none"), resourceVersion="1"), expect=404).reason == "NotFound"


def test_put_makes_a_lease(api: Api) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}}
    api.put({**lease, "spec": {"holderIdentity": "x"}}, expect=201)
    answer = api.put({**lease, "spec": {"holderIdentity": "y"}}, expect=422)
    assert answer.causes == [("FieldValueInvalid", "metadata.resourceVersion")]


def test_put_under_another_name(api: Api) -> None:
    api.create(config_map())
    answer = api.call("PUT", api.path("ConfigMap", "c"), config_map("d"), expect=400)
    assert answer.body["message"] == "the name of the object (d) does not match the name on the URL (c)"


def test_put_that_changes_nothing(api: Api) -> None:
    made = api.create(config_map(a="1")).body
    assert api.put(made).body == made


# --- merge patch ---


def test_a_patch_that_changes_nothing_keeps_the_version(api: Api) -> None:
    made = api.create(config_map(a="1"))
    assert api.patch("ConfigMap", "c", {"data": {"a": "1"}}).version == made.version
    api.create(pool())
    written = api.patch("BrokerPool", "p", {"status": {"replicas": 2}}, "status")
    assert api.patch("BrokerPool", "p", {"status": {"replicas": 2}}, "status").version == written.version
    assert api.patch("BrokerPool", "p", {"spec": {"replicas": 3}}).version == written.version


def test_the_first_write_stores_the_default_status(api: Api) -> None:
    made = api.create(pool())
    first = api.patch("BrokerPool", "p", {"spec": {"replicas": 3}})
    assert first.version > made.version, "what is shown did not change, what is stored did"
    assert first.body["metadata"]["generation"] == 1
    assert api.patch("BrokerPool", "p", {"spec": {"replicas": 3}}).version == first.version


def test_null_removes(api: Api) -> None:
    api.create(config_map(a="1", b="2"))
    assert api.patch("ConfigMap", "c", {"data": {"a": None}}).body["data"] == {"b": "2"}


def test_lists_go_whole(api: Api) -> None:
    api.create(pool(finalizers=["a.example/one", "a.example/two"]))
    patched = api.patch("BrokerPool", "p", {"metadata": {"finalizers": ["a.example/three"]}}).body
    assert patched["metadata"]["finalizers"] == ["a.example/three"]
    assert "finalizers" not in api.patch("BrokerPool", "p", {"metadata": {"finalizers": []}}).body["metadata"]


def test_patch_of_nothing(api: Api) -> None:
    assert api.patch("ConfigMap", "none", {"data": {}}, expect=404).details == {"name": "none", "kind": "configmaps"}
    answer = api.patch("BrokerPool", "none", {"status": {"replicas": 1}}, "status", expect=404)
    assert answer.details == {"name": "none", "group": "agentmemory.dev", "kind": "brokerpools"}


def test_patch_with_an_old_version(api: Api) -> None:
    made = api.create(config_map(a="1")).body["metadata"]
    api.patch("ConfigMap", "c", {"data": {"a": "2"}})
    stale = {"metadata": {"resourceVersion": made["resourceVersion"]}}
    assert api.patch("ConfigMap", "c", {**stale, "data": {"a": "3"}}, expect=409).reason == "Conflict"
    assert api.patch("ConfigMap", "c", stale, expect=409).reason == "Conflict", "even when it changes nothing else"


def test_patch_of_another_incarnation(api: Api) -> None:
    api.create(config_map())
    api.create(pool())
    for kind, name in (("ConfigMap", "c"), ("BrokerPool", "p")):
        answer = api.patch(kind, name, {"metadata": {"uid": NO_UID}}, expect=422)
        assert answer.reason == "Invalid"
        assert set(answer.causes) == {("FieldValueInvalid", "metadata.uid")}


def test_status_patch_with_preconditions(api: Api) -> None:
    made = api.create(pool()).body["metadata"]
    right = {"metadata": {"uid": made["uid"], "resourceVersion": made["resourceVersion"]}}
    written = api.patch("BrokerPool", "p", {**right, "status": {"replicas": 1}}, "status")
    assert written.version > int(made["resourceVersion"])
    assert api.patch("BrokerPool", "p", {**right, "status": {"replicas": 2}}, "status", expect=409).reason == "Conflict"


def test_a_uid_is_no_precondition_of_a_patch_of_a_subresource(api: Api) -> None:
    """Surprising, and why a status patch must carry the resourceVersion."""
    api.create(pool())
    written = api.patch("BrokerPool", "p", {"metadata": {"uid": NO_UID}, "status": {"replicas": 2}}, "status").body
    assert written["status"]["replicas"] == 2
    scaled = api.patch("BrokerPool", "p", {"metadata": {"uid": NO_UID}, "spec": {"replicas": 4}}, "scale").body
    assert scaled["spec"]["replicas"] == 4


def test_a_uid_is_a_precondition_of_a_put_of_a_subresource(api: Api) -> None:
    made = api.create(pool()).body
    other = with_metadata(made, uid=NO_UID)
    assert api.put({**other, "status": {"replicas": 1}}, "status", expect=409).reason == "Conflict"
    scale = {"metadata": {"name": "p", "uid": NO_UID}, "spec": {"replicas": 4}}
    assert api.call("PUT", api.path("BrokerPool", "p", "scale"), scale, expect=409).reason == "Conflict"
    right = {"metadata": {"name": "p"}, "spec": {"replicas": 4}}
    assert api.call("PUT", api.path("BrokerPool", "p", "scale"), right, expect=200).body["spec"] == {"replicas": 4}


def test_a_patch_cannot_make_another_kind_or_move(api: Api) -> None:
    api.create(pool())
    for field, value in (("apiVersion", "x/v1"), ("kind", "Other")):
        assert ("FieldValueInvalid", field) in api.patch("BrokerPool", "p", {field: value}, expect=422).causes
    assert api.patch("BrokerPool", "p", {"metadata": {"namespace": "elsewhere"}}, expect=400).reason == "BadRequest"


def test_patch_under_another_name(api: Api) -> None:
    api.create(config_map())
    answer = api.patch("ConfigMap", "c", {"metadata": {"name": "x"}}, expect=400)
    assert answer.body["message"] == "the name of the object (x) does not match the name on the URL (c)"


def test_what_only_the_server_sets_is_not_patched(api: Api) -> None:
    made = api.create(config_map()).body
    patch = {"metadata": {"creationTimestamp": None, "uid": None, "resourceVersion": None}}
    assert api.patch("ConfigMap", "c", patch).body == made
    api.create(pool())
    assert api.patch("BrokerPool", "p", {"metadata": {"generation": 44}}).body["metadata"]["generation"] == 1
    past = "2001-01-01T00:00:00Z"
    kept = api.patch("BrokerPool", "p", {"metadata": {"creationTimestamp": past}}).body["metadata"]
    assert kept["creationTimestamp"] != past
    answer = api.patch("BrokerPool", "p", {"metadata": {"deletionTimestamp": past}}, expect=422)
    assert set(answer.causes) == {("FieldValueInvalid", "metadata.deletionTimestamp")}


def test_patches_of_unknown_types(api: Api) -> None:
    api.create(pool())
    assert api.call("PATCH", api.path("BrokerPool", "p"), {"spec": {}}, STRATEGIC).code == 415
    assert api.call("PATCH", api.path("BrokerPool", "p"), {"spec": {}}, JSON).code == 415


# --- generation, status, scale ---


def test_generation_counts_changes_of_what_is_wanted(api: Api) -> None:
    def generation(body: Object, subresource: str = "") -> int:
        return int(api.patch("BrokerPool", "p", body, subresource).body["metadata"]["generation"])

    api.create(pool())
    assert generation({"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}) == 1
    assert generation({"metadata": {"finalizers": ["a.example/b"]}}) == 1
    assert generation({"status": {"replicas": 2}}, "status") == 1
    assert generation({"status": {"replicas": 3}}) == 1, "not written at all"
    assert generation({"spec": {"replicas": 4}}) == 2
    assert generation({"spec": {"replicas": 4}}) == 2


def test_built_in_kinds_with_and_without_generation(api: Api) -> None:
    assert "generation" not in api.create(config_map()).body["metadata"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    assert api.create(pod).body["metadata"]["generation"] == 1
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b"},
        "spec": {"maxUnavailable": 1},
    }
    assert api.create(budget).body["metadata"]["generation"] == 1
    changed = api.patch("PodDisruptionBudget", "b", {"spec": {"maxUnavailable": 2}}).body
    assert changed["metadata"]["generation"] == 2


def test_status_and_the_rest_are_written_apart(api: Api) -> None:
    api.create(pool())
    assert "replicas" not in api.patch("BrokerPool", "p", {"status": {"replicas": 9}}).body["status"]
    everything = {
        "metadata": {"labels": {"a": "b"}, "finalizers": ["a.example/b"]},
        "spec": {"replicas": 9},
        "status": {"replicas": 2},
    }
    written = api.patch("BrokerPool", "p", everything, "status").body
    assert written["status"] == {"observedGeneration": -1, "replicas": 2}
    assert written["spec"]["replicas"] == 3
    assert not {"labels", "finalizers"} & written["metadata"].keys()


def test_put_of_a_status(api: Api) -> None:
    made = api.create(pool()).body
    written = api.put({**made, "spec": {}, "status": {"observedGeneration": 1, "replicas": 2}}, "status").body
    assert written["status"] == {"observedGeneration": 1, "replicas": 2}
    assert written["spec"] == made["spec"]
    assert api.put({**made, "status": {"observedGeneration": 2}}, "status", expect=409).reason == "Conflict"


def test_scale(api: Api) -> None:
    made = api.create(pool()).body["metadata"]
    api.patch("BrokerPool", "p", {"status": {"replicas": 2, "selector": "a=b"}}, "status")
    scale = api.get("BrokerPool", "p", "scale").body
    assert (scale["apiVersion"], scale["kind"]) == ("autoscaling/v1", "Scale")
    assert scale["metadata"]["uid"] == made["uid"]
    assert (scale["spec"], scale["status"]) == ({"replicas": 3}, {"replicas": 2, "selector": "a=b"})
    scaled = api.patch("BrokerPool", "p", {"spec": {"replicas": 5}}, "scale").body
    assert scaled["spec"] == {"replicas": 5}
    grown = api.get("BrokerPool", "p").body
    assert (grown["spec"]["replicas"], grown["metadata"]["generation"]) == (5, 2)
    assert grown["metadata"]["resourceVersion"] == scaled["metadata"]["resourceVersion"]


def test_scale_is_checked(api: Api) -> None:
    made = api.create(pool()).body["metadata"]
    assert api.patch("BrokerPool", "p", {"spec": {"replicas": 101}}, "scale", expect=422).reason == "Invalid"
    api.patch("BrokerPool", "p", {"spec": {"replicas": 4}}, "scale")
    old = {"metadata": {"resourceVersion": made["resourceVersion"]}, "spec": {"replicas": 5}}
    assert api.patch("BrokerPool", "p", old, "scale", expect=409).reason == "Conflict"
    assert api.get("BrokerPool", "none", "scale", expect=404).details["name"] == "none"


# --- paths ---


def test_what_is_not_there(api: Api) -> None:
    assert api.get("ConfigMap", "none", expect=404).details == {"name": "none", "kind": "configmaps"}
    missing = api.get("BrokerPool", "none", expect=404)
    assert missing.details == {"name": "none", "group": "agentmemory.dev", "kind": "brokerpools"}
    assert missing.body["message"] == 'brokerpools.agentmemory.dev "none" not found'


def test_kinds_that_are_not_served(api: Api) -> None:
    answer = api.call("GET", "/apis/agentmemory.dev/v1alpha1/unknownkinds", expect=404)
    assert not answer.details.get("name"), "or a client would take the object for missing"
    assert api.call("GET", "/apis/no.such.group/v1/things", expect=404).text.strip() == "404 page not found"


def test_subresources_and_methods_that_are_not_served(api: Api) -> None:
    api.create(config_map())
    for subresource in ("scale", "status"):
        assert not api.get("ConfigMap", "c", subresource, expect=404).details.get("name")
    assert api.call("POST", api.path("ConfigMap", "c"), config_map()).code == 405
    assert api.call("DELETE", "/api/v1/namespaces").code == 405


def test_health_and_version(api: Api) -> None:
    assert api.call("GET", "/readyz", expect=200).text == "ok"
    assert api.call("GET", "/version", expect=200).body["major"] == "1"


def test_a_patch_says_what_it_is(api: Api) -> None:
    api.create(config_map(a="1"))
    path = api.path("ConfigMap", "c")
    assert api.call("PATCH", path, {"data": {"a": "2"}}, f"{MERGE}; charset=utf-8").code == 200
