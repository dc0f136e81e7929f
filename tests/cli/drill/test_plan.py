"""The plan, engine by engine: by when, who, what is copied, what a person does, what is not known."""

from datetime import timedelta

import pytest

from agentmemory.cli.drill.engine import AUTOMQ, GIB, Recovery, recovery_of
from agentmemory.cli.drill.facts import Facts, Start, start_of
from agentmemory.cli.drill.plan import How, Plan, copies, plan_of
from agentmemory.core.errors import Invalid
from tests.cli.drill.builders import BORN, IDS, facts, kafka, pod

KAFKA = Recovery(stateless=False)
BARE = [pod(node, restarts=1) for node in IDS]


def planned(found: Facts, recovery: Recovery, how: How = "Kill") -> Plan:
    return plan_of(found, found.brokers[1001], recovery, how)


def times(plan: Plan) -> dict[str, float | None]:
    return {step.name: step.by for step in plan.steps}


def test_a_killed_broker_of_kafka() -> None:
    plan = planned(facts(), KAFKA)
    assert times(plan) == {
        "gone": 1,
        "fenced": 10,
        "moved": 10,
        "scheduled": 2,
        "started": 4,
        "ready": 9,
        "registered": 10,
        "synced": None,
        "settled": None,
    }
    assert (plan.leads, plan.hosts, plan.broker, plan.pod) == (1, 3, 1001, "main-1001")
    assert (plan.cluster, plan.engine) == ("memory-system/main", "kafka 4.3.1")
    assert all(step.source for step in plan.steps)


def test_an_orderly_end_moves_leaders_first() -> None:
    plan = planned(facts(), KAFKA, "Graceful")
    assert (times(plan)["gone"], times(plan)["fenced"], times(plan)["moved"]) == (60, 60, 60)


def test_automq_looks_every_second_and_not_at_young_nodes() -> None:
    assert times(planned(facts("automq"), AUTOMQ))["moved"] == 11
    young = facts("automq", now=BORN + timedelta(seconds=3 + 20))
    assert times(planned(young, AUTOMQ))["moved"] == 41
    moved = next(step for step in planned(young, AUTOMQ).steps if step.name == "moved")
    assert "not within 60 s of its start" in moved.source


def test_what_no_pod_shows_is_unknown() -> None:
    plan = planned(facts(pods=BARE), KAFKA)
    assert [times(plan)[name] for name in ("scheduled", "started", "ready", "registered")] == [None] * 4
    assert any("how long a broker takes to start" in words for words in plan.unknown)


@pytest.mark.parametrize(
    ("found", "recovery", "data", "words"),
    [
        (facts("automq"), AUTOMQ, 0, "no data; another broker replays at most 1Gi"),
        (facts(), KAFKA, None, "only what is written while it is away: 1.5 kB of 2 replicas (DescribeLogDirs) stay"),
        (facts(sizes=None), KAFKA, None, "at most 10Gi (spec.storage.size; Kafka did not tell)"),
        (facts(pods=[pod(n, claim=False) for n in IDS]), KAFKA, 1500, "all of it, since its space goes with the pod"),
        (facts(pods=[pod(n, claim=False) for n in IDS], sizes=None), KAFKA, None, "all of it"),
        (facts(pools={}, sizes=None), KAFKA, None, "at most its disk's size"),
    ],
)
def test_what_is_copied(found: Facts, recovery: Recovery, data: int | None, words: str) -> None:
    made = copies(found, found.brokers[1001], recovery)
    assert made.data == data
    assert words in made.words


def test_a_lost_machine_asks_a_person_only_where_data_was_on_it() -> None:
    told = planned(facts(), KAFKA).machine
    assert any("kubectl taint node machine-1 node.kubernetes.io/out-of-service" in words for words in told)
    told = planned(facts("automq"), AUTOMQ).machine
    assert "a person: nothing" in told
    assert not any("taint" in words for words in told)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (facts(kafka=None, asked="no credentials"), "Kafka was not asked (no credentials)"),
        (facts(kafka=kafka(whole=False)), "which sees its own topics only"),
    ],
)
def test_what_could_not_be_asked_is_said(found: Facts, words: str) -> None:
    assert any(words in said for said in planned(found, KAFKA).unknown)


def test_the_engines() -> None:
    assert recovery_of("automq").replayed == GIB
    assert not recovery_of("kafka").stateless
    with pytest.raises(Invalid, match="not known"):
        recovery_of("pulsar")


def test_a_start_is_read_from_the_pod() -> None:
    assert start_of(pod(1000)) == Start(1, 2, 5)
    assert start_of(pod(1000, ready=False)) is None
    assert start_of(pod(1000, restarts=1)) is None
    late = pod(1000)
    late["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = "2025-12-31T11:59:00Z"
    assert start_of(late) is None  # ready before it began: the container was started again in place
