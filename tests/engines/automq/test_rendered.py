"""Engine automq's configuration and pods against files; `UPDATE_GOLDEN=1` writes them."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentmemory.api.shapes import Resources
from agentmemory.api.types import CpuQuantity, Quantity
from agentmemory.core.errors import Bug
from agentmemory.engines.automq import balancer, names
from agentmemory.engines.automq.buckets import price
from agentmemory.engines.automq.engine import AutoMQEngine
from agentmemory.engines.automq.pod import pod
from agentmemory.engines.automq.properties import server_properties
from agentmemory.engines.base import BucketPlace, NodePlan, Storage
from agentmemory.engines.templating import folder
from agentmemory.kube.owned import hash_of
from tests.engines.builders import STORAGE, automq_broker, automq_controller, automq_model, cluster_model, pool_model

Object = dict[str, Any]
GOLDEN = Path(__file__).parent / "golden"
PLANS = {"controller": automq_controller(), "broker": automq_broker()}
ENGINE = AutoMQEngine()


class Plain(yaml.SafeDumper):
    """Says everything where it stands, without YAML's anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def compare(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("role", PLANS)
def test_properties(role: str) -> None:
    compare(f"{role}.properties", server_properties(PLANS[role]))


@pytest.mark.parametrize("role", PLANS)
def test_pods(role: str) -> None:
    made = pod(PLANS[role])
    for name in ("agentmemory.dev/config-hash", "agentmemory.dev/spec-hash"):
        assert made["metadata"]["annotations"].pop(name)
    compare(f"{role}-pod.yaml", yaml.dump(made, Dumper=Plain, sort_keys=False, width=120))


def settings(plan: NodePlan) -> dict[str, str]:
    lines = [line for line in server_properties(plan).splitlines() if line and not line.startswith("#")]
    made = dict(line.split("=", 1) for line in lines)
    assert len(made) == len(lines), "a setting stands twice"
    return made


@pytest.mark.parametrize(("latency", "ms"), [("Low", 20), ("Balanced", 100), ("Economy", 250)])
def test_latency(latency: str, ms: int) -> None:
    made = settings(automq_broker(cluster=automq_model(objectStorage={"latencyClass": latency})))
    assert made["s3.wal.path"].endswith(f"&batchInterval={ms}")
    assert made["s3.wal.path"].startswith(made["s3.data.buckets"])


def test_what_a_latency_class_costs() -> None:
    assert price("Low", 2) == (
        "a write waits up to 20 ms for others; in exchange at most 50 PUT requests a second and broker, 129.6 million "
        "a month and broker, 259.2 million a month for the 2 brokers declared (a broker without writes makes none)"
    )
    assert "at most 4 PUT requests a second and broker, 10.4 million a month" in price("Economy", 1)


def test_aws_own_endpoint() -> None:
    there = Storage(BucketPlace("b-data", "eu-west-1"), BucketPlace("b-ops", "eu-west-1"))
    made = settings(automq_broker(storage=there))
    assert made["s3.data.buckets"] == "0@s3://b-data?region=eu-west-1"
    assert made["s3.ops.buckets"] == "1@s3://b-ops?region=eu-west-1"


def test_the_zone_router_only_where_it_is_asked_for() -> None:
    assert not any(name.startswith("automq.") for name in settings(automq_broker()))
    made = settings(automq_broker(cluster=automq_model(objectStorage={"zoneRouter": True})))
    assert made["automq.zonerouter.channels"] == made["s3.data.buckets"]


def test_one_controller() -> None:
    made = settings(automq_broker(cluster=automq_model(controllers={"replicas": 1})))
    assert made["controller.quorum.voters"] == "0@mem-0.data.svc:9093"


def test_a_plan_without_buckets_is_a_bug() -> None:
    for storage in (None, replace(STORAGE, ops=None)):
        with pytest.raises(Bug):
            server_properties(automq_broker(storage=storage))


def kafka_of(plan: NodePlan) -> Object:
    made: Object = pod(plan)["spec"]["containers"][0]
    return made


