"""The main job, as `make demo` tells it, on real brokers."""

from __future__ import annotations

from e2e.demo.story import EVENTS, Story


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
