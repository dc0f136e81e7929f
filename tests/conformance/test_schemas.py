"""What our CRDs refuse, prune and default, CEL apart."""

from typing import Any

import pytest

from tests.conformance.api import Api, pool

Object = dict[str, Any]


def test_defaults_are_set(api: Api) -> None:
    made = api.create(pool()).body["spec"]
    assert made == {
        "clusterRef": {"name": "agents"},
        "replicas": 3,
        "resources": {"memory": "1Gi"},
        "storage": {"size": "10Gi"},
    }


def test_a_default_comes_back(api: Api) -> None:
    api.create(pool(spec={"replicas": 5}))
    patched = api.patch("BrokerPool", "p", {"spec": {"replicas": None}}).body
    assert (patched["spec"]["replicas"], patched["metadata"]["generation"]) == (3, 2)


def test_nulls_are_as_if_they_were_not_there(api: Api) -> None:
    made = api.create(pool(spec={"replicas": None, "resources": {"cpu": None}})).body["spec"]
    assert (made["replicas"], made["resources"]) == (3, {"memory": "1Gi"})
    answer = api.create(pool("q", spec={"clusterRef": {"name": None}}), expect=422)
    assert ("FieldValueRequired", "spec.clusterRef.name") in answer.causes


def test_unknown_fields_are_pruned(api: Api) -> None:
    made = api.create(pool(spec={"bogus": 1, "storage": {"bogus": 1, "size": "20Gi"}})).body
    assert "bogus" not in made["spec"]
    assert made["spec"]["storage"] == {"size": "20Gi"}
    assert api.patch("BrokerPool", "p", {"spec": {"bogus": 2}}).body["spec"] == made["spec"]


def test_unknown_fields_are_refused_when_asked_for(api: Api) -> None:
    answer = api.create({**pool(spec={"bogus": 1}), "extra": 1}, expect=400, fieldValidation="Strict")
    assert 'unknown field "extra", unknown field "spec.bogus"' in answer.body["message"]


@pytest.mark.parametrize(
    ("spec", "reason", "field"),
    [
        ({"replicas": "3"}, "FieldValueTypeInvalid", "spec.replicas"),
        ({"clusterRef": {"name": 5}}, "FieldValueTypeInvalid", "spec.clusterRef.name"),
        ({"clusterRef": []}, "FieldValueTypeInvalid", "spec.clusterRef"),
        ({"clusterRef": {}}, "FieldValueRequired", "spec.clusterRef.name"),
        ({"clusterRef": None}, "FieldValueRequired", "spec.clusterRef"),
        ({"replicas": -1}, "FieldValueInvalid", "spec.replicas"),
        ({"replicas": 101}, "FieldValueInvalid", "spec.replicas"),
        ({"replicas": 1.5}, "FieldValueTypeInvalid", "spec.replicas"),
        ({"replicas": True}, "FieldValueTypeInvalid", "spec.replicas"),
        ({"storage": {"type": "Tape"}}, "FieldValueNotSupported", "spec.storage.type"),
        ({"storage": {"size": "many"}}, "FieldValueInvalid", "spec.storage.size"),
        ({"clusterRef": {"name": ""}}, "FieldValueInvalid", "spec.clusterRef.name"),
        ({"clusterRef": {"name": "a" * 64}}, "FieldValueTooLong", "spec.clusterRef.name"),
        ({"clusterRef": {"name": "A_b"}}, "FieldValueInvalid", "spec.clusterRef.name"),
    ],
    ids=str,
)
def test_bad_fields_are_refused(api: Api, spec: Object, reason: str, field: str) -> None:
    answer = api.create(pool(spec=spec), expect=422)
    assert answer.reason == "Invalid"
    assert (reason, field) in answer.causes
    assert (answer.details["name"], answer.details["kind"]) == ("p", "BrokerPool")
    api.get("BrokerPool", "p", expect=404)


def test_a_bad_edit_leaves_the_object(api: Api) -> None:
    made = api.create(pool())
    assert api.patch("BrokerPool", "p", {"spec": {"replicas": 101}}, expect=422).reason == "Invalid"
    assert api.patch("BrokerPool", "p", {"spec": None}, expect=422).reason == "Invalid"
    assert api.get("BrokerPool", "p").version == made.version


def family(topics: Any) -> Object:
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "TopicFamily",
        "metadata": {"name": "f"},
        "spec": {
            "tenantRef": {"namespace": "memory-system", "name": "support"},
            "owner": {"team": "support-ai", "contact": "support-ai@example.com"},
            "retention": {"time": "720h"},
            "topics": topics,
        },
    }


def test_lists_are_checked(api: Api) -> None:
    assert ("FieldValueInvalid", "spec.topics") in api.create(family([]), expect=422).causes
    twice = api.create(family([{"name": "a"}, {"name": "a"}]), expect=422)
    assert ("FieldValueDuplicate", "spec.topics[1]") in twice.causes
    many = api.create(family([{"name": f"t{at}"} for at in range(33)]), expect=422)
    assert ("FieldValueTooMany", "spec.topics") in many.causes
    inner = api.create(family([{"name": "a"}, {"name": "b", "partitions": 0}]), expect=422)
    assert ("FieldValueInvalid", "spec.topics[1].partitions") in inner.causes


def test_items_get_defaults(api: Api) -> None:
    made = api.create(family([{"name": "a"}, {"name": "b", "partitions": 12}])).body["spec"]["topics"]
    assert [(topic["partitions"], topic["key"]) for topic in made] == [(6, "session"), (12, "session")]


def test_a_status_is_checked(api: Api) -> None:
    made = api.create(pool())
    bad = {"status": {"replicas": "many"}}
    answer = api.patch("BrokerPool", "p", bad, "status", expect=422)
    assert ("FieldValueTypeInvalid", "status.replicas") in answer.causes
    condition = {"type": "Ready", "status": "Perhaps", "reason": "R", "message": "", "lastTransitionTime": "yesterday"}
    answer = api.patch("BrokerPool", "p", {"status": {"conditions": [condition]}}, "status", expect=422)
    assert ("FieldValueNotSupported", "status.conditions[0].status") in answer.causes
    assert "status.conditions[0].lastTransitionTime" in {field for _, field in answer.causes}
    assert api.get("BrokerPool", "p").version == made.version


def cluster(labels: Any) -> Object:
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "MemoryCluster",
        "metadata": {"name": "c"},
        "spec": {"engine": "kafka", "region": {"name": "eu", "nodeLabels": labels}},
    }


def test_maps_are_checked(api: Api) -> None:
    many = api.create(cluster({f"l{at}": "" for at in range(9)}), expect=422)
    assert ("FieldValueTooMany", "spec.region.nodeLabels") in many.causes
    wrong = api.create(cluster({"a": 1}), expect=422)
    assert ("FieldValueTypeInvalid", "spec.region.nodeLabels.a") in wrong.causes
    long = api.create(cluster({"a": "b" * 64}), expect=422)
    assert ("FieldValueTooLong", "spec.region.nodeLabels.a") in long.causes
    made = api.create(cluster({"zone.example.com/a": "b", "c": None})).body["spec"]["region"]["nodeLabels"]
    assert made == {"zone.example.com/a": "b"}
