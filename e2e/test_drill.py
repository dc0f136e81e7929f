"""`kubectl memory drill broker-loss` from a person's machine, on a real cluster with a real application."""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e import recovery
from e2e.clusters import Cluster
from e2e.demo.story import PLATFORM, TEAM, Story
from e2e.kubectl import until
from e2e.plugin import memory


def drill(story: Story, *flags: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, report, and what was said on the way."""
    return memory(story.kubectl, "drill", "broker-loss", "agents", "-n", PLATFORM, *flags)


def test_a_lost_broker_is_measured_and_no_record_is_lost(cluster: Cluster, story: Story) -> None:
    if cluster.name != "stand":
        pytest.skip("only on the stand are pods reached from here; elsewhere the drill runs in a pod")
    plans: list[dict[str, Any]] = []

    def may_run() -> bool:
        code, plan, told = drill(story)
        assert (code, plan["ran"]) == (0, False), told
        plans.append(plan)
        return not plan["refusals"]

    until(may_run, 120, lambda: f"a drill is refused: {plans[-1]['refusals']}", every=2)
    plan = plans[-1]
    assert plan["copies"]["data"] is None, "on volumes that stay, only what is written meanwhile is copied"
    code, report, told = drill(story, "--run", "--yes", "--probe-client", f"{TEAM}/support-bot", "--timeout", "180")
    assert code == 0, f"{told}\n{json.dumps(report, indent=2)}"
    assert report["missing"] == []
    probe = report["probe"]
    assert probe["acknowledgedBefore"] > 0
    assert probe["lost"] == 0
    recovery.note(
        "broker pod killed (drill)",
        report["engine"],
        seconds=report["seconds"],
        firstAcknowledged=probe["firstAfter"],
        longestPause=probe["longestPause"],
        pauseOver=probe["pauseOver"],
        acknowledged=probe["acknowledged"],
        lost=probe["lost"],
        bytesCopied=report["bytesCopied"]["data"],
        bytesKnownBy=report["bytesCopied"]["how"],
    )
