"""One set of cases, two API servers: the fake in a process of its own, and a real one with our CRDs (`integration`)."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from e2e.stand import gotools
from e2e.stand.controlplane import ControlPlane
from e2e.stand.processes import Processes
from tests.conformance.api import Api, Server
from tests.fakekube.process import FakeKubeProcess

FAKE, REAL = "fake", "real"
# Two controllers that the fake does the work of.
CONTROLLERS = "garbage-collector-controller,namespace-controller"


@pytest.fixture(scope="session")
def fake_process() -> Iterator[FakeKubeProcess]:
    with FakeKubeProcess(bookmark_seconds=1) as process:
        yield process


@pytest.fixture(scope="session")
def real_server(request: pytest.FixtureRequest) -> ControlPlane:
    """The control plane with our CRDs installed."""
    from tests.integration.rest import APPLY, Rest
    from tests.integration.test_crds import CRDS, established, until

    control: ControlPlane = request.getfixturevalue("control_plane")
    rest = Rest(control.kubeconfig)
    for crd in CRDS.values():
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
        answer = rest.call("PATCH", f"{path}?fieldManager=tests&force=true", crd, APPLY)
        assert answer.ok, answer.message
    for crd in CRDS.values():
        name, plural = crd["metadata"]["name"], crd["spec"]["names"]["plural"]
        until(f"Established of {name}", lambda name=name: established(rest, name))
        until(f"{plural} to be served", lambda p=plural: rest.call("GET", f"/apis/agentmemory.dev/v1alpha1/{p}").ok)
    rest.close()
    return control


@pytest.fixture(params=[FAKE, pytest.param(REAL, marks=pytest.mark.integration)], scope="session")
def server(request: pytest.FixtureRequest) -> Server:
    """Either server."""
    if request.param == FAKE:
        process: FakeKubeProcess = request.getfixturevalue("fake_process")
        return Server(process.url, None, process.compact)
    control: ControlPlane = request.getfixturevalue("real_server")
    return Server(control.url, control, lambda: compact(control))


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    """A connection to either server, and an empty namespace."""
    api = Api(server, f"case-{uuid4().hex[:8]}")
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": api.namespace}}, expect=201)
    yield api
    api.close()


@pytest.fixture(scope="session")
def controllers(server: Server) -> Iterator[None]:
    """On the real one: the garbage collector and the namespace controller. The fake does their work itself."""
    control = server.control
    if control is None:
        yield
        return
    processes, name = Processes(control.folder), "kube-controller-manager"
    flags: dict[str, Any] = {
        "kubeconfig": control.kubeconfig,  # an administrator's: nobody made roles for each controller
        "cert-dir": control.pki.folder,
        "controllers": CONTROLLERS,
        "leader-elect": "false",
        "secure-port": "0",
    }
    processes.start(name, [gotools.kubernetes() / name, *(f"--{flag}={value}" for flag, value in flags.items())])
    try:
        yield
    finally:
        processes.stop(name)


def compact(control: ControlPlane) -> None:
    """Make etcd forget all revisions before the present one."""
    endpoint = f"http://127.0.0.1:{json.loads((control.folder / 'ports.json').read_text())['client']}"
    _post(f"{endpoint}/v3/kv/compaction", {"revision": str(_revision(endpoint)), "physical": True})


def _revision(endpoint: str) -> int:
    found = _post(f"{endpoint}/v3/kv/range", {"key": "Lw==", "limit": "1"})
    return int(found["header"]["revision"])


def _post(url: str, body: dict[str, Any]) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data=json.dumps(body).encode(), method="POST")
    with opener.open(request, timeout=10) as found:
        return json.loads(found.read())
