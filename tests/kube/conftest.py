"""One set of tests, two API servers: fakekube, and a real one (marker `integration`)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kubernetes.aio.client import Configuration

from agentmemory.core.metrics import Metrics
from agentmemory.kube.client import KubeClient
from agentmemory.kube.config import from_file
from tests.fakekube.client import configuration_for
from tests.fakekube.server import FakeKube

Object = dict[str, Any]


@dataclass
class Server:
    """A server to talk to, and a namespace of the test's own. `fake` is None on the real one."""

    kubeconfig: Path | None
    namespace: str
    fake: FakeKube | None

    async def configuration(self) -> Configuration:
        """Fresh credentials, as `login` of the process gives them."""
        if self.fake is not None:
            return configuration_for(self.fake.url)
        assert self.kubeconfig is not None
        return await from_file(self.kubeconfig)

    async def client(self, **options: Any) -> KubeClient:
        """A client of its own; close it."""
        return KubeClient(await self.configuration(), manager="agent-memory-operator-test", **options)


@pytest.fixture(scope="session")
def real_kubeconfig(request: pytest.FixtureRequest) -> Path:
    """The real control plane's kubeconfig, with our CRDs installed."""
    from tests.integration.rest import APPLY, Rest
    from tests.integration.test_crds import CRDS, established, until  # needs the stand's modules

    control_plane = request.getfixturevalue("control_plane")
    rest = Rest(control_plane.kubeconfig)
    for crd in CRDS.values():
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
        answer = rest.call("PATCH", f"{path}?fieldManager=tests&force=true", crd, APPLY)
        assert answer.ok, answer.message
    for crd in CRDS.values():
        name, plural = crd["metadata"]["name"], crd["spec"]["names"]["plural"]
        until(f"Established of {name}", lambda name=name: established(rest, name))
        until(f"{plural} to be served", lambda p=plural: rest.call("GET", f"/apis/agentmemory.dev/v1alpha1/{p}").ok)
    rest.close()
    return Path(control_plane.kubeconfig)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.integration)])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Either server, with an empty namespace."""
    namespace = f"test-{uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    if request.param == "fake":
        async with FakeKube() as fake:
            fake.cluster.create(body)
            fake.requests.clear()
            yield Server(None, namespace, fake)
        return
    server = Server(request.getfixturevalue("real_kubeconfig"), namespace, None)
    async with await server.client() as client:
        await client.create(body)
    yield server


@pytest.fixture
async def kube(server: Server) -> AsyncIterator[KubeClient]:
    """A client for `server`."""
    async with await server.client(metrics=Metrics()) as client:
        yield client


@pytest.fixture
async def fake() -> AsyncIterator[FakeKube]:
    """fakekube alone, for tests that inject faults."""
    async with FakeKube() as served:
        yield served
