"""The main job, as `make demo` tells it, on real brokers."""

from __future__ import annotations

import pytest

from e2e.clusters import Cluster
from e2e.demo.story import EVENTS, PLATFORM, TEAM, Story
from e2e.kubectl import told, until
from e2e.plugin import places
from e2e.stand.node import REGION


def test_from_apply_to_a_killed_broker_nothing_is_lost(story: Story) -> None:
    story.tell()
    facts = story.recorder.facts
    assert all(item["ready"] == "True" for item in facts["objects"])
    assert {item["kind"] for item in facts["objects"]} == {
        "MemoryCluster",
        "BrokerPool",
        "MemoryTenant",
        "TopicFamily",
        "MemoryClient",
    }
    assert facts["records"]["lost"] == 0
    assert facts["replay"]["read"] == EVENTS
    assert set(facts["replay"]["byType"]) == {
        "prompt",
        "tool.call",
        "tool.result",
        "policy.decision",
        "correction",
        "retrieval.result",
        "model.response",
        "evaluation",
    }


def test_a_promise_of_regions_is_kept_where_every_place_says_so(cluster: Cluster, story: Story) -> None:
    """The machines say where they are, as a cloud's do: no place of brokers and controllers is taken on trust."""
    if cluster.name != "stand":
        pytest.skip(f"on the stand machines have a region's label; the cluster is {cluster.name}")
    found = places(story.kubectl, PLATFORM, "agents")
    assert set(found.values()) == {(REGION, "Verified")}, found
    pods = story.kubectl.list("pod", PLATFORM, "agentmemory.dev/cluster=agents")
    machines = {f"Node/{pod['spec']['nodeName']}" for pod in pods}
    assert found.keys() == machines | {f"Volume/{pod['metadata']['name']}" for pod in pods}
    until(lambda: enforced(story), 30, lambda: told(story.kubectl.get("topicfamily", "trail", TEAM)))


def enforced(story: Story) -> bool:
    """Whether the family's own status says so."""
    family = story.kubectl.get("topicfamily", "trail", TEAM) or {}
    entries = {entry["path"]: entry["state"] for entry in family["status"]["enforcement"]}
    return bool(entries["spec.residency.regions"] == "Enforced")
