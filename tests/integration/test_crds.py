"""The generated CRDs on a real API server: taken whole, every rule hit from both sides, defaults as documented."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from agentmemory.api import crdgen
from agentmemory.api.base import parse
from agentmemory.api.structural import rules
from tests.api.tables import BAD_INPUT, MODELS, RULES, SMALLEST, BadInput, Patch, RuleCase, made, merged, spec
from tests.integration.rest import APPLY, MERGE_PATCH, Answer, Rest

pytestmark = pytest.mark.integration

CRDS = {name: yaml.safe_load(text) for name, text in crdgen.generate().items()}
BY_KIND = {crd["spec"]["names"]["kind"]: crd for crd in CRDS.values()}
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
NAMESPACE = "crd-tests"


def until(what: str, found: Callable[[], Any], seconds: float = 30) -> Any:
    """What `found` gives once it is true; the wait for a change that the API server makes by itself."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, f"no {what} within {seconds:.0f} s"
        time.sleep(0.05)
    return value


def established(rest: Rest, name: str) -> dict[str, Any] | None:
    found = rest.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    conditions = {condition["type"]: condition["status"] for condition in found.get("status", {}).get("conditions", ())}
    return found if conditions.get("Established") == "True" else None


@pytest.fixture(scope="module")
def rest(control_plane: Any) -> Iterator[Rest]:
    """The API server with our CRDs and a namespace for the tests."""
    found = Rest(control_plane.kubeconfig)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    assert found.call("POST", "/api/v1/namespaces", namespace).code in (201, 409)
    for crd in CRDS.values():
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
        answer = found.call("PATCH", f"{path}?fieldManager=tests&force=true", crd, APPLY)
        assert answer.ok, answer.message
    for crd in CRDS.values():
        name = crd["metadata"]["name"]
        until(f"Established of {name}", lambda name=name: established(found, name))
        until(f"{name} to be served", lambda kind=crd["spec"]["names"]["kind"]: found.call("GET", path_of(kind)).ok)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def empty(rest: Rest) -> Iterator[None]:
    """No objects of ours after a test."""
    yield
    for kind in BY_KIND:
        assert rest.call("DELETE", path_of(kind)).ok


def path_of(kind: str, name: str = "", subresource: str = "") -> str:
    plural = BY_KIND[kind]["spec"]["names"]["plural"]
    path = f"/apis/agentmemory.dev/v1alpha1/namespaces/{NAMESPACE}/{plural}"
    return path + (f"/{name}" if name else "") + (f"/{subresource}" if subresource else "")


def create(rest: Rest, kind: str, patch: Patch) -> Answer:
    return rest.call("POST", f"{path_of(kind)}?fieldValidation=Strict", made(kind, patch, namespace=NAMESPACE))


def change(rest: Rest, kind: str, patch: Patch) -> Answer:
    return rest.call("PATCH", path_of(kind, "sample"), patch, MERGE_PATCH)


def assert_refused(answer: Answer, case: RuleCase) -> None:
    assert answer.code == 422, f"{answer.code} {answer.message}"
    assert case.message in answer.message
    fields = [cause["field"] for cause in answer.body["details"]["causes"] if case.message in cause["message"]]
    standing = case.path.removeprefix(".").replace("[]", "[0]")
    assert any(field.replace("[1]", "[0]").startswith(standing) for field in fields), fields


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_crd_is_taken_whole(rest: Rest, kind: str) -> None:
    crd = established(rest, BY_KIND[kind]["metadata"]["name"])
    assert crd is not None
    assert {condition["type"] for condition in crd["status"]["conditions"]} == {"NamesAccepted", "Established"}
    stored, sent = crd["spec"]["versions"][0], BY_KIND[kind]["spec"]["versions"][0]
    assert stored["schema"] == sent["schema"], "the API server dropped or changed a part of the schema"
    assert crd["spec"]["names"] == BY_KIND[kind]["spec"]["names"]


