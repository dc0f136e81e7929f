"""What engine kafka-tiered refuses and waits for, and a tiered cluster from its Secrets to their rotation."""

from typing import Any

import pytest

from agentmemory.core.key import Key
from agentmemory.engines.kafka_tiered.engine import TieredKafkaEngine
from agentmemory.engines.kafka_tiered.policy import settings_trouble
from agentmemory.engines.kafka_tiered.secrets import no_session
from tests.engines.builders import cluster_model
from tests.engines.stage import CLUSTER_KEY, NAMESPACE, POOL_KEY, Stage, cluster, pool
from tests.fakekube.fixture import World
from tests.teams import conditions

Object = dict[str, Any]
ENGINE = TieredKafkaEngine()
CUSTOM = {"profile": "Custom", "bucketRef": None, "className": "org.example.Store", "classPath": "/opt/store/*"}
PAIR = {"storage.aws.access.key.id": "AKIA", "storage.aws.secret.access.key": "planted"}

# name: spec.tiering beside bucketRef, the reason why it is refused (None: it is not), words of the message
DECLARED: dict[str, tuple[Object, str | None, tuple[str, ...]]] = {
    "smallest": ({}, None, ()),
    "settings": ({"properties": {"chunk.size": "1", "encryption.key.pairs.a.private.key.file": "/k/a.pem"}}, None, ()),
    "where keys come from": (
        {"properties": {"storage.aws.credentials.provider.class": "software.amazon.awssdk.auth.Other"}},
        None,
        (),
    ),
    "custom": ({**CUSTOM, "properties": {"storage.s3.bucket.name": "b"}}, None, ()),
    "a key": (
        {"properties": {"storage.aws.secret.access.key": "x"}},
        "SecretInProperties",
        ("storage.aws.secret.access.key", "ConfigMap", "spec.tiering.secretRef"),
    ),
    "a password": ({**CUSTOM, "properties": {"sftp.Password": "x"}}, "SecretInProperties", ("sftp.Password",)),
    "a token": ({"properties": {"storage.azure.sas.token": "x"}}, "SecretInProperties", ("storage.azure.sas.token",)),
    "another bucket": (
        {"properties": {"storage.s3.bucket.name": "b"}},
        "BucketInProperties",
        ("storage.s3.bucket.name", "MemoryBucket segments", "profile Custom"),
    ),
    "another prefix": ({"properties": {"key.prefix": "b"}}, "BucketInProperties", ("key.prefix",)),
}


@pytest.mark.parametrize("case", DECLARED)
def test_declarations(case: str) -> None:
    tiering, reason, words = DECLARED[case]
    found = ENGINE.check_cluster(
        cluster_model(engine="kafka-tiered", tiering={"bucketRef": {"name": "segments"}, **tiering})
    )
    if reason is None:
        assert found is None
        return
    assert found is not None
    assert (found.kind, found.reason) == ("Refused", reason)
    assert all(word in found.message for word in words), found.message


def test_what_engine_kafka_refuses_is_refused_here_too() -> None:
    declared = cluster_model(engine="kafka-tiered", tiering={"bucketRef": {"name": "s"}}, version="3.9.0")
    found = ENGINE.check_cluster(declared)
    assert found is not None
    assert found.reason == "UnknownVersion"


def test_families_must_not_compact() -> None:
    assert not ENGINE.capabilities.compaction


# name: what the Secret of secretRef holds, spec.tiering beside bucketRef, the reason to wait, words
SECRETS: dict[str, tuple[dict[str, str], Object, str | None, tuple[str, ...]]] = {
    "good": ({"encryption.key": "x"}, {}, None, ()),
    "keys of its own": (PAIR, {}, None, ()),
    "one of two in another plugin": ({"storage.aws.access.key.id": "x"}, CUSTOM, None, ()),
    "nothing": ({}, {}, "SecretEmpty", ("has no keys",)),
    "no value": ({"a": "x", "b": ""}, {}, "SecretIncomplete", ("no text for b",)),
    "twice": ({"a.key": "x"}, {"properties": {"a.key": "y"}}, "SettingTwice", ("a.key", "remove one")),
    "half a pair": (
        {"storage.aws.access.key.id": "x"},
        {},
        "SecretIncomplete",
        ("add storage.aws.secret.access.key",),
    ),
    "the bucket's": ({"storage.s3.endpoint.url": "x"}, {}, "BucketInProperties", ("the MemoryBucket decides",)),
}


@pytest.mark.parametrize("case", SECRETS)
def test_secrets(case: str) -> None:
    values, tiering, reason, words = SECRETS[case]
    declared = cluster_model(engine="kafka-tiered", tiering={"bucketRef": {"name": "segments"}, **tiering}).spec.tiering
    assert declared is not None
    found = settings_trouble(declared, "keys", values)
    if reason is None:
        assert found is None
        return
    assert found is not None
    assert (found.kind, found.reason) == ("Progressing", reason)
    assert all(word in found.message for word in ("Secret keys", *words)), found.message
    assert "planted" not in found.message


