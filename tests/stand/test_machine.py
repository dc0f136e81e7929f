"""The stand on this machine: pods, volumes, names, policies, a crash cleaned up, a `down` that leaves nothing."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.stand import leftovers
from e2e.stand.shell import StandError, run, until
from e2e.stand.stand import Stand, in_use

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
Object = dict[str, Any]
SERVE = "id -u >/data/uid && cd /data && exec python3 -m http.server 8000"
FETCH = "import urllib.request as u; print(u.urlopen('http://{host}:8000/uid', timeout=2).read().decode().strip())"


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    if os.geteuid() != 0:
        pytest.skip("the stand needs root")
    running = leftovers.recorded()
    if running and running.name != "selftest":
        pytest.skip(f"this machine runs the stand {running}: `python -m e2e.stand down` first")
    chosen = Stand("selftest")
    with in_use("the stand's own test"):
        chosen.up(2, fresh=True)
        yield chosen
        chosen.down(wipe=True)


def kubectl(stand: Stand, *args: str, stdin: Object | None = None) -> str:
    command: list[str | Path] = [stand.kubectl, f"--kubeconfig={stand.kubeconfig}", *args]
    return run(command, text=None if stdin is None else json.dumps(stdin))


def apply(stand: Stand, *objects: Object) -> None:
    kubectl(stand, "apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": list(objects)})


def server(name: str, node: str) -> list[Object]:
    """A pod of user 1000 that writes its user id to a volume and serves it, with the volume's claim."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    container = {
        "name": "server",
        "image": "local/base:1",
        "command": ["sh", "-c", SERVE],
        "ports": [{"containerPort": 8000, "name": "http"}],
        "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1},
        "securityContext": {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "server", "name": name}},
        "spec": {
            "hostname": name,
            "subdomain": "servers",
            "nodeSelector": {"kubernetes.io/hostname": node},
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "runAsNonRoot": True},
            "containers": [container],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": name}}],
        },
    }
    return [claim, pod]


def service() -> Object:
    ports = [{"name": "http", "port": 8000}]
    spec = {"clusterIP": "None", "selector": {"app": "server"}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "servers"}, "spec": spec}


def policy(name: str, *ingress: Object) -> Object:
    """Isolates pod `a` but for what is given."""
    spec = {"podSelector": {"matchLabels": {"name": "a"}}, "policyTypes": ["Ingress"], "ingress": list(ingress)}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


def fetch(stand: Stand, source: str, target: str) -> str:
    """What pod `source` reads from pod `target` by its name in the headless Service."""
    return kubectl(stand, "exec", source, "--", "python3", "-c", FETCH.format(host=f"{target}.servers")).strip()


def reaches(stand: Stand, source: str, target: str) -> bool:
    try:
        return fetch(stand, source, target) == "1000"
    except StandError:
        return False


@pytest.fixture(scope="module")
def pods(stand: Stand) -> Stand:
    """Three servers: a and b on node1, c on node2."""
    apply(stand, service(), *server("a", "node1"), *server("b", "node1"), *server("c", "node2"))
    kubectl(stand, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")
    return stand


def test_a_user_without_root_writes_its_volume_and_pods_find_each_other(pods: Stand) -> None:
    until("the names of the headless Service", 15, lambda: fetch_all(pods) == ["1000"] * 4, pause=0.5)
    volumes = json.loads(kubectl(pods, "get", "pv", "-o", "json"))["items"]
    assert len(volumes) == 3
    for volume in volumes:
        term = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]
        assert f"/{term['values'][0]}/volumes/" in volume["spec"]["local"]["path"]


def fetch_all(stand: Stand) -> list[str]:
    pairs = (("a", "b"), ("b", "a"), ("c", "a"), ("a", "c"))
    try:
        return [fetch(stand, source, target) for source, target in pairs]
    except StandError:
        return []


def test_a_policy_closes_a_pod_and_opens_it_for_whom_it_names(pods: Stand) -> None:
    apply(pods, policy("closed"))
    until("the policy to close pod a on its own node", 15, lambda: not reaches(pods, "b", "a"))
    assert not reaches(pods, "c", "a")
    assert reaches(pods, "a", "b")
    chosen = {"podSelector": {"matchExpressions": [{"key": "name", "operator": "In", "values": ["c"]}]}}
    apply(pods, policy("open", {"from": [chosen], "ports": [{"port": "http"}]}))
    until("the policy to open pod a for c", 15, lambda: reaches(pods, "c", "a"))
    assert not reaches(pods, "b", "a")
    kubectl(pods, "delete", "networkpolicy", "--all")
    until("pod a to be open again", 15, lambda: reaches(pods, "b", "a"))


def test_a_volume_goes_with_its_claim(pods: Stand) -> None:
    kubectl(pods, "delete", "pod", "c", "--now")
    kubectl(pods, "delete", "pvc", "c")
    until("the volume to go", 20, lambda: len(json.loads(kubectl(pods, "get", "pv", "-o", "json"))["items"]) == 2)


def test_the_audit_log_counts_who_did_what(pods: Stand) -> None:
    kubectl(pods, "create", "configmap", "counted")
    counted = [r for r in pods.audit.writes(user="admin") if (r.resource, r.name) == ("configmaps", "counted")]
    assert [(r.verb, r.code) for r in counted] == [("create", 201)]


def test_what_a_crash_leaves_is_cleaned_by_the_next_up_and_down_leaves_nothing(pods: Stand) -> None:
    for processes, name in ((pods.control.processes, "etcd"), (pods.node("node1").processes, "containerd")):
        processes.send(name, signal.SIGKILL)
    assert not pods.healthy(2)
    pods.up(2)
    assert pods.healthy(2)
    kubectl(pods, "wait", "--for=condition=Ready", "pod", "a", "--timeout=60s")
    until("the pods to find each other again", 15, lambda: reaches(pods, "b", "a"))
    assert leftovers.found(pods.folder)
    pods.down()
    assert leftovers.found(pods.folder) == []
