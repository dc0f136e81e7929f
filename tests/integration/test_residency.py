"""Residency on a real API server: a machine of another region, and a cluster that is made again elsewhere."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentmemory.api import crdgen
from agentmemory.api.conditions import condition
from agentmemory.api.labels import ADOPT_VOLUMES, REGION
from agentmemory.app import Process
from agentmemory.cli.where import VIOLATED
from agentmemory.engines.kafka import names
from agentmemory.engines.places import REGION_LABEL
from agentmemory.kube.config import from_file
from agentmemory.settings import Settings
from e2e.kubectl import Kubectl, KubectlError
from e2e.stand import gotools
from e2e.stand.controlplane import ControlPlane
from tests import teams
from tests.integration.rest import Rest
from tests.kafka.conftest import eventually

pytestmark = pytest.mark.integration

Object = dict[str, Any]
ROOT = Path(__file__).parents[2]
EU, US = "eu-central-1", "us-east-1"
OPERATOR, PLATFORM, TEAM, MACHINE = "region-operator", "region-platform", "region-agents", "region-n1"
PLURALS = {"MemoryCluster": "memoryclusters", "MemoryTenant": "memorytenants", "TopicFamily": "topicfamilies"}


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane) -> Iterator[Kubectl]:
    made = Kubectl(gotools.kubernetes() / "kubectl", control_plane.kubeconfig)
    made.apply(*crdgen.generate().values())
    made(
        "wait",
        "--for=condition=Established",
        *(f"crd/{name}.agentmemory.dev" for name in PLURALS.values()),
        "--timeout=30s",
    )
    made.apply(
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}} for n in (OPERATOR, PLATFORM, TEAM))
    )
    # No controller is there to make it, and without it no pod is taken.
    made.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": PLATFORM}})
    made.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": MACHINE, "labels": {REGION_LABEL: US}}})
    yield made
    # Other modules run operators of their own on this API server.
    made("delete", "topicfamilies", "--all", "-n", TEAM)
    made("patch", "memorytenant", "support", "-n", PLATFORM, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    made("delete", "memorytenants,memoryclusters", "--all", "-n", PLATFORM)
    made("delete", "node", MACHINE)


def cluster(region: str, **annotations: str) -> Object:
    spec = {"controllers": {"replicas": 1}, "replication": {"factor": 1, "minInSync": 1}, "region": {"name": region}}
    made = teams.cluster("mem", **spec)
    made["metadata"] |= {"namespace": PLATFORM, "annotations": annotations}
    return made


def tenant() -> Object:
    made = teams.tenant(clusterRef={"name": "mem"}, namespaces=[{"name": TEAM}], regions=[EU])
    made["metadata"]["namespace"] = PLATFORM
    return made


def family() -> Object:
    made = teams.family(tenantRef={"namespace": PLATFORM, "name": "support"}, residency={"regions": [EU]})
    made["metadata"]["namespace"] = TEAM
    return made


@asynccontextmanager
async def operator(control: ControlPlane) -> AsyncIterator[None]:
    settings = Settings(role="all", namespace=OPERATOR, port=0, lease=False, resync=3600.0)
    process = Process(settings, lambda: from_file(control.kubeconfig))
    task = asyncio.create_task(process.run())
    try:
        yield
    finally:
        process.stopping.set()
        await asyncio.wait({task}, timeout=30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(what: str, found: Callable[[], Any]) -> Any:
    async def look() -> Any:
        return await asyncio.to_thread(found)

    try:
        return await eventually(look, bool, 60)
    except AssertionError:
        raise AssertionError(f"not within 60 s: {what}") from None


def read(rest: Rest, namespace: str, resource: str) -> Object | None:
    """An object by `pods/mem-0`, or None."""
    group = "/apis/agentmemory.dev/v1alpha1" if resource.partition("/")[0] in PLURALS.values() else "/api/v1"
    answer = rest.call("GET", f"{group}/namespaces/{namespace}/{resource}")
    return answer.body if answer.ok else None


def said(rest: Rest, kind: str, namespace: str, name: str) -> str:
    """Reason and message of Ready."""
    obj = read(rest, namespace, f"{PLURALS[kind]}/{name}") or {}
    found = condition((obj.get("status") or {}).get("conditions") or (), "Ready") or {}
    return f"{found.get('reason')}: {found.get('message')}"


def where(control: ControlPlane, *asked: str) -> Object:
    """`kubectl memory where`, as a person runs it."""
    done = subprocess.run(
        [sys.executable, "-c", "from agentmemory.cli import kubectl; kubectl()", "where", *asked, "-o", "json"],
        env={"PATH": os.environ["PATH"], "KUBECONFIG": str(control.kubeconfig), "PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == VIOLATED, done.stderr
    found: Object = json.loads(done.stdout)
    return found


async def test_a_machine_of_another_region_and_a_cluster_made_again(
    control_plane: ControlPlane, kubectl: Kubectl
) -> None:
    rest = Rest(control_plane.kubeconfig)
    async with operator(control_plane):
        kubectl.apply(cluster(EU), tenant(), family())
        await until("a pod", lambda: read(rest, PLATFORM, "pods/mem-0"))
        target = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "mem-0"},
            "target": {"kind": "Node", "name": MACHINE},
        }
        assert rest.call("POST", f"/api/v1/namespaces/{PLATFORM}/pods/mem-0/binding", target).ok
        label = f"its Node/{MACHINE} rests in {US} (label {REGION_LABEL})"

        def told() -> bool:
            return all(
                words in said(rest, kind, namespace, name)
                for kind, namespace, name, words in (
                    (
                        "MemoryCluster",
                        PLATFORM,
                        "mem",
                        f"RegionViolated: MemoryCluster {PLATFORM}/mem declares {EU}; {label}",
                    ),
                    ("MemoryTenant", PLATFORM, "support", f"MemoryTenant {PLATFORM}/support names {EU}; its cluster"),
                    (
                        "TopicFamily",
                        TEAM,
                        "trail",
                        f"RegionViolated: TopicFamily {TEAM}/trail allows {EU}; its tenant {PLATFORM}/support allows "
                        f"{EU}; its cluster {PLATFORM}/mem declares {EU}; {label}",
                    ),
                )
            )

        await until("the chain of reasons, told thrice", told)
        with pytest.raises(KubectlError, match="region cannot change or be removed once set"):
            kubectl.apply(cluster(US))

        (found,) = (await asyncio.to_thread(where, control_plane, "family/trail", "-n", TEAM))["items"]
        assert found["state"] == "Violated"
        assert {place["name"]: place["state"] for place in found["places"]} == {
            f"Node/{MACHINE}": "Violated",
            "Volume/mem-0": "Violated",
        }

        kubectl("delete", "memorycluster", "mem", "-n", PLATFORM)
        kubectl("delete", "pod", "mem-0", "-n", PLATFORM, "--force", "--grace-period=0")
        # What the garbage collector does; whether this API server has one depends on which tests ran before.
        kubectl("delete", "secret", names.authority_secret("mem"), "-n", PLATFORM, "--ignore-not-found")
        kubectl.apply(cluster(US, **{ADOPT_VOLUMES: "true"}))
        renamed = (
            f"RegionViolated: MemoryCluster {PLATFORM}/mem declares {US}; its Volume/mem-0 rests in {EU} (the region"
        )
        await until("refused", lambda: renamed in said(rest, "MemoryCluster", PLATFORM, "mem"))
        assert read(rest, PLATFORM, "pods/mem-0") is None
        claim = read(rest, PLATFORM, "persistentvolumeclaims/mem-0")
        assert claim is not None
        assert claim["metadata"]["annotations"][REGION] == EU
    rest.close()
