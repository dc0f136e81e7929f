"""The application that a drill writes as: found, or refused with what to name instead."""

import base64
from typing import Any

import pytest

from agentmemory.api.base import parse
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.cli.drill.application import find
from agentmemory.core.errors import Invalid
from tests.cli.drill.builders import cluster
from tests.fakekube.fixture import World

CLUSTER = parse(MemoryCluster, cluster())
TENANT = {"tenantRef": {"namespace": "memory-system", "name": "support"}}
BOOTSTRAP = "main-bootstrap.memory-system.svc:9092"


def client(operations: list[str]) -> dict[str, Any]:
    access = [{"family": "calls", "operations": operations}]
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "MemoryClient",
        "metadata": {"name": "agents", "namespace": "team"},
        "spec": {**TENANT, "access": access},
    }


def family(compaction: str = "None") -> dict[str, Any]:
    retention = {"retention": {"time": "24h"}} if compaction == "None" else {}
    topic = {"name": "events", "eventTypes": ["tool.call"], "compaction": compaction}
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "TopicFamily",
        "metadata": {"name": "calls", "namespace": "team"},
        "spec": {**TENANT, "owner": {"team": "t", "contact": "t@example.com"}, "topics": [topic]} | retention,
        "status": {"topics": [{"name": "events", "topicName": "support.team.calls.events"}]},
    }


def secret(bootstrap: str = BOOTSTRAP) -> dict[str, Any]:
    values = {"bootstrap.servers": bootstrap, "username": "u", "password": "p", "sasl.mechanism": "SCRAM-SHA-512"}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "agents-kafka", "namespace": "team"},
        "data": data,
    }


async def looked_for(world: World, *objects: dict[str, Any], named: str = "team/agents") -> Any:
    for obj in objects:
        world.put(obj)
        if "status" in obj:
            from agentmemory.core.key import key_of

            world.cluster.set_status(key_of(obj), obj["status"])
    return await find(world.ctx.kube, CLUSTER, named, "memory-system")


async def test_the_first_family_that_it_may_write_and_read(world: World) -> None:
    found = await looked_for(world, client(["Produce", "Replay"]), family(), secret())
    assert (found.name, found.topic, found.event_type) == ("team/agents", "support.team.calls.events", "tool.call")
    assert found.credentials.username == "u"
    assert not found.way().whole
    assert "p" not in repr(found.credentials).split()


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([], "there is no MemoryClient/team/agents"),
        ([client(["Produce"]), family(), secret()], "may not both write"),
        ([client(["Consume"]), family(), secret()], "may not both write"),
        ([client(["Produce", "Consume"]), secret()], "there is no TopicFamily/team/calls"),
        ([client(["Produce", "Consume"]), family() | {"status": {}}, secret()], "has no topic yet"),
        ([client(["Produce", "Consume"]), family("KeepLatest"), secret()], "are compacted"),
        ([client(["Produce", "Consume"]), family()], "Secret/team/agents-kafka of"),
        ([client(["Produce", "Consume"]), family(), secret("elsewhere:9092")], "belongs to another cluster"),
    ],
)
async def test_what_does_not_fit_is_refused(world: World, objects: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(Invalid) as caught:
        await looked_for(world, *objects)
    assert words in caught.value.message
