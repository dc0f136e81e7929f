"""Which cluster the demo and the end-to-end tests use, and what they may ask of it.

In this order, unless one is named: the cluster of KUBECONFIG when asked for, kind where Docker runs, else the stand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import yaml

from e2e.forward import Forwards
from e2e.stand import gotools, images, kafka_image, oci, operator_image, paths, stand
from e2e.stand.audit import AuditLog
from e2e.stand.containerd import complete_names
from e2e.stand.shell import StandError, run, say

Name = Literal["stand", "kind", "current"]
NAMES: tuple[Name, ...] = ("stand", "kind", "current")
NODES = 3
KIND = "v0.30.0"  # its default node is Kubernetes 1.34
KIND_NAME = "agent-memory"


class UnavailableError(StandError):
    """That cluster cannot be had on this machine; the message says why."""


class Cluster(Protocol):
    """A cluster that is up, between `up` and `down`."""

    name: Name
    operator_image: str
    kafka_image: str  # "" for the operator's own default

    @property
    def operator_digest(self) -> str:
        """Changes with the operator image's content although its name stays, so that a changed one is rolled out."""

    @property
    def kubeconfig(self) -> Path: ...

    @property
    def kubectl_program(self) -> Path: ...

    @property
    def audit(self) -> AuditLog | None:
        """The API server's audit log, None where it cannot be read."""

    def up(self) -> bool:
        """Bring it up with the project's images; False when it was up before us, and is not ours to take down."""

    def down(self) -> None: ...

    def kubectl(self, *args: str) -> str:
        """kubectl's standard output; StandError with its last words when it fails."""

    def load_image(self, archive: Path) -> None:
        """Give every node the images of an archive (`docker save`, OCI)."""

    def provide(self, image: oci.Image) -> None:
        """Give every node an image that was assembled here; UnavailableError on somebody else's cluster."""

    def nodes(self) -> list[str]: ...

    def address(self, service: dict[str, Any], port: int) -> str:
        """`host:port` at which this machine reaches a Service that has a ready pod."""

    def signal_pod_process(self, namespace: str, pod: str, signal: str, container: str = "") -> None:
        """Send a container's main process (the first one's unless named) a signal; UnavailableError off the stand."""

    def kill_pod_process(self, namespace: str, pod: str, container: str = "") -> None:
        """kill -9 it, as a crash would."""

    def end_pods(self, namespace: str) -> None:
        """Delete a namespace's pods, whose grace nobody needs any more."""


class Base:
    """What all clusters do with kubectl alone."""

    operator_image = operator_image.NAME
    kafka_image = f"local/kafka:{kafka_image.version()}"
    name: Name

    @cached_property
    def forwards(self) -> Forwards:
        return Forwards(self.kubectl_program, self.kubeconfig)

    @property
    def kubeconfig(self) -> Path:
        raise NotImplementedError

    @property
    def kubectl_program(self) -> Path:
        found = shutil.which("kubectl")
        return Path(found) if found else gotools.kubectl()

    @property
    def operator_digest(self) -> str:
        return ""

    @property
    def audit(self) -> AuditLog | None:
        return None

    def kubectl(self, *args: str) -> str:
        return run([self.kubectl_program, *args], env={**os.environ, "KUBECONFIG": str(self.kubeconfig)})

    def load_image(self, archive: Path) -> None:
        raise NotImplementedError

    def provide(self, image: oci.Image) -> None:
        self.load_image(image.archive())

    def nodes(self) -> list[str]:
        return self.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()

    def address(self, service: dict[str, Any], port: int) -> str:
        return self.forwards.address(service["metadata"]["namespace"], service["metadata"]["name"], port)

    def signal_pod_process(self, namespace: str, pod: str, signal: str, container: str = "") -> None:
        raise UnavailableError(
            f"the process of pod {namespace}/{pod} gets no {signal} on {self.name}: only on the stand"
        )

    def kill_pod_process(self, namespace: str, pod: str, container: str = "") -> None:
        self.signal_pod_process(namespace, pod, "SIGKILL", container)

    def end_pods(self, namespace: str) -> None:
        self.kubectl("-n", namespace, "delete", "pods", "--all", "--now", "--wait=false")


class StandCluster(Base):
    """The local stand; needs root."""

    name: Name = "stand"

    def __init__(self) -> None:
        self.stand = stand.Stand()

    @property
    def kubeconfig(self) -> Path:
        return self.stand.kubeconfig

    @property
    def kubectl_program(self) -> Path:
        return gotools.kubectl()

    @property
    def operator_digest(self) -> str:
        return operator_image.image().manifest

    @property
    def audit(self) -> AuditLog | None:
        return self.stand.audit

    def up(self) -> bool:
        before = self.stand.healthy(NODES)
        self.stand.up(NODES, fresh=not before)
        return not before

    def down(self) -> None:
        self.stand.down()

    def load_image(self, archive: Path) -> None:
        for node in self.stand.nodes():
            node.runtime.load_archive(archive)

    def provide(self, image: oci.Image) -> None:
        images.load(self.stand.nodes(), [image])

    def address(self, service: dict[str, Any], port: int) -> str:
        """This machine has a way to the Services' own addresses."""
        return f"{service['spec']['clusterIP']}:{port}"

    def signal_pod_process(self, namespace: str, pod: str, signal: str, container: str = "") -> None:
        which = f'?(@.name=="{container}")' if container else "0"
        path = f"{{.spec.nodeName}} {{.status.containerStatuses[{which}].containerID}}"
        node, _, identity = self.kubectl("-n", namespace, "get", "pod", pod, "-o", f"jsonpath={path}").partition(" ")
        if not identity:
            raise StandError(f"pod {namespace}/{pod} has no running container {container}".rstrip())
        self.stand.node(node).runtime.signal(identity.removeprefix("containerd://"), signal)

    def end_pods(self, namespace: str) -> None:
        """A container that is ending already would wait out the grace that it was given first: it is killed."""
        super().end_pods(namespace)
        for pod in self.kubectl("-n", namespace, "get", "pods", "-o", "name").split():
            try:
                self.kill_pod_process(namespace, pod.removeprefix("pod/"))
            except StandError as gone:
                say(f"{namespace}/{pod} has ended by itself: {gone}")


