"""Takes the demo's objects off a cluster that was there before it, in the order in which people should."""

from __future__ import annotations

from rich.console import Console

from e2e import objectstore
from e2e.demo.engine import Engine
from e2e.demo.story import PLATFORM, TEAM
from e2e.release import NAMESPACE, Release

CRDS = ("memoryclusters", "brokerpools", "memorytenants", "topicfamilies", "memoryclients", "memorybuckets")


def remove(release: Release, console: Console, name: str = "kafka") -> None:
    kubectl, engine = release.kubectl, Engine(name)
    on_buckets = name == "automq"
    files = ["client.yaml", "family.yaml", "tenant.yaml", "brokers.yaml", "cluster.yaml"]
    for file in [*files, *(["buckets.yaml"] if on_buckets else [])]:
        console.print(f"deleting {file} …")
        kubectl("delete", "--ignore-not-found", "-f", str(engine.example(file)), timeout=180)
    console.print("uninstalling the operator …")
    release.uninstall()
    for crd in CRDS:
        kubectl.delete("crd", f"{crd}.agentmemory.dev")
    for namespace in (TEAM, PLATFORM, NAMESPACE, *([objectstore.NAMESPACE] if on_buckets else [])):
        console.print(f"deleting namespace {namespace} …")
        kubectl.delete("namespace", namespace, timeout=300)
    console.print("removed")
