"""A stage whose engine keeps nothing on its brokers, with Kafka as AutoMQ answers."""

from typing import Any

import pytest

from agentmemory.engines import registry
from agentmemory.engines.base import Capabilities
from agentmemory.engines.kafka.engine import KafkaEngine
from tests.engines.stage import NAMESPACE, POOL_KEY, Stage, cluster, pool
from tests.fakekafka import FakeKafka
from tests.fakekube.fixture import World

Object = dict[str, Any]

ORDER = ("exclude_broker", "reassign", "unregister_broker", "readmit_broker")


class SharedStorageEngine(KafkaEngine):
    """Apache Kafka's pods, with brokers that another may stand in for."""

    capabilities = Capabilities(runs_nodes=True, quorum="dynamic", stateless_brokers=True)


def use_shared_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine of every cluster in this test."""
    engine = SharedStorageEngine()
    monkeypatch.setattr(registry, "ENGINES", {**registry.ENGINES, engine.name: engine})


def set_stage(world: World, partitions: int = 6) -> Stage:
    """A stage with one topic of so many partitions."""
    stage = Stage.set(world)
    stage.kafka = FakeKafka(brokers=0, controllers=0, automq=True)
    stage.kafka.leader = -1
    stage.connections.serve(stage.kafka)
    stage.kafka.make("acme.a.b.events", partitions)
    return stage


async def rise(stage: Stage) -> None:
    """A cluster with one replica of everything, and a pool of three."""
    await stage.rise(cluster(replication={"factor": 1, "minInSync": 1}), pool())


async def rise_and_age(stage: Stage) -> None:
    """Up, and old enough for anything."""
    await rise(stage)
    await stage.world.clock.advance(3600)
    await stage.settle()
    stage.kafka.place()
    stage.kafka.calls.clear()


def brokers_of(world: World, key: str = POOL_KEY) -> dict[int, str]:
    return {broker["id"]: broker["state"] for broker in world.get(key)["status"]["brokers"]}


def steps(stage: Stage) -> list[str]:
    """What was written to Kafka, in order, repetitions in a row once."""
    found = [call.method for call in stage.kafka.writes() if call.method in ORDER]
    return [method for number, method in enumerate(found) if number == 0 or found[number - 1] != method]


def objects_of(world: World, node_id: int) -> list[str]:
    """What stands for a node."""
    kinds = {"Pod": "", "Service": "", "ConfigMap": "", "Secret": "-tls", "PersistentVolumeClaim": ""}
    return [kind for kind, end in kinds.items() if world.find(f"{kind}/{NAMESPACE}/mem-{node_id}{end}") is not None]
