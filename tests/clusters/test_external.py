"""Brokers that somebody else runs."""

import base64
from typing import Any

import pytest

from agentmemory.api.conditions import is_ready
from agentmemory.api.memorycluster import External
from agentmemory.clusters.external import read_credentials, trouble
from agentmemory.clusters.reconcile import ClusterReconciler
from agentmemory.core.errors import Bug, Invalid, Transient
from agentmemory.core.key import Key
from agentmemory.engines.handover import SECRET, unpack
from tests.engines.stage import CLUSTER_KEY, NAMESPACE, cluster
from tests.fakekafka import FakeKafka, FakePool
from tests.fakekube.fixture import World

Object = dict[str, Any]

SPEC = {"bootstrapServers": "kafka.example.com:9093", "credentialsSecretRef": {"name": "way-in"}}
TLS = {"ca.crt": "ca", "tls.crt": "cert", "tls.key": "key"}
SCRAM = {"ca.crt": "ca", "username": "operator", "password": "secret"}
KEY = Key("MemoryCluster", NAMESPACE, "mem")


def secret(values: dict[str, str]) -> Object:
    data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    names = {"name": "way-in", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": names, "data": data}


def external(**spec: Any) -> Object:
    return cluster(engine="external", external=SPEC, **spec)


def begin(world: World, kafka: FakeKafka) -> FakePool:
    pool = FakePool(kafka)
    world.cluster.namespace(world.settings.namespace)
    world.kafka(pool)
    world.use(ClusterReconciler)
    return pool


@pytest.mark.parametrize("values", [TLS, SCRAM])
async def test_ready_once_the_brokers_answer(world: World, values: dict[str, str]) -> None:
    pool = begin(world, FakeKafka(brokers=4, cluster_id="theirs"))
    world.put(external(region={"name": "eu-central-1"}), secret(values))
    await world.run_until_quiet()
    found = world.get(CLUSTER_KEY)
    assert is_ready(found)
    status = {name: value for name, value in found["status"].items() if name not in ("conditions", "enforcement")}
    assert status == {
        "observedGeneration": 1,
        "bootstrapServers": "kafka.example.com:9093",
        "caSecretName": "way-in",
        "clusterId": "theirs",
        "brokers": {"registered": 4},
        "places": [
            {
                "name": "Host/kafka.example.com",
                "state": "Declared",
                "by": "the name alone does not tell where brokers that somebody else runs keep their data",
            }
        ],
    }
    assert {entry["state"] for entry in found["status"]["enforcement"]} == {"Unverified"}
    handed = world.get(f"Secret/{world.settings.namespace}/{SECRET}")["data"][f"{NAMESPACE}.mem.json"]
    assert unpack(base64.b64decode(handed).decode()) == pool.credentials[KEY]
    assert world.cluster.list("Pod") == []
    world.fake.requests.clear()
    await world.resync(within=120)
    assert world.fake.requests.writes() == []


@pytest.mark.parametrize(
    ("values", "reason", "words"),
    [
        (None, "CredentialsMissing", "Secret way-in does not exist"),
        ({"ca.crt": "ca"}, "InvalidCredentials", "tls.crt and tls.key"),
        ({"tls.crt": "cert"}, "InvalidCredentials", "tls.key"),
    ],
)
async def test_credentials_that_do_not_do(world: World, values: dict[str, str] | None, reason: str, words: str) -> None:
    begin(world, FakeKafka())
    world.put(external(), *([] if values is None else [secret(values)]))
    await world.run_until_quiet(within=30)
    told = world.condition(CLUSTER_KEY)
    assert (told["status"], told["reason"]) == ("False", reason)
    assert words in told["message"]
    world.put(secret(TLS))
    await world.run_until_quiet(within=30)
    assert world.condition(CLUSTER_KEY)["status"] == "True"


async def test_brokers_that_go_away_and_come_back(world: World) -> None:
    kafka = FakeKafka()
    begin(world, kafka)
    world.put(external(), secret(TLS))
    await world.run_until_quiet()
    kafka.available = False
    world.fake.requests.clear()
    await world.run_until_quiet(within=300)
    assert world.condition(CLUSTER_KEY)["reason"].startswith("Kafka")
    assert world.get(CLUSTER_KEY)["status"]["clusterId"] == "fake"
    assert len(world.fake.requests.writes()) == 1
    kafka.available = True
    await world.run_until_quiet(within=30)
    assert world.condition(CLUSTER_KEY)["status"] == "True"


async def test_an_address_that_leads_to_another_cluster_is_not_handed_over(world: World) -> None:
    kafka = FakeKafka(cluster_id="first")
    begin(world, kafka)
    world.put(external(), secret(TLS))
    await world.run_until_quiet()
    kafka.cluster_id = "second"
    world.edit(CLUSTER_KEY, {"spec": {"external": {"bootstrapServers": "elsewhere:9093"}}})
    await world.run_until_quiet()
    assert world.condition(CLUSTER_KEY)["reason"] == "ClusterChanged"
    assert world.get(CLUSTER_KEY)["status"]["clusterId"] == "first"
    handed = world.get(f"Secret/{world.settings.namespace}/{SECRET}")["data"][f"{NAMESPACE}.mem.json"]
    assert unpack(base64.b64decode(handed).decode()).bootstrap == "kafka.example.com:9093"


async def test_more_copies_than_brokers(world: World) -> None:
    begin(world, FakeKafka(brokers=1))
    world.put(external(), secret(TLS))
    await world.run_until_quiet()
    assert world.condition(CLUSTER_KEY)["reason"] == "FactorExceedsBrokers"
    assert world.find(f"Secret/{world.settings.namespace}/{SECRET}") is None


async def test_only_what_external_needs(world: World) -> None:
    begin(world, FakeKafka())
    world.put(cluster(engine="external"))
    await world.run_until_quiet()
    told = world.condition(CLUSTER_KEY, "Accepted")
    assert (told["status"], told["reason"]) == ("False", "InvalidSpec")


def test_what_errors_say() -> None:
    assert trouble(Transient("A", "b")).kind == "Progressing"
    assert trouble(Invalid("A", "b")).kind == "Stalled"
    with pytest.raises(Bug):
        trouble(Bug("A", "b"))


def test_credentials_name_the_address() -> None:
    found = read_credentials(External.model_validate(SPEC), secret(SCRAM))
    assert (found.bootstrap, found.username, found.security_protocol) == (
        "kafka.example.com:9093",
        "operator",
        "SASL_SSL",
    )
