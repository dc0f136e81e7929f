"""The stand as a whole: up, down, and what is in between."""

import datetime
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.stand import cached, gotools, images, leftovers, network, oci, packages, paths, seed
from e2e.stand.audit import AuditLog
from e2e.stand.controlplane import ControlPlane
from e2e.stand.kubeapi import Api
from e2e.stand.node import Node
from e2e.stand.processes import Processes
from e2e.stand.shell import StandError, run, step, until

MAXIMUM_NODES = 3
PORT = 6443
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
LOCK = Path("/run/lock/agent-memory-stand.lock")
COREFILE = """cluster.local in-addr.arpa {{
  bind {address}
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig}
    ttl 1
  }}
}}
. {{
  bind {address}
  errors
  forward . {resolv}
}}
"""


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
            other = leftovers.recorded()
            if other not in (None, self.folder) and _alive(other):
                raise StandError(f"this machine runs another stand, {other}: end that one first (down)")
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
            leftovers.clean(self.folder)
            leftovers.demand_nothing(self.folder)
            if wipe:
                leftovers.wipe(self.folder)

    def healthy(self, nodes: int) -> bool:
        """Whether all that was started still runs, with at least that many nodes, and the API answers."""
        up = self.nodes()
        parts = [self.control.processes, *(node.processes for node in up)]
        running = all(part.running(name) for part in parts for name in part.names())
        return running and len(up) >= nodes and bool(self.control.processes.names()) and self.control.ready()

    def _require_root(self) -> None:
        if os.geteuid() != 0:
            raise StandError("the stand makes network namespaces and cgroups: run this as root")

    def _start(self, count: int) -> None:
        control = self.control
        for part in ("run", "log"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        _write_resolv(self.folder / "resolv.conf")
        leftovers.record(self.folder, network.create_bridge())
        nodes = [Node(number, self.folder, control) for number in range(1, count + 1)]
        wanted, unpacked = images.all_images(), seed.prepare(images.lasting_images())
        with ThreadPoolExecutor(count + 1) as pool:
            runtimes = [pool.submit(self._prepare, node, unpacked, wanted) for node in nodes]
            self._start_control_plane(count)
            for runtime in runtimes:
                runtime.result()
        since = _now()
        network.connect(range(1, count + 1))
        for node in nodes:
            node.start_kubelet()
        self._await_nodes(nodes, since)

    def _prepare(self, node: Node, unpacked: Path, wanted: list[oci.Image]) -> None:
        node.start_runtime(unpacked)
        for image in wanted:
            node.runtime.load(image)

    def _start_control_plane(self, nodes: int) -> None:
        control, binaries = self.control, gotools.kubernetes()
        control.start()
        pki, url, start = control.pki, control.url, control.processes.start
        manager = pki.kubeconfig("controller-manager", url, "system:kube-controller-manager")
        start(
            "kube-controller-manager",
            [
                binaries / "kube-controller-manager",
                f"--kubeconfig={manager}",
                "--use-service-account-credentials",
                f"--service-account-private-key-file={pki.file('sa.key')}",
                f"--root-ca-file={pki.ca}",
                f"--cluster-signing-cert-file={pki.ca}",
                f"--cluster-signing-key-file={pki.file('ca.key')}",
                "--leader-elect=false",
                "--node-monitor-period=2s",
                "--node-monitor-grace-period=12s",
                f"--cert-dir={pki.folder}",
            ],
        )
        scheduler = pki.kubeconfig("scheduler", url, "system:kube-scheduler")
        start(
            "kube-scheduler",
            [
                binaries / "kube-scheduler",
                f"--kubeconfig={scheduler}",
                "--leader-elect=false",
                f"--cert-dir={pki.folder}",
            ],
        )
        self._forget_nodes_above(nodes)
        run(
            [
                self.kubectl,
                f"--kubeconfig={self.kubeconfig}",
                "apply",
                "--server-side",
                "--force-conflicts",
                "-f",
                paths.SOURCES / "manifests/cluster.yaml",
            ]
        )
        dns = pki.kubeconfig("dns", url, "system:kube-dns")
        corefile = COREFILE.format(address=paths.HOST_IP, kubeconfig=dns, resolv=self.folder / "resolv.conf")
        (self.folder / "Corefile").write_text(corefile)
        start("coredns", [binaries / "coredns", "-conf", self.folder / "Corefile"])
        pki.kubeconfig("helpers", url, "stand:helpers")
        start(
            "helpers",
            [sys.executable, "-m", "e2e.stand.helpers", self.folder],
            cwd=paths.REPOSITORY,
            env={"PATH": packages.path()},
        )

    def _forget_nodes_above(self, count: int) -> None:
        """Nodes of an earlier, larger life would stay in the cluster as lost ones."""
        api = Api.of(self.kubeconfig)
        for item in api.get("/api/v1/nodes")["items"]:
            if item["metadata"]["name"] not in map(paths.node_name, range(1, count + 1)):
                api.request("DELETE", f"/api/v1/nodes/{item['metadata']['name']}")

    def _await_nodes(self, nodes: list[Node], since: str) -> None:
        api = Api.of(self.kubeconfig)

        def ready() -> bool:
            for node in nodes:
                for name in node.processes.names():
                    node.processes.check(name)
            return all(_ready_since(api, node.name, since) for node in nodes)

        until("the nodes to be ready", 90, ready, pause=0.2)
        until("pods of an earlier life to be started again", 60, lambda: not _stale_pods(api, since), pause=0.2)
        until("the default service account", 30, lambda: api.find(ACCOUNT) is not None)


@contextmanager
def in_use(purpose: str) -> Iterator[None]:
    """Keeps two users of this machine's cluster apart: held for a whole run of tests or of the demo."""
    with cached.lock(paths.cache() / "cluster.lock", f"tests or the demo on {purpose}"):
        yield


def build() -> None:
    """Makes whatever the stand needs that is not there yet: packages, Kubernetes, images."""
    packages.ensure(packages.NODE)
    gotools.kubernetes()
    images.all_images()
    seed.prepare(images.lasting_images())


def _ready_since(api: Api, name: str, since: str) -> bool:
    """Whether a node has reported Ready in this life: its lease is newer than the start (UTC, as Kubernetes writes)."""
    node, lease = api.find(f"/api/v1/nodes/{name}"), api.find(f"{LEASES}/{name}")
    if not node or not lease or lease["spec"]["renewTime"] < since:
        return False
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))


def _stale_pods(api: Api, since: str) -> list[str]:
    """Pods whose state is from before the start: their kubelet has not told yet that their containers are gone."""
    return [
        pod["metadata"]["name"]
        for pod in api.get("/api/v1/pods")["items"]
        for container in (pod.get("status") or {}).get("containerStatuses") or []
        if container["state"].get("running", {}).get("startedAt", since) < since
        and pod["spec"].get("nodeName")
        and "deletionTimestamp" not in pod["metadata"]
    ]


def _alive(state: Path) -> bool:
    processes = Processes(state)
    return processes.running("kube-apiserver") and processes.running("etcd")


def _write_resolv(file: Path) -> None:
    lines = Path("/etc/resolv.conf").read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.startswith("search")))


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