def variables(plan: NodePlan) -> dict[str, str]:
    return {one["name"]: one["value"] for one in kafka_of(plan)["env"] if "value" in one}


def test_credentials_by_reference_or_by_the_pods_own_identity() -> None:
    sources = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in kafka_of(automq_broker())["env"][-3:]}
    assert sources == {
        "AWS_ACCESS_KEY_ID": {"name": "s3-credentials", "key": "AWS_ACCESS_KEY_ID"},
        "AWS_SECRET_ACCESS_KEY": {"name": "s3-credentials", "key": "AWS_SECRET_ACCESS_KEY"},
        "AWS_SESSION_TOKEN": {"name": "s3-credentials", "key": "AWS_SESSION_TOKEN", "optional": True},
    }
    own = automq_broker(
        cluster=automq_model(objectStorage={"serviceAccountName": "kafka"}), storage=replace(STORAGE, credentials=None)
    )
    assert pod(own)["spec"]["serviceAccountName"] == "kafka"
    assert pod(own)["spec"]["automountServiceAccountToken"] is False
    assert not [one for one in kafka_of(own)["env"] if one["name"].startswith("AWS")]
    assert "serviceAccountName" not in pod(automq_broker())["spec"]


def test_changed_keys_roll_the_pods() -> None:
    changed = automq_broker(storage=replace(STORAGE, credentials_hash="0000"))
    assert hash_of(pod(changed)) != hash_of(pod(automq_broker()))


def test_the_buckets_own_authorities_are_mounted() -> None:
    plan = automq_broker(storage=replace(STORAGE, data=replace(STORAGE.data, ca_map="s3-ca")))
    assert {"name": "ca-data", "configMap": {"name": "s3-ca"}} in pod(plan)["spec"]["volumes"]
    mount = {"name": "ca-data", "mountPath": "/opt/agentmemory/bucket-ca/data", "readOnly": True}
    assert mount in kafka_of(plan)["volumeMounts"]


def test_the_jvm() -> None:
    made = variables(automq_broker())
    assert made["KAFKA_HEAP_OPTS"].endswith("-XX:MaxDirectMemorySize=256m")
    options = made["KAFKA_OPTS"].split()
    assert "-Dio.netty.allocator.maxOrder=11" in options
    assert "--add-opens=java.base/java.lang=ALL-UNNAMED" in options
    assert "-XX:+ExitOnOutOfMemoryError" in options
    assert "G1GC" in made["KAFKA_JVM_PERFORMANCE_OPTS"]
    assert "KAFKA_JVM_PERFORMANCE_OPTS" not in variables(automq_broker(resources=Resources(memory=Quantity("8Gi"))))
    small = Resources(cpu=CpuQuantity("250m"), memory=Quantity("1Gi"))
    assert "SerialGC" in variables(automq_broker(resources=small))["KAFKA_JVM_PERFORMANCE_OPTS"]


def test_time_to_upload_before_the_end_and_no_format() -> None:
    for plan in PLANS.values():
        spec = pod(plan)["spec"]
        assert spec["terminationGracePeriodSeconds"] >= 120
        assert "initContainers" not in spec
        assert not [volume for volume in spec["volumes"] if volume["name"] == "quorum"]
    assert {"name": "data", "emptyDir": {"sizeLimit": "10Gi"}} in pod(automq_broker())["spec"]["volumes"]


def test_the_engine() -> None:
    cluster = automq_model()
    assert ENGINE.check_cluster(cluster) is None
    assert ENGINE.check_pool(pool_model()) is None
    assert ENGINE.check_pool(pool_model(storage={"type": "Ephemeral", "size": "1Gi"})) is None
    assert hash_of(ENGINE.pod(automq_broker())) == hash_of(pod(automq_broker()))
    assert ENGINE.config_map(automq_broker())["data"].keys() == {
        "server.properties", "log4j.properties", "prepare.sh", "start.sh",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"version": "1.6.0"}, "UnknownVersion"),
        ({"controllers": {"resources": {"memory": "512Mi"}}}, "MemoryTooSmall"),
    ],
)
def test_a_cluster_that_would_not_boot(spec: Object, reason: str) -> None:
    found = ENGINE.check_cluster(automq_model(**spec))
    assert found is not None
    assert (found.kind, found.reason) == ("Refused", reason)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"resources": {"memory": "512Mi"}}, "MemoryTooSmall"),
        ({"storage": {"type": "Persistent"}}, "PersistentBroker"),
    ],
)
def test_a_pool_that_cannot_be_run(spec: Object, reason: str) -> None:
    found = ENGINE.check_pool(pool_model(**spec))
    assert found is not None
    assert (found.kind, found.reason) == ("Refused", reason)