def test_every_rule_is_in_the_table_once() -> None:
    generated = [
        (kind, path, entry["message"])
        for kind, crd in BY_KIND.items()
        for path, entry in rules(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    ]
    assert len(generated) == len(RULES)
    for kind, path, message in generated:
        matching = [
            case for case in RULES if (case.kind, case.path) == (kind, path) and message.startswith(case.message)
        ]
        assert len(matching) == 1, f"{kind}{path}: {message}"


@pytest.mark.parametrize("case", [case for case in RULES if case.before is None], ids=str)
def test_a_rule_on_one_object(rest: Rest, case: RuleCase) -> None:
    for bad in (case.bad, *case.detours):
        assert_refused(create(rest, case.kind, bad), case)
    answer = create(rest, case.kind, case.good)
    assert answer.code == 201, answer.message


@pytest.mark.parametrize("case", [case for case in RULES if case.before is not None], ids=str)
def test_a_rule_on_a_change(rest: Rest, case: RuleCase) -> None:
    assert case.before is not None
    answer = create(rest, case.kind, case.before)
    assert answer.code == 201, answer.message
    for bad in (case.bad, *case.detours):
        assert_refused(change(rest, case.kind, bad), case)
    answer = change(rest, case.kind, case.good)
    assert answer.code == 200, answer.message


@pytest.mark.parametrize("case", BAD_INPUT, ids=str)
def test_the_schema_refuses_bad_input(rest: Rest, case: BadInput) -> None:
    answer = create(rest, case.kind, case.patch)
    assert answer.code == 422, f"{answer.code} {answer.message}"
    assert case.where.split("[")[0] in answer.message


@pytest.mark.parametrize("kind", SMALLEST)
def test_defaults_are_the_models_own(rest: Rest, kind: str) -> None:
    stored = create(rest, kind, {}).body
    assert stored["status"] == {"observedGeneration": -1}
    assert parse(MODELS[kind], stored).spec == parse(MODELS[kind], made(kind, {})).spec


def test_defaults_are_as_documented(rest: Rest) -> None:
    # What else is left out depends on the engine, and is filled in by the operator.
    assert create(rest, "MemoryCluster", {}).body["spec"] == {"engine": "kafka"}
    assert create(rest, "BrokerPool", {}).body["spec"] == {
        "clusterRef": {"name": "agents"},
        "replicas": 3,
        "resources": {"memory": "1Gi"},
        "storage": {"size": "10Gi"},
    }
    assert create(rest, "MemoryTenant", {}).body["spec"] == {**SMALLEST["MemoryTenant"], "priorities": ["standard"]}
    assert create(rest, "MemoryClient", {}).body["spec"] == {
        **SMALLEST["MemoryClient"],
        "authentication": {"type": "ScramSha512"},
    }
    assert create(rest, "TopicFamily", {}).body["spec"] == {
        **SMALLEST["TopicFamily"],
        "topics": [{"name": "events", "key": "session", "partitions": 6, "compaction": "None"}],
        "priority": "standard",
        "maxEventBytes": "1Mi",
        "timestamps": "CreateTime",
        "compression": "producer",
        "deletionPolicy": "Retain",
        "retention": {"time": "720h"},
    }


def test_an_unknown_field_is_told(rest: Rest) -> None:
    answer = create(rest, "TopicFamily", spec(retentoin={"time": "1h"}))
    assert answer.code == 400
    assert 'unknown field "spec.retentoin"' in answer.message


def test_the_largest_objects_are_within_the_rules_cost(rest: Rest) -> None:
    namespaces = [{"name": f"n{number}" + "x" * 58, "segment": f"s{number}" + "y" * 58} for number in range(200)]
    assert create(rest, "MemoryTenant", spec(namespaces=namespaces)).code == 201
    topics = [
        {"name": f"t{number}", "partitions": 1000, "compaction": "KeepLatestAndExpire",
         "eventTypes": [f"type.{kind}.{'z' * 100}" for kind in range(64)]}
        for number in range(32)
    ]  # fmt: skip
    assert create(rest, "TopicFamily", spec(topics=topics)).code == 201
    grown = [{**topic, "key": "agent"} for topic in reversed(topics)]
    assert change(rest, "TopicFamily", spec(topics=grown)).code == 200
    access = [{"family": f"f{number}", "operations": ["Produce", "Consume", "Replay"]} for number in range(64)]
    assert create(rest, "MemoryClient", spec(access=access)).code == 201


def test_a_pool_is_scaled_through_its_subresource(rest: Rest) -> None:
    assert create(rest, "BrokerPool", {}).code == 201
    seen = {"status": {"replicas": 2, "selector": "agentmemory.dev/pool=sample"}}
    assert rest.call("PATCH", path_of("BrokerPool", "sample", "status"), seen, MERGE_PATCH).ok
    scale = rest.get(path_of("BrokerPool", "sample", "scale"))
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 2, "selector": "agentmemory.dev/pool=sample"}
    wanted = merged(scale, {"spec": {"replicas": 5}})
    assert rest.call("PUT", path_of("BrokerPool", "sample", "scale"), wanted).ok
    assert rest.get(path_of("BrokerPool", "sample"))["spec"]["replicas"] == 5
    too_many = rest.call("PATCH", path_of("BrokerPool", "sample", "scale"), {"spec": {"replicas": 101}}, MERGE_PATCH)
    assert too_many.code == 422


