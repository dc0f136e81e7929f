"""The models refuse what the apiserver refuses, and say where, what and the way out."""

from typing import Any

import pytest

from agentmemory.api.base import parse
from agentmemory.api.memoryclient import MemoryClient
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.api.memorytenant import MemoryTenant
from agentmemory.api.topicfamily import TopicFamily
from agentmemory.core.errors import Invalid
from tests.api.tables import BAD_INPUT, MODELS, RULES, SMALLEST, BadInput, RuleCase, made, spec

ON_ONE_OBJECT = [case for case in RULES if case.before is None]

SAMPLE: dict[str, Any] = {
    "tenantRef": {"namespace": "memory-system", "name": "support"},
    "owner": {"team": "support-ai", "contact": "support-ai@example.com"},
    "topics": [
        {
            "name": "events",
            "eventTypes": ["tool.call", "tool.result", "policy.decision"],
            "key": "session",
            "partitions": 12,
            "compaction": "None",
        }
    ],
    "retention": {"time": "720h", "bytes": "200Gi"},
    "erasure": {"method": "Expiry", "maxDelay": "900h"},
    "residency": {"regions": ["eu-central-1"]},
    "priority": "standard",
    "classification": {"level": "confidential", "regulations": ["GDPR"]},
    "objectives": {"freshness": "5s"},
    "throughput": {"expected": "5Mi", "peak": 41943040},
    "maxEventBytes": "4Mi",
    "timestamps": "CreateTime",
    "compression": "producer",
    "deletionPolicy": "Retain",
}


def refusal(kind: str, patch: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        parse(MODELS[kind], made(kind, patch))
    return caught.value


@pytest.mark.parametrize("case", ON_ONE_OBJECT, ids=str)
def test_a_rule_lets_the_good_through_and_refuses_the_bad(case: RuleCase) -> None:
    parse(MODELS[case.kind], made(case.kind, case.good))
    for bad in (case.bad, *case.detours):
        error = refusal(case.kind, bad)
        assert error.reason == "InvalidSpec"
        assert case.message in error.message


@pytest.mark.parametrize("case", [case for case in RULES if case.before is not None], ids=str)
def test_what_only_a_change_makes_wrong_is_no_fault_of_the_object(case: RuleCase) -> None:
    parse(MODELS[case.kind], made(case.kind, case.bad))


@pytest.mark.parametrize("case", BAD_INPUT, ids=str)
def test_bad_input_is_refused_with_its_path_and_the_way_out(case: BadInput) -> None:
    message = refusal(case.kind, case.patch).message
    assert message.startswith(f"{case.where}: ")
    assert case.told in message


@pytest.mark.parametrize("kind", SMALLEST)
def test_the_smallest_object_is_taken_and_its_status_says_unseen(kind: str) -> None:
    found = parse(MODELS[kind], made(kind, {}))
    assert found.status.observed_generation == -1
    assert found.status.conditions == ()


@pytest.mark.parametrize("kind", SMALLEST)
def test_an_unknown_field_is_refused_in_a_spec_and_passed_over_in_a_status(kind: str) -> None:
    assert refusal(kind, spec(retentoin={})).message == (
        "spec.retentoin: is not a known field; remove it or mend its spelling"
    )
    parse(MODELS[kind], made(kind, {"status": {"fromTheFuture": 1}}))


def test_a_family_is_written_back_as_it_was_read() -> None:
    found = parse(TopicFamily, {"metadata": {"name": "trail"}, "spec": SAMPLE})
    assert found.spec.to_dict() == SAMPLE


def test_values_are_numbers_and_spans() -> None:
    found = parse(TopicFamily, {"metadata": {"name": "trail"}, "spec": SAMPLE}).spec
    assert found.retention.bytes == 200 * 2**30
    assert found.retention.time is not None
    assert found.retention.time.milliseconds == 720 * 3_600_000
    assert found.erasure is not None
    assert found.erasure.max_delay > found.retention.time


def test_metadata_is_read_as_far_as_reconcilers_need_it() -> None:
    obj = made("MemoryCluster", {"metadata": {"uid": "u1", "generation": 3, "annotations": {"a": "b"}, "unknown": 1}})
    obj["metadata"]["deletionTimestamp"] = "2026-11-22T10:00:00Z"
    found = parse(MemoryCluster, obj).metadata
    assert (found.name, found.namespace, found.uid, found.generation) == ("sample", "default", "u1", 3)
    assert found.annotations == {"a": "b"}
    assert found.deletion_timestamp is not None
    assert found.deletion_timestamp.isoformat() == "2026-11-22T10:00:00+00:00"


def test_many_faults_are_told_at_once_but_not_without_end() -> None:
    patch = spec(priority="x", deletionPolicy="x", compression="x", timestamps="x", owner={"team": 1, "contact": ""})
    message = refusal("TopicFamily", patch).message
    assert message.count("; ") == 5 + 3
    assert message.endswith("; and 1 more")


def test_a_long_value_is_shortened_in_the_message() -> None:
    message = refusal("TopicFamily", spec(owner={"team": "t" * 500})).message
    assert message == "spec.owner.team: string should have at most 128 characters (found '" + "t" * 59 + "...)"


def test_a_whole_object_that_is_none_is_refused() -> None:
    with pytest.raises(Invalid, match=r"metadata: is required; add it; spec: is required; add it"):
        parse(TopicFamily, {})


def test_models_cannot_be_changed() -> None:
    found = parse(MemoryCluster, made("MemoryCluster", {}))
    with pytest.raises(ValueError, match="frozen"):
        found.spec.replication.factor = 1  # type: ignore[misc]


def test_controllers_left_out_are_there_for_the_operator() -> None:
    controllers = parse(MemoryCluster, made("MemoryCluster", {})).spec.controllers
    assert (controllers.replicas, controllers.storage.size.text, controllers.resources.memory.text) == (
        3,
        "10Gi",
        "1Gi",
    )


def test_a_namespace_is_its_own_segment_unless_it_says_otherwise() -> None:
    patch = spec(namespaces=[{"name": "a"}, {"name": "b", "segment": "c"}])
    found = parse(MemoryTenant, made("MemoryTenant", patch)).spec.namespaces
    assert [namespace.effective_segment for namespace in found] == ["a", "c"]


@pytest.mark.parametrize(("patch", "expected"), [({}, "sample-kafka"), (spec(secretName="own"), "own")])
def test_a_clients_secret_has_a_name_without_being_given_one(patch: Any, expected: str) -> None:
    assert parse(MemoryClient, made("MemoryClient", patch)).secret_name == expected
