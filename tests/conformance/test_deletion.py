"""DELETE: answers, preconditions, finalizers, namespaces, garbage collection."""

import pytest

from tests.conformance.api import NO_UID, Api, config_map, owned, pool

HELD = ["agentmemory.dev/cleanup"]


def test_a_delete_answers_with_a_status(api: Api) -> None:
    uid = api.create(pool()).body["metadata"]["uid"]
    answer = api.delete("BrokerPool", "p").body
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"] == {"name": "p", "group": "agentmemory.dev", "kind": "brokerpools", "uid": uid}
    api.get("BrokerPool", "p", expect=404)


def test_a_service_is_answered_as_it_was(api: Api) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}]}}
    api.create(service)
    assert api.delete("Service", "s").body["kind"] == "Service"


def test_delete_of_nothing(api: Api) -> None:
    assert api.delete("ConfigMap", "none", expect=404).details == {"name": "none", "kind": "configmaps"}
    assert api.delete("BrokerPool", "none", expect=404).reason == "NotFound"


def test_preconditions(api: Api) -> None:
    made = api.create(pool()).body["metadata"]
    for wrong in ({"uid": NO_UID}, {"resourceVersion": "1"}):
        answer = api.delete("BrokerPool", "p", {"preconditions": wrong}, expect=409)
        assert answer.reason == "Conflict"
        assert answer.details == {"name": "p", "group": "agentmemory.dev", "kind": "BrokerPool"}
    right = {"uid": made["uid"], "resourceVersion": made["resourceVersion"]}
    api.delete("BrokerPool", "p", {"preconditions": right})
    api.get("BrokerPool", "p", expect=404)


def test_a_new_incarnation_has_another_uid(api: Api) -> None:
    first = api.create(pool()).body["metadata"]
    api.delete("BrokerPool", "p")
    second = api.create(pool()).body["metadata"]
    assert second["uid"] != first["uid"]
    assert int(second["resourceVersion"]) > int(first["resourceVersion"]) + 1


def test_a_finalizer_holds(api: Api) -> None:
    api.create(pool(finalizers=HELD))
    held = api.delete("BrokerPool", "p").body
    assert held["kind"] == "BrokerPool"
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    assert held["metadata"]["generation"] == 2
    assert api.delete("BrokerPool", "p").body == held, "a second delete changes nothing"
    assert api.create(pool(), expect=409).reason == "AlreadyExists"


def test_the_last_finalizer_takes_it_along(api: Api) -> None:
    api.create(pool(finalizers=[*HELD, "agentmemory.dev/other"]))
    held = api.delete("BrokerPool", "p")
    left = api.patch("BrokerPool", "p", {"metadata": {"finalizers": HELD}})
    assert left.version > held.version
    gone = api.patch("BrokerPool", "p", {"metadata": {"finalizers": None}})
    assert "finalizers" not in gone.body["metadata"]
    assert gone.version == left.version, "this state was never stored"
    api.get("BrokerPool", "p", expect=404)


def test_no_new_finalizers_while_it_is_deleted(api: Api) -> None:
    api.create(pool(finalizers=HELD))
    api.delete("BrokerPool", "p")
    answer = api.patch("BrokerPool", "p", {"metadata": {"finalizers": [*HELD, "example.com/late"]}}, expect=422)
    assert set(answer.causes) == {("FieldValueForbidden", "metadata.finalizers")}


def test_while_it_is_deleted_all_else_can_be_written(api: Api) -> None:
    api.create(pool(finalizers=HELD))
    api.delete("BrokerPool", "p")
    grown = api.patch("BrokerPool", "p", {"spec": {"replicas": 7}}).body
    assert (grown["spec"]["replicas"], grown["metadata"]["generation"]) == (7, 3)
    api.patch("BrokerPool", "p", {"status": {"replicas": 1}}, "status")
    still = api.patch("BrokerPool", "p", {"metadata": {"deletionTimestamp": None}}).body
    assert still["metadata"]["deletionTimestamp"]


def test_a_claim_is_held_while_its_finalizer_stands(api: Api) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "v", "finalizers": ["example.com/hold"]},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    made = api.create(claim).body["metadata"]
    # The real one adds one of its own, which its controller manager takes away when no pod uses the claim.
    assert "example.com/hold" in made["finalizers"]
    assert api.delete("PersistentVolumeClaim", "v").body["metadata"]["deletionTimestamp"]
    api.patch("PersistentVolumeClaim", "v", {"metadata": {"finalizers": None}})
    api.get("PersistentVolumeClaim", "v", expect=404)


def test_a_collection(api: Api) -> None:
    for at in range(4):
        api.create(config_map(f"c{at}", {"even": str(at % 2 == 0)}))
    answer = api.call("DELETE", api.path("ConfigMap"), query={"labelSelector": "even=True"}, expect=200).body
    assert answer["kind"] == "ConfigMapList"
    assert sorted(item["metadata"]["name"] for item in answer["items"]) == ["c0", "c2"]
    assert api.names("ConfigMap") == ["c1", "c3"]


