"""The stand as a whole: up, down, and what is in between."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.stand import cached, gotools, images, java, leftovers, network, oci, packages, paths, readiness, seed, services
from e2e.stand.audit import AuditLog
from e2e.stand.controlplane import ControlPlane
from e2e.stand.kubeapi import Api
from e2e.stand.node import Node
from e2e.stand.processes import Processes
from e2e.stand.shell import StandError, step

MAXIMUM_NODES = 3
PORT = 6443
LOCK = Path("/run/lock/agent-memory-stand.lock")


@dataclass(frozen=True)
class Stand:
    """The cluster `name`. A machine runs one at a time: its addresses are fixed."""

    name: str = "default"

    @property
    def folder(self) -> Path:
        return paths.state(self.name)

    @property
    def control(self) -> ControlPlane:
        return ControlPlane(self.folder, address=paths.HOST_IP, port=PORT, nodes=True)

    @property
    def kubeconfig(self) -> Path:
        return self.control.kubeconfig

    @property
    def audit(self) -> AuditLog:
        return self.control.audit

    @property
    def kubectl(self) -> Path:
        return gotools.kubectl()

    def nodes(self) -> list[Node]:
        """The nodes that were started, whether they still run or not."""
        every = [Node(number, self.folder, self.control) for number in range(1, MAXIMUM_NODES + 1)]
        return [node for node in every if node.processes.names()]

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes() if node.name == name)

    def up(self, nodes: int = 1, fresh: bool = False) -> Path:
        """Brings the cluster up with at least that many nodes and the images as they are now; the kubeconfig's path.

        What runs well goes on; else what a crash has left is cleaned and all starts again, with the data that it had
        or, when `fresh`, with none.
        """
        self._require_root()
        if not 1 <= nodes <= MAXIMUM_NODES:
            raise StandError(f"the stand has 1 to {MAXIMUM_NODES} nodes, not {nodes}")
        with cached.lock(LOCK, "another `up` or `down`"):
            if self.healthy(nodes):
                images.load(self.nodes(), images.all_images())
                return self.kubeconfig
            self._refuse_another()
            build()
            leftovers.clean(self.folder)
            if fresh:
                leftovers.wipe(self.folder, keep_images=True)
            with step(f"starting the stand with {nodes} node(s)"):
                self._start(nodes)
        return self.kubeconfig

    def down(self, wipe: bool = False) -> None:
        """Ends the cluster and shows that nothing is left; with `wipe` also forgets all that was in it."""
        self._require_root()
        with cached.lock(LOCK, "another `up` or `down`"):
            self._refuse_another()
            leftovers.clean(self.folder)
            leftovers.demand_nothing(self.folder)
            if wipe:
                leftovers.wipe(self.folder)

    def start_node(self, name: str) -> None:
        """Brings one node back that has crashed, with what was on its disk."""
        node = self.node(name)
        node.start_runtime(seed.prepare(images.lasting_images()))
        node.start_kubelet()

    def healthy(self, nodes: int) -> bool:
        """Whether `up` has come to its end with at least that many nodes, all it started runs, and the API answers."""
        mark = self.folder / leftovers.UP
        if not mark.exists() or int(mark.read_text()) < nodes:
            return False
        parts = [self.control.processes, *(node.processes for node in self.nodes())]
        return all(part.running(name) for part in parts for name in part.names()) and self.control.ready()

    def _require_root(self) -> None:
        if os.geteuid() != 0:
            raise StandError("the stand makes network namespaces and cgroups: run this as root")

    def _refuse_another(self) -> None:
        other = leftovers.recorded()
        if other and other != self.folder and _alive(other):
            raise StandError(f"this machine runs the stand {other}: end it first (`down --name {other.name}`)")

    def _start(self, count: int) -> None:
        control = self.control
        for part in ("run", "log"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        _write_resolv(self.folder / "resolv.conf")
        leftovers.record(self.folder, network.settings())
        network.create_bridge()
        nodes = [Node(number, self.folder, control) for number in range(1, count + 1)]
        wanted, unpacked = images.all_images(), seed.prepare(images.lasting_images())
        with ThreadPoolExecutor(count + 1) as pool:
            runtimes = [pool.submit(self._prepare, node, unpacked, wanted) for node in nodes]
            control.start()
            services.start(control, count)
            for runtime in runtimes:
                runtime.result()
        since = readiness.now()
        network.connect(range(1, count + 1))
        for node in nodes:
            node.start_kubelet()
        readiness.wait(Api.of(self.kubeconfig), nodes, since)
        (self.folder / leftovers.UP).write_text(str(count))

    def _prepare(self, node: Node, unpacked: Path, wanted: list[oci.Image]) -> None:
        node.start_runtime(unpacked)
        for image in wanted:
            node.runtime.load(image)


@contextmanager
def in_use(purpose: str) -> Iterator[None]:
    """Keeps two users of this machine's cluster apart: held for a whole run of tests or of the demo."""
    with cached.lock(paths.cache() / "cluster.lock", f"tests or the demo on {purpose}"):
        yield


def build() -> None:
    """Makes whatever the stand needs that is not there yet: packages, Kubernetes, images.

    The compiler has the machine's cores; what waits for networks and disks goes on beside it.
    """
    packages.ensure(packages.NODE, packages.BASE_IMAGE, packages.MAVEN)
    java.home()
    with ThreadPoolExecutor(1) as pool:
        compiled = pool.submit(gotools.kubernetes)
        images.all_images()
        seed.prepare(images.lasting_images())
        compiled.result()


def _alive(state: Path) -> bool:
    processes = Processes(state)
    return processes.running("kube-apiserver") and processes.running("etcd")


def _write_resolv(file: Path) -> None:
    lines = Path("/etc/resolv.conf").read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.startswith("search")))
