"""The operator is killed again and again while the five files are applied: the end is the same."""

from __future__ import annotations

import json
import random
import threading
import time
from functools import partial

import yaml

from e2e.clusters import Cluster
from e2e.demo.engine import EXAMPLES
from e2e.demo.story import PLATFORM, TEAM, Story
from e2e.kubectl import Kubectl, until
from e2e.release import NAMESPACE, ROLES, Release
from e2e.snapshot import differences, snapshot

FILES = ("cluster.yaml", "brokers.yaml", "tenant.yaml", "family.yaml", "client.yaml")
OTHER = {PLATFORM: "memory-killed", TEAM: "support-killed"}
KILLS = 10
# The kills fall into this many seconds after the files are applied (a quiet run needs about as long).
WINDOW = 45.0


def moved(kubectl: Kubectl, file: str) -> str:
    """An example, as the story has it by now (it edits some), in the other pair of namespaces."""
    example = yaml.safe_load((EXAMPLES / file).read_text())
    metadata = example["metadata"]
    live = kubectl.get(example["kind"].lower(), metadata["name"], metadata["namespace"])
    assert live
    text = json.dumps({**example, "spec": live["spec"]})
    for here, there in OTHER.items():
        text = text.replace(here, there)
    return text


def kill_at(moments: list[float], kubectl: Kubectl, release: Release, draw: random.Random, killed: list[str]) -> None:
    began = time.monotonic()
    for moment in moments:
        time.sleep(max(0.0, began + moment - time.monotonic()))
        role = draw.choice(ROLES)
        until(partial(release.pods, role), 30, partial("role {} has no pod".format, role))
        for pod in release.pods(role):
            kubectl("-n", NAMESPACE, "delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")
            killed.append(pod)


def test_the_same_end_after_ten_kills(cluster: Cluster, kubectl: Kubectl, release: Release, story: Story) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    moments = sorted(draw.uniform(0.0, WINDOW) for _ in range(KILLS))
    killed: list[str] = []
    texts = [moved(kubectl, name) for name in FILES]
    for namespace in OTHER.values():
        kubectl.ensure_namespace(namespace)
    killer = threading.Thread(target=kill_at, args=(moments, kubectl, release, draw, killed))
    killer.start()
    try:
        kubectl.apply(*texts)
        killer.join()
        assert len(killed) >= KILLS
        for text in texts:
            obj = yaml.safe_load(text)
            kubectl.wait_ready(obj["kind"].lower(), obj["metadata"]["name"], obj["metadata"]["namespace"], 240)
        reference = snapshot(kubectl, {PLATFORM: "platform", TEAM: "team"})
        perturbed = snapshot(kubectl, {OTHER[PLATFORM]: "platform", OTHER[TEAM]: "team"})
        differing = differences(reference, perturbed)
        assert not differing, "\n".join(differing)
    finally:
        killer.join()
        kubectl("delete", "--ignore-not-found", "-f", "-", stdin="\n---\n".join(texts[::-1]), timeout=180)
        cluster.end_pods(OTHER[PLATFORM])
        kubectl("-n", OTHER[PLATFORM], "delete", "persistentvolumeclaims", "--all", timeout=180)
