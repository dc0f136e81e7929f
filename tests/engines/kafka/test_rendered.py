"""Rendered configuration and pods against files; `UPDATE_GOLDEN=1 uv run pytest tests/engines/kafka` writes them."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentmemory.api.shapes import Resources
from agentmemory.api.types import CpuQuantity, Quantity
from agentmemory.engines.base import Disk, Node, NodePlan
from agentmemory.engines.kafka import names
from agentmemory.engines.kafka.engine import KafkaEngine
from agentmemory.engines.kafka.objects import bootstrap_service, claim, initial_controllers, node_service
from agentmemory.engines.kafka.pod import pod
from agentmemory.engines.kafka.properties import files, server_properties
from agentmemory.engines.templating import folder
from agentmemory.kube.owned import hash_of, spec_hash
from tests.engines.builders import broker_plan, cluster_model, controller_plan, pool_model

Object = dict[str, Any]
GOLDEN = Path(__file__).parent / "golden"
PLANS = {"controller": controller_plan(), "broker": broker_plan()}


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
    # Hashes change with every word above them, and are looked at below.
    for name in ("agentmemory.dev/config-hash", "agentmemory.dev/spec-hash"):
        assert made["metadata"]["annotations"].pop(name)
    compare(f"{role}-pod.yaml", yaml.dump(made, Dumper=Plain, sort_keys=False, width=120))


def settings(plan: NodePlan) -> dict[str, str]:
    lines = [line for line in server_properties(plan).splitlines() if line and not line.startswith("#")]
    made = dict(line.split("=", 1) for line in lines)
    assert len(made) == len(lines), "a setting stands twice"
    return made


def test_replication_holds_for_kafkas_own_topics_too() -> None:
    made = settings(broker_plan(cluster=cluster_model(replication={"factor": 5, "minInSync": 4})))
    factors = {name: value for name, value in made.items() if name.endswith("replication.factor")}
    least = {name: value for name, value in made.items() if name.endswith((".min.isr", "min.insync.replicas"))}
    assert set(factors) == {
        "default.replication.factor",
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
        "share.coordinator.state.topic.replication.factor",
    }
    assert set(factors.values()) == {"5"}
    assert len(least) == 3
    assert set(least.values()) == {"4"}


@pytest.mark.parametrize(
    ("session", "session_ms", "heartbeat_ms", "registration_ms"),
    [("3s", "3000", "500", "60000"), ("9s", "9000", "1500", "60000"), ("60s", "60000", "2000", "180000")],
)
def test_failure_detection(session: str, session_ms: str, heartbeat_ms: str, registration_ms: str) -> None:
    made = settings(broker_plan(cluster=cluster_model(failureDetection={"sessionTimeout": session})))
    assert made["broker.session.timeout.ms"] == session_ms
    assert made["broker.heartbeat.interval.ms"] == heartbeat_ms
    assert made["initial.broker.registration.timeout.ms"] == registration_ms


def test_one_controller() -> None:
    made = settings(controller_plan(cluster=cluster_model(controllers={"replicas": 1})))
    assert made["controller.quorum.bootstrap.servers"] == "mem-0.data.svc:9093"


def test_only_mutual_tls_where_nodes_and_the_operator_speak() -> None:
    broker, controller = settings(broker_plan()), settings(controller_plan())
    assert broker["listener.name.replication.ssl.client.auth"] == "required"
    assert controller["listener.name.controller.ssl.client.auth"] == "required"
    assert "ssl.client.auth" not in broker  # else clients with a password would need a certificate
    assert "PLAINTEXT" not in str(broker) + str(controller)


def hash_for(plan: NodePlan) -> str | None:
    return hash_of(pod(plan))


def test_the_way_to_format_is_not_part_of_the_hash() -> None:
    join, bootstrap = controller_plan(mode="join"), controller_plan(mode="bootstrap")
    assert pod(join)["spec"] != pod(bootstrap)["spec"]
    assert hash_for(join) == hash_for(bootstrap)


@pytest.mark.parametrize(
    "change",
    [
        {"image": "other"},
        {"tls_hash": "other"},
        {"cluster_id": "other"},
        {"resources": Resources(memory=Quantity("2Gi"))},
        {"disk": Disk(False, Quantity("10Gi"))},
        {"cluster": cluster_model(replication={"factor": 1, "minInSync": 1})},
    ],
)
def test_whatever_a_node_runs_on_is_part_of_the_hash(change: Object) -> None:
    assert hash_for(broker_plan(**change)) != hash_for(broker_plan())


def test_a_growing_pool_and_a_growing_volume_restart_nobody() -> None:
    bigger = replace(broker_plan(), disk=Disk(True, Quantity("20Gi")))
    assert hash_for(bigger) == hash_for(broker_plan())


def test_resources() -> None:
    made = pod(broker_plan(resources=Resources(cpu=CpuQuantity("250m"), memory=Quantity("2Gi"))))
    for container in made["spec"]["initContainers"] + made["spec"]["containers"]:
        assert container["resources"] == {"requests": {"cpu": "250m", "memory": "2Gi"}, "limits": {"memory": "2Gi"}}
    plain = pod(broker_plan())["spec"]["containers"][0]["resources"]
    assert plain == {"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}}


def test_no_node_has_more_rights_than_it_needs() -> None:
    for plan in PLANS.values():
        spec = pod(plan)["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["initContainers"] + spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_only_controllers_read_how_to_format() -> None:
    assert any(volume["name"] == "quorum" for volume in pod(controller_plan())["spec"]["volumes"])
    assert not any(volume["name"] == "quorum" for volume in pod(broker_plan())["spec"]["volumes"])


def test_pods_run_on_machines_of_the_declared_region_alone() -> None:
    labels = {"topology.kubernetes.io/region": "eu-central-1", "example.com/cage": "7"}
    region = {"name": "eu-central-1", "nodeLabels": labels}
    made = pod(broker_plan(cluster=cluster_model(region=region)))["spec"]["affinity"]["nodeAffinity"]
    assert made["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"] == [
        {
            "matchExpressions": [
                {"key": "example.com/cage", "operator": "In", "values": ["7"]},
                {"key": "topology.kubernetes.io/region", "operator": "In", "values": ["eu-central-1"]},
            ]
        }
    ]
    assert "affinity" not in pod(broker_plan(cluster=cluster_model(region={"name": "eu-central-1"})))["spec"]


def test_space_on_the_node() -> None:
    volumes = pod(broker_plan(disk=Disk(False, Quantity("5Gi"))))["spec"]["volumes"]
    assert {"name": "data", "emptyDir": {"sizeLimit": "5Gi"}} in volumes


def test_claims_have_no_owner_and_know_whose_they_are() -> None:
    node = Node("mem", "data", 0, "controller")
    made = claim(node, Disk(True, Quantity("1Gi"), "fast"), "id", "directory", begun=True)
    assert "ownerReferences" not in made["metadata"]
    assert made["metadata"]["annotations"] == {
        "agentmemory.dev/cluster-id": "id",
        "agentmemory.dev/directory-id": "directory",
        "agentmemory.dev/quorum-begun": "true",
    }
    assert made["spec"]["storageClassName"] == "fast"
    plain = claim(node, Disk(True, Quantity("1Gi")), "id")
    assert plain["metadata"]["annotations"] == {"agentmemory.dev/cluster-id": "id"}
    assert "storageClassName" not in plain["spec"]


def test_services() -> None:
    headless = node_service(broker_plan())["spec"]
    assert headless["clusterIP"] == "None"
    assert headless["publishNotReadyAddresses"] is True
    assert headless["selector"] == {"agentmemory.dev/cluster": "mem", "agentmemory.dev/node-id": "1000"}
    bootstrap = bootstrap_service("mem", "data", broker_plan().owner)["spec"]
    assert bootstrap["selector"] == {"agentmemory.dev/cluster": "mem", "agentmemory.dev/role": "broker"}
    assert [(port["name"], port["port"]) for port in bootstrap["ports"]] == [("clients", 9092), ("replication", 9091)]


def test_initial_controllers() -> None:
    nodes = [Node("mem", "data", node_id, "controller") for node_id in (0, 1)]
    assert initial_controllers(nodes, {0: "a", 1: "b"}) == "0@mem-0.data.svc:9093:a,1@mem-1.data.svc:9093:b"


def test_the_engine() -> None:
    engine = KafkaEngine()
    assert engine.check_cluster(cluster_model()) is None
    assert engine.check_pool(pool_model()) is None
    assert hash_of(engine.pod(broker_plan())) == hash_for(broker_plan())
    assert engine.config_map(broker_plan())["data"] == files(broker_plan())
    assert (
        spec_hash(engine.config_map(broker_plan()))
        == (engine.pod(broker_plan())["metadata"]["annotations"]["agentmemory.dev/config-hash"])
    )


# Scripts, run by a real shell in a folder that stands for the container


MOUNTED = {
    "quorum/mode": "bootstrap",
    "quorum/initial-controllers": "0@h:1:d",
    "config/server.properties": "a=b\n",
}


@pytest.fixture
def container(tmp_path: Path) -> Path:
    for script in ("format.sh", "start.sh"):
        text = (folder() / "kafka" / script).read_text()
        for path in ("/opt/agentmemory", "/opt/kafka"):
            text = text.replace(path, f"{tmp_path}{path}")
        (tmp_path / script).write_text(text.replace("/tmp/server", f"{tmp_path}/server"))
    for tool in ("kafka-storage.sh", "kafka-server-start.sh"):
        path = tmp_path / "opt/kafka/bin" / tool
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "$0 $@ [$KAFKA_OPTS]" | sed "s|{tmp_path}||g" >{tmp_path}/ran\n')
        path.chmod(0o755)
    for name, text in MOUNTED.items():
        path = tmp_path / "opt/agentmemory" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def run(container: Path, script: str, **environment: str) -> str:
    """The command that the script came to, empty for none."""
    subprocess.run(["/bin/sh", container / script], check=True, env={"PATH": "/usr/bin:/bin", **environment})
    ran = container / "ran"
    return ran.read_text().strip() if ran.exists() else ""


FORMAT = "/opt/kafka/bin/kafka-storage.sh format --cluster-id ID --config /opt/agentmemory/config/server.properties"


@pytest.mark.parametrize(
    ("pod_says", "map_says", "how"),
    [
        ("bootstrap", "bootstrap", "--initial-controllers 0@h:1:d"),
        ("bootstrap", "join", "--no-initial-controllers"),
        ("join", "bootstrap", "--no-initial-controllers"),
        ("join", "join", "--no-initial-controllers"),
    ],
)
def test_an_initial_voter_needs_two_words(container: Path, pod_says: str, map_says: str, how: str) -> None:
    (container / "opt/agentmemory/quorum/mode").write_text(map_says)
    log = str(container / "data")
    ran = run(container, "format.sh", AGENTMEMORY_FORMAT=pod_says, AGENTMEMORY_CLUSTER_ID="ID", AGENTMEMORY_LOG_DIR=log)
    assert ran == f"{FORMAT} {how} []"


def test_a_volume_with_an_identity_is_left_alone(container: Path) -> None:
    (container / "data").mkdir()
    (container / "data/meta.properties").write_text("cluster.id=x\n")
    log = str(container / "data")
    assert run(container, "format.sh", AGENTMEMORY_FORMAT="bootstrap", AGENTMEMORY_LOG_DIR=log) == ""


def test_start_adds_the_zone_and_the_class_archive_when_there_are_any(container: Path) -> None:
    assert run(container, "start.sh") == "/opt/kafka/bin/kafka-server-start.sh /server.properties []"
    assert (container / "server.properties").read_text() == "a=b\n"
    (container / "opt/kafka/kafka.jsa").write_text("")
    ran = run(container, "start.sh", AGENTMEMORY_ZONE="eu-1a", KAFKA_OPTS="-Da")
    assert ran.endswith("[-Da -XX:SharedArchiveFile=/opt/kafka/kafka.jsa]")
    assert (container / "server.properties").read_text() == "a=b\nbroker.rack=eu-1a\n"


def test_paths_agree_with_the_scripts() -> None:
    text = (folder() / "kafka/format.sh").read_text()
    assert names.CONFIG in text
    assert names.QUORUM in text