# A cluster's story


def secret(name: str, **values: str) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


def bucket() -> Object:
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "MemoryBucket",
        "metadata": {"name": "segments", "namespace": NAMESPACE},
        "spec": {
            "purpose": "Data",
            "region": "eu-central-1",
            "s3": {"endpoint": "http://s3.storage.svc:7070", "credentialsSecretRef": {"name": "s3-keys"}},
        },
    }


def tiered() -> Object:
    tiering = {"bucketRef": {"name": "segments"}, "secretRef": {"name": "plugin-keys"}}
    one = {"controllers": {"replicas": 1}, "replication": {"factor": 1, "minInSync": 1}}
    return cluster(engine="kafka-tiered", image="example/kafka-tiered:1", tiering=tiering, **one)


def said(world: World, key: str = CLUSTER_KEY) -> tuple[str, str]:
    """Reason and message of Ready."""
    (found,) = [one for one in world.get(key)["status"]["conditions"] if one["type"] == "Ready"]
    return found["reason"], found["message"]


KEYS = secret("s3-keys", AWS_ACCESS_KEY_ID="AKIA", AWS_SECRET_ACCESS_KEY="planted-bucket")
SETTINGS = secret("plugin-keys", **{"encryption.key": "planted-plugin"})


async def test_from_missing_secrets_to_their_rotation(world: World) -> None:
    stage = Stage.set(world)
    await stage.rise(tiered(), pool(replicas=2))
    assert said(world) == (
        "SecretMissing",
        f"Secret plugin-keys, named by spec.tiering.secretRef, does not exist in namespace {NAMESPACE}; create it",
    )
    world.put(SETTINGS)
    await stage.settle(within=20)
    assert said(world)[0] == "BucketNotFound"
    world.put(bucket())
    await stage.settle(within=20)
    assert said(world)[0] == "CredentialsMissing"
    good = {"conditions": conditions(Accepted="True", Ready="True"), "usedBy": ["mem"]}
    world.cluster.set_status(Key("MemoryBucket", NAMESPACE, "segments"), good)
    world.put(secret("s3-keys", AWS_ACCESS_KEY_ID="AKIA"))
    await stage.settle(within=20)
    assert "has no AWS_SECRET_ACCESS_KEY; add what is missing" in said(world)[1]
    assert stage.pods() == {}
    world.put(KEYS)
    await stage.settle(within=60)
    assert said(world)[0] == "Ready"

    brokers = {name: uid for name, uid in stage.pods().items() if "-100" in name}
    assert len(brokers) == 2
    rendered = [repr(found) for kind in ("ConfigMap", "Pod", "Event") for found in world.cluster.list(kind)]
    rendered += [repr(world.get(key)) for key in (CLUSTER_KEY, POOL_KEY)]
    assert not [text for text in rendered if "planted" in text or "AKIA" in text]

    controllers = stage.pods().keys() - brokers.keys()
    before = {name: stage.pods()[name] for name in controllers}
    world.put(secret("plugin-keys", **{"encryption.key": "planted-anew"}))
    await stage.settle(within=1500)
    assert not set(brokers.items()) & set(stage.pods().items())
    assert {name: stage.pods()[name] for name in controllers} == before


@pytest.mark.parametrize(
    ("tiering", "values", "refused"),
    [
        ({}, {"AWS_SESSION_TOKEN": "planted"}, True),
        ({}, {"AWS_SESSION_TOKEN": ""}, False),
        ({}, {}, False),
        (CUSTOM, {"AWS_SESSION_TOKEN": "planted"}, False),
    ],
)
def test_session_tokens(tiering: Object, values: dict[str, str], refused: bool) -> None:
    declared = cluster_model(engine="kafka-tiered", tiering={"bucketRef": {"name": "segments"}, **tiering})
    found = no_session(declared, "Secret s3-keys", values)
    assert (found is not None) == refused
    assert found is None or (found.reason, "planted" in found.message) == ("SessionTokenUnsupported", False)


async def test_another_plugin_may_need_neither_bucket_nor_secret(world: World) -> None:
    stage = Stage.set(world)
    one = {"controllers": {"replicas": 1}, "replication": {"factor": 1, "minInSync": 1}}
    plugin = {"profile": "Custom", "className": "org.example.Store", "classPath": "/opt/store/*"}
    await stage.rise(cluster(engine="kafka-tiered", image="example/k:1", tiering=plugin, **one), pool(replicas=1))
    await stage.settle(within=30)
    assert said(world)[0] == "Ready"