# --- namespaces ---


def test_nothing_comes_into_a_terminating_namespace(api: Api) -> None:
    api.create(config_map())
    api.create(pool(finalizers=HELD))
    ending = api.call("DELETE", f"/api/v1/namespaces/{api.namespace}", expect=200).body
    assert (ending["kind"], ending["status"]["phase"]) == ("Namespace", "Terminating")
    assert ending["metadata"]["deletionTimestamp"]
    for obj in (config_map("late"), pool("late")):
        answer = api.create(obj, expect=403)
        assert answer.reason == "Forbidden"
        assert answer.causes == [("NamespaceTerminating", "metadata.namespace")]
        assert answer.details["name"] == "late"
    answer = api.apply(config_map("late"), "one", expect=403)
    assert answer.causes == [("NamespaceTerminating", "metadata.namespace")]
    api.patch("BrokerPool", "p", {"status": {"replicas": 1}}, "status")


def test_the_default_namespace_stays(api: Api) -> None:
    answer = api.call("DELETE", "/api/v1/namespaces/default", expect=403)
    assert answer.details == {"name": "default", "kind": "namespaces"}


@pytest.mark.usefixtures("controllers")
def test_a_namespace_ends_with_its_last_object(api: Api) -> None:
    path = f"/api/v1/namespaces/{api.namespace}"
    api.create(config_map())
    api.create(pool(finalizers=HELD))
    api.call("DELETE", path, expect=200)
    api.until("contents deleted", lambda: api.get("ConfigMap", "c", expect=None).code == 404)
    held = api.until(
        "the pool asked to go",
        lambda: (body := api.get("BrokerPool", "p").body)["metadata"].get("deletionTimestamp") and body,
    )
    assert held["metadata"]["finalizers"] == HELD
    assert api.call("GET", path, expect=200).body["status"]["phase"] == "Terminating"
    api.patch("BrokerPool", "p", {"metadata": {"finalizers": None}})
    api.until("the namespace gone", lambda: api.call("GET", path).code == 404)


# --- owners ---


@pytest.mark.usefixtures("controllers")
def test_dependents_go_with_their_owner(api: Api) -> None:
    owner = api.create(pool()).body
    api.create(owned(config_map("child"), owner))
    api.create(config_map("bystander"))
    api.delete("BrokerPool", "p", {"propagationPolicy": "Background"})
    api.until("the child gone", lambda: api.get("ConfigMap", "child", expect=None).code == 404)
    api.get("ConfigMap", "bystander")


@pytest.mark.usefixtures("controllers")
def test_dependents_of_two_owners_lose_one_and_stay(api: Api) -> None:
    first, second = api.create(pool()).body, api.create(pool("q")).body
    api.create(owned(config_map(), first, second))
    api.delete("BrokerPool", "p", {"propagationPolicy": "Background"})

    def owners() -> list[str]:
        references = api.get("ConfigMap", "c").body["metadata"]["ownerReferences"]
        return [reference["name"] for reference in references]

    api.until("the reference gone", lambda: owners() == ["q"])


@pytest.mark.usefixtures("controllers")
def test_orphans_stay_without_their_reference(api: Api) -> None:
    owner = api.create(pool()).body
    api.create(owned(config_map(), owner))
    api.delete("BrokerPool", "p", {"propagationPolicy": "Orphan"})
    api.until("the owner gone", lambda: api.get("BrokerPool", "p", expect=None).code == 404)
    assert "ownerReferences" not in api.get("ConfigMap", "c").body["metadata"]


@pytest.mark.usefixtures("controllers")
def test_a_child_of_an_owner_that_is_gone_goes(api: Api) -> None:
    owner = api.create(pool()).body
    api.delete("BrokerPool", "p")
    api.create(owned(config_map("late"), owner))
    api.until("the late child gone", lambda: api.get("ConfigMap", "late", expect=None).code == 404)


@pytest.mark.usefixtures("controllers")
def test_an_owner_waits_for_its_dependents_in_the_foreground(api: Api) -> None:
    owner = api.create(pool()).body
    child = owned(config_map(), owner, blockOwnerDeletion=True)
    child["metadata"]["finalizers"] = HELD
    api.create(child)
    held = api.delete("BrokerPool", "p", {"propagationPolicy": "Foreground"}).body
    assert held["metadata"]["finalizers"] == ["foregroundDeletion"]
    api.until("the child asked to go", lambda: api.get("ConfigMap", "c").body["metadata"].get("deletionTimestamp"))
    api.get("BrokerPool", "p")
    api.patch("ConfigMap", "c", {"metadata": {"finalizers": None}})
    api.until("the owner gone", lambda: api.get("BrokerPool", "p", expect=None).code == 404)
