"""What engine kafka-tiered renders and mounts: tiering's settings, and no key anywhere but in a mount. Pure."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentmemory.api.labels import GROUP
from agentmemory.api.shapes import Resources
from agentmemory.core.errors import Bug
from agentmemory.engines.base import BucketPlace, NodePlan, SecretSettings, Storage
from agentmemory.engines.kafka.engine import KafkaEngine
from agentmemory.engines.kafka_tiered import names
from agentmemory.engines.kafka_tiered.engine import TieredKafkaEngine
from agentmemory.engines.kafka_tiered.plugin import copiers
from tests.engines.builders import broker_plan, cluster_model, controller_plan

ENGINE = TieredKafkaEngine()
PLACE = BucketPlace("agents-segments", "eu-central-1", "http://s3.storage.svc:7070", path_style=True)
STORAGE = Storage(PLACE, credentials="s3-credentials", credentials_hash="fedcba9876543210")
PAIR = ("storage.aws.access.key.id", "storage.aws.secret.access.key")


def plan(role: str = "broker", storage: Storage | None = STORAGE, **tiering: Any) -> NodePlan:
    settings = tiering.pop("settings", None)
    declared = cluster_model(
        engine="kafka-tiered",
        tiering={"bucketRef": {"name": "segments"}, **tiering},
        replication={"factor": 2, "minInSync": 1},
    )
    make = broker_plan if role == "broker" else controller_plan
    return make(cluster=declared, storage=storage, settings=settings)


def custom(**more: Any) -> NodePlan:
    declared = {"className": "org.example.Store", "classPath": "/opt/store/*", "properties": {"b": "2", "a": "x=y"}}
    return plan(storage=None, profile="Custom", bucketRef=None, **{**declared, **more})


def properties(made: NodePlan) -> dict[str, str]:
    lines = ENGINE.config_map(made)["data"]["server.properties"].splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def added(made: NodePlan) -> dict[str, str]:
    """What engine kafka does not have."""
    return {
        name: value
        for name, value in properties(made).items()
        if name.startswith(("remote.", "rsm.", "rlmm.", "config."))
    }


def test_a_broker_with_aivens_plugin() -> None:
    tls = "/opt/agentmemory/tls"
    client = "rlmm.config.remote.log.metadata.common.client."
    assert added(plan()) == {
        "remote.log.storage.system.enable": "true",
        "remote.log.manager.task.interval.ms": "30000",
        "remote.log.manager.copier.thread.pool.size": "5",
        "remote.log.storage.manager.class.name": "io.aiven.kafka.tieredstorage.RemoteStorageManager",
        "remote.log.storage.manager.class.path": "/opt/tiered-storage/core/*:/opt/tiered-storage/s3/*",
        "remote.log.storage.manager.impl.prefix": "rsm.config.",
        "rsm.config.chunk.size": "4194304",
        "rsm.config.key.prefix": "cluster-id/",
        "rsm.config.storage.backend.class": "io.aiven.kafka.tieredstorage.storage.s3.S3Storage",
        "rsm.config.storage.s3.bucket.name": "agents-segments",
        "rsm.config.storage.s3.region": "eu-central-1",
        "rsm.config.storage.s3.endpoint.url": "http://s3.storage.svc:7070",
        "rsm.config.storage.s3.path.style.access.enabled": "true",
        "config.providers": "dir",
        "config.providers.dir.class": "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
        "config.providers.dir.param.allowed.paths": "/opt/agentmemory/tiering",
        "rsm.config.storage.aws.access.key.id": "${dir:/opt/agentmemory/tiering:storage.aws.access.key.id}",
        "rsm.config.storage.aws.secret.access.key": "${dir:/opt/agentmemory/tiering:storage.aws.secret.access.key}",
        "remote.log.metadata.manager.class.name": (
            "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"
        ),
        "remote.log.metadata.manager.listener.name": "REPLICATION",
        "remote.log.metadata.manager.impl.prefix": "rlmm.config.",
        "rlmm.config.remote.log.metadata.topic.replication.factor": "2",
        "rlmm.config.remote.log.metadata.topic.min.isr": "1",
        f"{client}security.protocol": "SSL",
        f"{client}ssl.keystore.type": "PEM",
        f"{client}ssl.keystore.location": f"{tls}/tls.pem",
        f"{client}ssl.truststore.type": "PEM",
        f"{client}ssl.truststore.location": f"{tls}/ca.crt",
        f"{client}ssl.endpoint.identification.algorithm": "https",
    }


def test_aws_itself_with_the_pods_identity() -> None:
    made = plan(storage=Storage(BucketPlace("b", "eu-central-1")), serviceAccountName="brokers")
    found = added(made)
    assert "rsm.config.storage.s3.endpoint.url" not in found
    assert found["rsm.config.storage.s3.path.style.access.enabled"] == "false"
    assert not [name for name in found if name.startswith("config.") or "aws" in name]
    pod = ENGINE.pod(made)
    assert pod["spec"]["serviceAccountName"] == "brokers"
    assert "tiering" not in [volume["name"] for volume in pod["spec"]["volumes"]]


def test_properties_go_before_the_profiles_defaults() -> None:
    found = added(plan(properties={"chunk.size": "1048576", "compression.enabled": "true"}))
    assert found["rsm.config.chunk.size"] == "1048576"
    assert found["rsm.config.compression.enabled"] == "true"


def test_any_other_plugin() -> None:
    found = added(custom(settings=SecretSettings("keys", ("a.secret",), "1")))
    assert found["remote.log.storage.manager.class.name"] == "org.example.Store"
    assert found["remote.log.storage.manager.class.path"] == "/opt/store/*"
    assert {name: value for name, value in found.items() if name.startswith("rsm.")} == {
        "rsm.config.a": "x=y",
        "rsm.config.b": "2",
        "rsm.config.a.secret": "${dir:/opt/agentmemory/tiering:a.secret}",
    }


def test_another_plugin_is_not_given_the_buckets_keys() -> None:
    declared = {"profile": "Custom", "className": "org.example.Store", "classPath": "/opt/store/*"}
    assert not [name for name in added(plan(**declared)) if name.startswith(("rsm.", "config."))]


def test_controllers_know_of_it_and_reach_nothing() -> None:
    made = plan("controller")
    assert added(made) == {"remote.log.storage.system.enable": "true"}
    pod = ENGINE.pod(made)
    assert "tiering" not in [volume["name"] for volume in pod["spec"]["volumes"]]
    assert f"{GROUP}/credentials-hash" not in pod["metadata"]["annotations"]


def test_everything_else_is_engine_kafkas() -> None:
    made = plan()
    plain = KafkaEngine().config_map(made)["data"]
    tiered = ENGINE.config_map(made)["data"]
    assert tiered["server.properties"].startswith(plain["server.properties"].rstrip("\n"))
    assert {name: text for name, text in tiered.items() if name in plain and name != "server.properties"} == {
        name: text for name, text in plain.items() if name != "server.properties"
    }
    assert set(tiered) - set(plain) == {"prepare.sh"}


def test_a_plan_without_what_it_needs_is_a_bug() -> None:
    with pytest.raises(Bug, match="without its bucket"):
        ENGINE.config_map(plan(storage=None))
    with pytest.raises(Bug, match=r"without spec\.tiering"):
        ENGINE.config_map(broker_plan())


def test_a_property_cannot_bring_another_line() -> None:
    made = custom()
    tiering = made.cluster.spec.tiering
    assert tiering is not None
    forged = tiering.model_copy(update={"properties": {"a": "1\nssl.client.auth=none"}})
    spec = made.cluster.spec.model_copy(update={"tiering": forged})
    with pytest.raises(ValueError, match="line break"):
        ENGINE.config_map(replace(made, cluster=made.cluster.model_copy(update={"spec": spec})))


@pytest.mark.parametrize(("heap", "threads"), [(96, 1), (192, 1), (512, 5), (1000, 10), (6144, 10)])
def test_copies_fit_the_heap(heap: int, threads: int) -> None:
    assert copiers(heap) == threads


def test_a_small_broker_copies_one_segment_at_a_time() -> None:
    made = replace(plan(), resources=Resources.model_validate({"memory": "384Mi"}))
    assert added(made)["remote.log.manager.copier.thread.pool.size"] == "1"


# Pods


def volume(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """What is in the mount with the secret settings."""
    (found,) = [one for one in pod["spec"]["volumes"] if one["name"] == "tiering"]
    assert found["projected"]["defaultMode"] == 0o440
    sources: list[dict[str, Any]] = [source["secret"] for source in found["projected"]["sources"]]
    return sources


def test_the_buckets_keys_and_the_plugins_secrets_are_mounted_side_by_side() -> None:
    pod = ENGINE.pod(plan(settings=SecretSettings("keys", ("encryption.key",), "0123")))
    assert volume(pod) == [
        {
            "name": "s3-credentials",
            "items": [
                {"key": "AWS_ACCESS_KEY_ID", "path": PAIR[0]},
                {"key": "AWS_SECRET_ACCESS_KEY", "path": PAIR[1]},
            ],
        },
        {"name": "keys", "items": [{"key": "encryption.key", "path": "encryption.key"}]},
    ]
    for container in (*pod["spec"]["initContainers"], *pod["spec"]["containers"]):
        mounts = [mount for mount in container["volumeMounts"] if mount["name"] == "tiering"]
        assert mounts == [{"name": "tiering", "mountPath": names.SECRETS, "readOnly": True}], container["name"]
        assert not [one for one in container["env"] if "AWS" in one["name"]]


def test_keys_of_secret_ref_go_before_the_buckets() -> None:
    made = plan(settings=SecretSettings("keys", PAIR, "0123"))
    assert [source["name"] for source in volume(ENGINE.pod(made))] == ["keys"]
    assert added(made)["rsm.config.storage.aws.access.key.id"].startswith("${dir:")


def test_changed_secrets_roll_the_brokers() -> None:
    def stamp(storage: Storage, settings: SecretSettings | None) -> str:
        stamped: str = ENGINE.pod(plan(storage=storage, settings=settings))["metadata"]["annotations"][
            f"{GROUP}/spec-hash"
        ]
        return stamped

    settings = SecretSettings("keys", ("a",), "1")
    rotated = replace(STORAGE, credentials_hash="another")
    stamps = {
        stamp(STORAGE, None),
        stamp(rotated, None),
        stamp(STORAGE, settings),
        stamp(STORAGE, replace(settings, hash="2")),
    }
    assert len(stamps) == 4
    assert stamp(STORAGE, settings) == stamp(STORAGE, settings)


def test_the_buckets_own_authority_is_trusted() -> None:
    made = plan(storage=replace(STORAGE, data=replace(PLACE, ca_map="s3-ca")))
    pod = ENGINE.pod(made)
    assert {"name": "ca-data", "configMap": {"name": "s3-ca"}} in pod["spec"]["volumes"]
    mounts = pod["spec"]["containers"][0]["volumeMounts"]
    assert {"name": "ca-data", "mountPath": "/opt/agentmemory/bucket-ca/data", "readOnly": True} in mounts
    assert "keytool" in ENGINE.config_map(made)["data"]["prepare.sh"]
    assert "keytool" not in ENGINE.config_map(plan())["data"]["prepare.sh"]


# What start.sh does before it starts a broker


def prepared(folder: Path, given: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Runs prepare.sh as start.sh would, with these files in the mount."""
    (folder / "secrets").mkdir()
    for name, value in given.items():
        (folder / "secrets" / name).write_text(value)
    data = ENGINE.config_map(plan(settings=SecretSettings("keys", ("a.password",), "1")))["data"]
    for name in ("server.properties", "prepare.sh"):
        (folder / name).write_text(data[name].replace(names.SECRETS, str(folder / "secrets")))
    script = f"set -eu; mounted={folder}; . {folder}/prepare.sh; echo started"
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=20)


COMPLETE = {PAIR[0]: "AKIA", PAIR[1]: "planted-key", "a.password": "planted-password"}


def test_a_broker_starts_with_all_its_secrets(tmp_path: Path) -> None:
    done = prepared(tmp_path, COMPLETE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")


@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("empty", [True, False])
def test_a_broker_without_one_of_them_says_which_and_ends(name: str, empty: bool, tmp_path: Path) -> None:
    given = {**COMPLETE, name: ""} if empty else {key: value for key, value in COMPLETE.items() if key != name}
    done = prepared(tmp_path, given)
    assert done.returncode == 1
    assert f"setting {name} of the tiered storage's plugin is missing or empty" in done.stderr
    assert "planted" not in done.stdout + done.stderr
