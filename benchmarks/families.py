"""From the creation of a TopicFamily to its topic being Ready, one after the other, seen by a watch."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

import yaml

from agentmemory.core.key import Key
from agentmemory.kube.client import KubeClient
from agentmemory.kube.config import from_file
from benchmarks.result import Result
from e2e.demo.engine import EXAMPLES
from e2e.demo.story import TEAM

COUNT = 20
BAR = 2.0


def family(number: int) -> dict[str, Any]:
    obj: dict[str, Any] = yaml.safe_load((EXAMPLES / "family.yaml").read_text())
    obj["metadata"]["name"] = f"bench-{number}"
    obj["spec"]["deletionPolicy"] = "Delete"
    return obj


def is_ready(obj: dict[str, Any]) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def create_and_wait(kube: KubeClient, obj: dict[str, Any]) -> float:
    """Seconds from the request that creates it to the watch event that says Ready."""
    name = obj["metadata"]["name"]
    began = time.monotonic()
    made = await kube.create(obj)
    version = made["metadata"]["resourceVersion"]
    async for _, seen in kube.watch("TopicFamily", TEAM, version, seconds=60):
        if seen["metadata"]["name"] == name and is_ready(seen):
            return time.monotonic() - began
    raise TimeoutError(f"TopicFamily {TEAM}/{name} is not Ready after 60 s")


async def remove(kube: KubeClient, number: int) -> None:
    key = Key("TopicFamily", TEAM, f"bench-{number}")
    await kube.delete(key)
    while await kube.get(key) is not None:
        await asyncio.sleep(0.1)


async def measure(kubeconfig: Path) -> list[float]:
    async with KubeClient(await from_file(kubeconfig), manager="benchmark") as kube:
        times = [await create_and_wait(kube, family(number)) for number in range(COUNT)]
        for number in range(COUNT):
            await remove(kube, number)
    return times


def run(kubeconfig: Path, result: Result) -> None:
    times = sorted(asyncio.run(measure(kubeconfig)))
    result.details["familySeconds"] = [round(t, 3) for t in times]
    note = f"fastest {times[0]:.2f} s, slowest {times[-1]:.2f} s"
    result.add(f"family created to Ready, median of {COUNT}", statistics.median(times), "s", BAR, note)