def test_the_balancers_password_is_the_same_again_and_nobody_elses() -> None:
    made = balancer.password("mem", "key")
    assert made == balancer.password("mem", "key")
    assert len({made, balancer.password("mem", "other"), balancer.password("other", "key")}) == 3
    assert len(made) == 43
    assert ENGINE.shared_secrets(cluster_model(), "key") == {"mem-balancer": {"password": made}}
    assert {acl.name for rights in ENGINE.principals.values() for acl in rights} == {names.BALANCER_TOPIC}


# The script that start.sh sources, run by a real shell in a folder that stands for the container

CERTIFICATE = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


@pytest.fixture
def container(tmp_path: Path) -> Path:
    for name, script in (("start.sh", "kafka/start.sh"), ("opt/agentmemory/config/prepare.sh", "automq/prepare.sh")):
        text = (folder() / script).read_text().replace("/tmp/", f"{tmp_path}/")
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("/opt/agentmemory", f"{tmp_path}/opt/agentmemory"))
    program(
        tmp_path / "kafka/bin/kafka-server-start.sh", f'echo "$@ [$KAFKA_OPTS]" | sed "s|{tmp_path}||g" >{tmp_path}/ran'
    )
    (tmp_path / "opt/agentmemory/config/server.properties").write_text("a=b\n")
    (tmp_path / "opt/agentmemory/tls").mkdir()
    (tmp_path / "opt/agentmemory/tls/ca.crt").write_text(CERTIFICATE.format("own"))
    return tmp_path


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def keytool(container: Path) -> None:
    """Writes down which certificates it was given, and the trust store that it found."""
    java = container / "java"
    program(java / "bin/keytool", f'cat "$HERE/trusted.crt" >>"$HERE/imported"; echo "$*" >>{container}/asked')
    (java / "lib/security").mkdir(parents=True)
    (java / "lib/security/cacerts").write_text("public authorities")


def start(container: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    variables = {"PATH": "/usr/bin:/bin", "HERE": str(container), "AGENTMEMORY_KAFKA_HOME": f"{container}/kafka"}
    return subprocess.run(
        ["/bin/sh", container / "start.sh"], env={**variables, **environment}, capture_output=True, text=True
    )


def test_java_trusts_the_clusters_authority_and_the_buckets(container: Path) -> None:
    keytool(container)
    bucket = container / "opt/agentmemory/bucket-ca/data/ca.crt"
    bucket.parent.mkdir(parents=True)
    bucket.write_text("# a bundle\n" + CERTIFICATE.format("first") + CERTIFICATE.format("second"))
    done = start(container, JAVA_HOME=f"{container}/java", KAFKA_OPTS="-Da")
    assert done.returncode == 0, done.stderr
    imported = "".join(CERTIFICATE.format(name) for name in ("own", "first", "second"))
    assert (container / "imported").read_text() == imported
    assert (container / "truststore").read_text() == "public authorities"
    ran = (container / "ran").read_text()
    assert "-Da -Djavax.net.ssl.trustStore=/truststore" in ran


def test_without_keytool_the_node_starts_unless_a_bucket_needs_it(container: Path) -> None:
    nowhere = f"{container}/no-java"
    done = start(container, JAVA_HOME=nowhere)
    assert done.returncode == 0
    assert "stays idle" in done.stderr
    (container / "opt/agentmemory/bucket-ca").mkdir()
    (container / "ran").unlink()
    done = start(container, JAVA_HOME=nowhere)
    assert done.returncode == 1
    assert "no keytool" in done.stderr
    assert not (container / "ran").exists()