class KindCluster(Base):
    """kind by pytest-kind. The images are built by Docker from images/*/Containerfile."""

    name: Name = "kind"

    def __init__(self) -> None:
        os.environ.setdefault("KIND_VERSION", KIND)
        os.environ.setdefault("KUBECTL_VERSION", gotools.KUBERNETES)
        from pytest_kind import KindCluster as PytestKind  # type: ignore[import-untyped]  # reads both when imported

        self.folder = paths.cache() / "kind"
        self.folder.mkdir(exist_ok=True)
        self._kind = PytestKind(
            KIND_NAME, kubeconfig=self.folder / "kubeconfig", kind_path=self.folder / f"kind-{KIND}"
        )

    @property
    def kubeconfig(self) -> Path:
        return Path(self._kind.kubeconfig_path)

    def up(self) -> bool:
        self._kind.ensure_kind()
        before = KIND_NAME in run([self._kind.kind_path, "get", "clusters"]).split()
        config = self.folder / "nodes.yaml"
        roles = [{"role": "control-plane"}, *[{"role": "worker"}] * (NODES - 1)]
        config.write_text(yaml.safe_dump({"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": roles}))
        self._kind.create(config)
        for folder, image in (("operator", self.operator_image), ("kafka", self.kafka_image)):
            self._build(folder, image)
        return not before

    def down(self) -> None:
        self._kind.delete()

    def load_image(self, archive: Path) -> None:
        run([self._kind.kind_path, "load", "image-archive", archive, "--name", KIND_NAME])
        for node in run([self._kind.kind_path, "get", "nodes", "--name", KIND_NAME]).split():
            complete_names(["docker", "exec", node, "ctr", "--namespace", "k8s.io"])

    def _build(self, folder: str, image: str) -> None:
        containerfile = paths.REPOSITORY / "images" / folder / "Containerfile"
        run(["docker", "build", "--quiet", "-t", image, "-f", containerfile, paths.REPOSITORY])
        with tempfile.TemporaryDirectory() as work:
            archive = Path(work) / "image.tar"
            run(["docker", "save", "-o", archive, image])
            self.load_image(archive)


class CurrentCluster(Base):
    """The cluster that KUBECONFIG names. Its nodes must be able to get the images that the environment names."""

    name: Name = "current"

    def __init__(self) -> None:
        self.operator_image = os.environ.get("AGENTMEMORY_OPERATOR_IMAGE", operator_image.NAME)
        self.kafka_image = os.environ.get("AGENTMEMORY_KAFKA_IMAGE", "")

    @property
    def kubeconfig(self) -> Path:
        return Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube/config")

    def up(self) -> bool:
        if not self.kubeconfig.is_file():
            raise UnavailableError(f"there is no kubeconfig at {self.kubeconfig}: set KUBECONFIG")
        self.kubectl("get", "--raw", "/readyz")
        return False

    def down(self) -> None:
        """Somebody else's cluster stays."""

    def load_image(self, archive: Path) -> None:
        raise UnavailableError(
            f"{archive} cannot be loaded into a cluster that is not ours: push it to a registry instead"
        )


def docker_runs() -> bool:
    """Whether a Docker daemon answers; that its program is installed says nothing."""
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=20).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def choose(name: Name | None = None, docker: Callable[[], bool] = docker_runs) -> Cluster:
    """The cluster to use, not up yet. UnavailableError when the one asked for cannot be had here.

    Without a name: `AGENTMEMORY_CLUSTER` names one, else kind where Docker runs, else the stand. KUBECONFIG alone does
    not ask for `current`: it may well point at something that matters.
    """
    asked = name or os.environ.get("AGENTMEMORY_CLUSTER")
    if asked is None:
        asked = "kind" if docker() else "stand"
    if asked == "current":
        return CurrentCluster()
    if asked == "kind":
        if not docker():
            raise UnavailableError("kind needs Docker, and `docker info` fails here: no daemon answers")
        return KindCluster()
    if asked == "stand":
        if os.geteuid() != 0:
            raise UnavailableError("the stand needs root (network namespaces, cgroups)")
        return StandCluster()
    raise StandError(f"there is no cluster called {asked!r}: choose one of {', '.join(NAMES)}")


@contextmanager
def running(cluster: Cluster, keep: bool = False) -> Iterator[Cluster]:
    """The cluster, up; taken down at the end when it was not up before, unless it is to be kept."""
    with stand.in_use(cluster.name):
        ours = cluster.up()
        try:
            yield cluster
        finally:
            if ours and not keep:
                cluster.down()
