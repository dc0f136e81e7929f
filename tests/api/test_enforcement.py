"""Enforcement entries: one for a path, in an order that does not depend on how they were found."""

from itertools import permutations

import pytest

from agentmemory.api import enforcement

ENTRIES = (
    enforcement.enforced("spec.retention.time", "the topic's retention.ms"),
    enforcement.depends_on_producer("spec.topics[events].key", "record key", "producers set the key"),
    enforcement.depends_on_network("spec.residency", "NetworkPolicy", "the network plugin keeps policies"),
    enforcement.unsupported("spec.erasure", "Apache Kafka cannot destroy keys; producers have to"),
    enforcement.unverified("spec.objectives.freshness", "consumer lag", "no consumer has been seen"),
)


def test_each_helper_writes_its_state() -> None:
    assert [entry.state for entry in ENTRIES] == [
        "Enforced",
        "DependsOnProducer",
        "DependsOnNetwork",
        "Unsupported",
        "Unverified",
    ]


def test_the_list_is_the_same_whatever_the_order() -> None:
    wanted = enforcement.to_list(ENTRIES)
    assert [entry["path"] for entry in wanted] == sorted(entry.path for entry in ENTRIES)
    assert {
        "path": "spec.residency",
        "state": "DependsOnNetwork",
        "mechanism": "NetworkPolicy",
        "reason": "the network plugin keeps policies",
    } in wanted
    for order in permutations(ENTRIES):
        assert enforcement.to_list(order) == wanted


def test_two_entries_for_one_path_are_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match=r"two enforcement entries for spec\.erasure"):
        enforcement.to_list([ENTRIES[3], enforcement.enforced("spec.erasure", "both")])
