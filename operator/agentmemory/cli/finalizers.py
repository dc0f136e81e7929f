"""Takes the operator's finalizer off every object, so that nothing is left waiting for an operator that goes away."""

import sys
from collections.abc import Mapping, Sequence

import typer

from agentmemory.api.labels import FINALIZER
from agentmemory.core.errors import OperatorError
from agentmemory.core.key import key_of
from agentmemory.kube import config
from agentmemory.kube.client import KubeClient

# The kinds whose deletion has work to do.
KINDS = ("MemoryClient", "TopicFamily", "MemoryTenant", "MemoryBucket", "BrokerPool")


def without_ours(finalizers: Sequence[str]) -> list[str]:
    """What others put there."""
    return [name for name in finalizers if name != FINALIZER]


async def release(kube: KubeClient) -> int:
    """How many objects were released. Topics, users and ACLs stay in Kafka as they are. Raises OperatorError."""
    released = 0
    for kind in KINDS:
        objects, _ = await kube.list(kind)
        for obj in objects:
            metadata = obj["metadata"]
            present = metadata.get("finalizers") or []
            kept = without_ours(present)
            if kept == present:
                continue
            body = {"metadata": {"finalizers": kept}}
            await kube.merge_patch(key_of(obj), body, resource_version=metadata["resourceVersion"])
            released += 1
    return released


async def main(environ: Mapping[str, str]) -> int:
    """The command; returns its exit code."""
    try:
        async with KubeClient(await config.load(environ)) as kube:
            typer.echo(f"released {await release(kube)} object(s)")
    except OperatorError as error:
        print(f"error: {error.message}", file=sys.stderr)  # noqa: T201 - a person reads this
        return 1
    return 0
