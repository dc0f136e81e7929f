"""Takes the demo's objects off a cluster that was there before it, in the order in which people should."""

from __future__ import annotations

from rich.console import Console

from e2e.demo.story import EXAMPLES, PLATFORM, TEAM
from e2e.release import NAMESPACE, Release

CRDS = ("memoryclusters", "brokerpools", "memorytenants", "topicfamilies", "memoryclients")


def remove(release: Release, console: Console) -> None:
    kubectl = release.kubectl
    for name in ("client.yaml", "family.yaml", "tenant.yaml", "brokers.yaml", "cluster.yaml"):
        console.print(f"deleting {name} …")
        kubectl("delete", "--ignore-not-found", "-f", str(EXAMPLES / name), timeout=180)
    console.print("uninstalling the operator …")
    release.uninstall()
    for crd in CRDS:
        kubectl.delete("crd", f"{crd}.agentmemory.dev")
    for namespace in (TEAM, PLATFORM, NAMESPACE):
        console.print(f"deleting namespace {namespace} …")
        kubectl.delete("namespace", namespace, timeout=300)
    console.print("removed")