@pytest.mark.parametrize("kind", SMALLEST)
def test_spec_and_status_are_written_apart(rest: Rest, kind: str) -> None:
    assert create(rest, kind, {"status": {"observedGeneration": 7}}).body["status"] == {"observedGeneration": -1}
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Ready",
        "message": "",
        "lastTransitionTime": "2026-11-22T10:00:00Z",
        "observedGeneration": 1,
    }
    patch = {"spec": {"broken": True}, "status": {"observedGeneration": 1, "conditions": [condition]}}
    answer = rest.call("PATCH", path_of(kind, "sample", "status"), patch, MERGE_PATCH)
    assert answer.ok, answer.message
    assert answer.body["status"] == patch["status"], "defaults in a status would make it look changed"
    assert answer.body["metadata"]["generation"] == 1


def test_enforcement_entries_of_two_writers_are_merged_by_path(rest: Rest) -> None:
    assert create(rest, "TopicFamily", {}).code == 201
    for writer, path in (("one", "spec.retention.time"), ("two", "spec.residency")):
        body = {
            **{key: made("TopicFamily", {})[key] for key in ("apiVersion", "kind")},
            "metadata": {"name": "sample"},
            "status": {"enforcement": [{"path": path, "state": "Enforced", "mechanism": writer}]},
        }
        answer = rest.call("PATCH", path_of("TopicFamily", "sample", f"status?fieldManager={writer}"), body, APPLY)
        assert answer.ok, answer.message
    assert [entry["mechanism"] for entry in answer.body["status"]["enforcement"]] == ["one", "two"]


@pytest.mark.parametrize("kind", SMALLEST)
def test_columns_show_what_is_asked_for(rest: Rest, kind: str) -> None:
    assert create(rest, kind, {}).code == 201
    table = rest.get(path_of(kind), accept=TABLE)
    wanted = [column["name"] for column in BY_KIND[kind]["spec"]["versions"][0]["additionalPrinterColumns"]]
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", *wanted]
    assert {"Ready", "Reason", "Age"} <= set(wanted)
    assert table["rows"][0]["cells"][0] == "sample"


def test_kinds_are_found_by_category_and_short_name(rest: Rest) -> None:
    found = {entry["name"]: entry for entry in rest.get("/apis/agentmemory.dev/v1alpha1")["resources"]}
    short = {name: entry["shortNames"] for name, entry in found.items() if "/" not in name}
    assert short == {
        "memoryclusters": ["mc"],
        "brokerpools": ["bp"],
        "memorybuckets": ["mb"],
        "memorytenants": ["mt"],
        "topicfamilies": ["tf"],
        "memoryclients": ["mcl"],
    }
    assert all(found[name]["categories"] == ["agentmemory"] for name in short)
    assert [name for name in found if name.endswith("/scale")] == ["brokerpools/scale"]


def test_explain_has_words_for_every_field(rest: Rest) -> None:
    def described() -> dict[str, Any] | None:
        answer = rest.call("GET", "/openapi/v3/apis/agentmemory.dev/v1alpha1")
        schemas = answer.body.get("components", {}).get("schemas", {}) if answer.ok else {}
        found = {kind: schemas.get(f"dev.agentmemory.v1alpha1.{kind}", {}) for kind in BY_KIND}
        return found if all("properties" in schema for schema in found.values()) else None

    for kind, schema in until("OpenAPI of our group", described).items():
        silent = [path for part in ("spec", "status") for path in _silent(schema["properties"][part], f"{kind}.{part}")]
        assert silent == []


def _silent(schema: dict[str, Any], path: str) -> Iterator[str]:
    if not schema.get("description"):
        yield path
    for name, child in schema.get("properties", {}).items():
        yield from _silent(child, f"{path}.{name}")
    if schema.get("items", {}).get("type") == "object":
        yield from _silent(schema["items"], f"{path}[]")
