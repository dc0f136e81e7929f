"""Each reason against a drill, alone; and that nothing speaks against it when all is well."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentmemory.api.base import parse
from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.labels import PAUSED
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.cli.drill.engine import AUTOMQ, Recovery
from agentmemory.cli.drill.facts import Facts
from agentmemory.cli.drill.safety import refusals, selects
from agentmemory.kafka.model import PartitionRef, StopCheck
from tests.cli.drill.builders import BORN, IDS, NOT_READY, NOW, budget, cluster, facts, kafka, part, pod, pool

KAFKA = Recovery(stateless=False)
LAGS = kafka(parts=[part(0, 1000, isr=(1000, 1001))])
PAUSE = {"annotations": {PAUSED: "true"}}


def clusters(**metadata: Any) -> dict[str, Any]:
    return {"cluster": parse(MemoryCluster, cluster(**metadata))}


def pools(obj: dict[str, Any]) -> dict[str, Any]:
    return {"pools": {"brokers": parse(BrokerPool, obj)}}


@pytest.mark.parametrize("recovery", [KAFKA, AUTOMQ])
def test_nothing_speaks_against_it_when_all_is_well(recovery: Recovery) -> None:
    found = facts()
    assert refusals(found, found.brokers[1001], recovery) == ()


@pytest.mark.parametrize(
    ("changed", "reason", "words"),
    [
        (facts(**clusters(**PAUSE)), "Paused", "MemoryCluster main is paused"),
        (facts(**pools(pool(**PAUSE))), "Paused", "BrokerPool brokers is paused"),
        (facts(**clusters(generation=2)), "NotReady", "its last change is not taken up yet"),
        (facts(**pools(pool(conditions=NOT_READY))), "NotReady", "Rolling: replacing main-1001"),
        (facts(**pools(pool(conditions=[]))), "NotReady", "it has not been looked at"),
        (facts(pods=[pod(1000), pod(1001, ready=False)]), "BrokerNotReady", "pod main-1001 is Starting"),
        (facts(pods=[pod(1000, ready=False), pod(1001)]), "BrokerMissing", "pod main-1000 is not ready"),
        (facts(pods=[pod(1001)]), "OnlyBroker", "raise spec.replicas of its pool to 2"),
        (facts(budgets=(budget(0),)), "DisruptionBudget", "main-brokers allows no disruption now"),
        (facts(budgets=(budget(None),)), "DisruptionBudget", "has not been counted yet"),
        (facts(kafka=None, asked="no way"), "KafkaNotAsked", "(no way); give --admin-secret"),
        (facts(kafka=kafka(whole=False)), "KafkaNotAsked", "run `kubectl memory` in a pod"),
        (facts(stop=None), "KafkaNotAsked", "min.insync.replicas"),
        (facts(kafka=kafka(registered=(1000, 1002))), "NotRegistered", "broker 1001"),
        (facts(kafka=LAGS), "OutOfSync", "partitions still copying: t-0; wait"),
        (facts(stop=StopCheck((PartitionRef("t", 0),), ())), "MinInSync", "main-1001 these partitions take no writes"),
        (facts(stop=StopCheck((), (PartitionRef("t", 0),))), "MinInSync", "t-0; raise the copies"),
    ],
)
def test_each_reason_comes_with_its_way_out(changed: Facts, reason: str, words: str) -> None:
    found = refusals(changed, changed.brokers[1001], KAFKA)
    assert reason in [refusal.reason for refusal in found]
    assert words in next(refusal.message for refusal in found if refusal.reason == reason)


def test_many_partitions_are_counted() -> None:
    refs = tuple(PartitionRef("t", number) for number in range(5))
    found = facts(stop=StopCheck(refs, ()))
    (refusal,) = refusals(found, found.brokers[1001], KAFKA)
    assert "t-0, t-1, t-2 and 2 more" in refusal.message


def test_a_stateless_broker_needs_no_look_at_copies() -> None:
    found = facts(kafka=None, stop=None)
    assert refusals(found, found.brokers[1001], AUTOMQ) == ()
    found = facts(stop=None)
    assert refusals(found, found.brokers[1001], AUTOMQ) == ()


@pytest.mark.parametrize(("age", "left"), [(10, "50 s"), (59, "1 s")])
def test_a_young_node_is_not_taken_over(age: int, left: str) -> None:
    found = facts(now=BORN + timedelta(seconds=3 + age))
    (refusal,) = refusals(found, found.brokers[1001], AUTOMQ)
    assert refusal.reason == "TooYoung"
    assert refusal.message.endswith(left)
    assert refusals(found, found.brokers[1001], KAFKA) == ()
    assert refusals(replace(found, now=NOW), found.brokers[1001], AUTOMQ) == ()


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "In", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selectors(selector: dict[str, Any] | None, taken: bool) -> None:
    assert selects(selector, {"a": "1"}) is taken


def test_somebody_elses_budget_does_not_count() -> None:
    other = budget(0)
    other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    found = facts(budgets=(other,))
    assert refusals(found, found.brokers[IDS[0]], KAFKA) == ()
