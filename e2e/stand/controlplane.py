"""etcd and kube-apiserver as plain processes: all that tests of the API need, without root and without pods."""

import json
import signal
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from e2e.stand import gotools, paths
from e2e.stand.audit import AuditLog
from e2e.stand.pki import Pki
from e2e.stand.ports import free_ports
from e2e.stand.processes import Processes
from e2e.stand.shell import until

SERVICE_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
)
ISSUER = "https://kubernetes.default.svc.cluster.local"
START_SECONDS = 90


@dataclass
class ControlPlane:
    """One control plane in a folder of its own. Ports are chosen when it is started and stay until it stops.

    `address` is where the API server listens; `port` 0 means a free one. With `nodes` the API server is set up for
    kubelets: node authorization, service accounts for pods.
    """

    folder: Path
    address: str = "127.0.0.1"
    port: int = 0
    nodes: bool = False

    def __post_init__(self) -> None:
        self.processes = Processes(self.folder)
        self.pki = Pki(self.folder / "pki")
        self._fixed_port, self._etcd_ports = self.port, (0, 0)
        if self._ports_file.exists():
            self._take_ports(json.loads(self._ports_file.read_text()))

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.pki.file("admin.kubeconfig")

    @property
    def ca(self) -> Path:
        return self.pki.ca

    @property
    def admin_cert(self) -> Path:
        return self.pki.file("admin.crt")

    @property
    def admin_key(self) -> Path:
        return self.pki.file("admin.key")

    @property
    def audit_log(self) -> Path:
        """JSON lines, one for each answered request; `e2e.stand.audit` reads it."""
        return self.folder / "audit.jsonl"

    @property
    def audit(self) -> AuditLog:
        return AuditLog(self.audit_log)

    def start(self) -> None:
        """Starts etcd and the API server, and returns once it is ready; StandError with its log when it is not."""
        self._choose_ports()
        self.pki.prepare()
        self.pki.certificate(
            "apiserver", "kube-apiserver", addresses=(self.address, "127.0.0.1", "10.96.0.1", *SERVICE_NAMES)
        )
        self.pki.certificate("apiserver-kubelet", "kube-apiserver-kubelet-client", "system:masters")
        self.pki.kubeconfig("admin", self.url, "admin", "system:masters")
        self.start_etcd()
        self.start_apiserver()

    def start_etcd(self) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in self._etcd_ports)
        # Nothing here must survive the machine, so that no write waits for the disk.
        self.processes.start(
            "etcd",
            [
                gotools.kubernetes() / "etcd",
                "--data-dir",
                self.folder / "etcd",
                "--unsafe-no-fsync",
                "--log-level=warn",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
            ],
        )

    def start_apiserver(self) -> None:
        self.processes.start("kube-apiserver", [gotools.kubernetes() / "kube-apiserver", *self._apiserver_flags()])
        self.wait_ready()

    def kill_apiserver(self) -> None:
        """Kills the API server as a crash would; `start_apiserver` brings it back on the same port."""
        self.processes.stop("kube-apiserver", signal.SIGKILL)

    def stop(self) -> None:
        self.processes.stop("kube-apiserver", signal.SIGKILL)
        self.processes.stop("etcd", signal.SIGKILL if not self.nodes else signal.SIGTERM)

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        def ready() -> bool:
            self.processes.check("etcd")
            self.processes.check("kube-apiserver")
            return self.ready()

        until(f"the API server at {self.url} (log: {self.processes.log('kube-apiserver')})", seconds, ready)

    def ready(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.ca))
        # Proxy settings of the environment are not for this machine's own addresses.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    @property
    def _ports_file(self) -> Path:
        return self.folder / "ports.json"

    def _choose_ports(self) -> None:
        """New ones unless something runs on the old ones; written down for whoever looks at this folder later."""
        if any(self.processes.running(name) for name in ("etcd", "kube-apiserver")):
            return
        client, peer, server = free_ports(3)
        self._take_ports({"client": client, "peer": peer, "server": self._fixed_port or server})
        self._ports_file.write_text(json.dumps({"client": client, "peer": peer, "server": self.port}))

    def _take_ports(self, ports: dict[str, int]) -> None:
        self.port = ports["server"]
        self._etcd_ports = (ports["client"], ports["peer"])

    def _apiserver_flags(self) -> list[str]:
        pki = self.pki
        flags = {
            "etcd-servers": f"http://127.0.0.1:{self._etcd_ports[0]}",
            "advertise-address": self.address,
            "bind-address": self.address,
            "secure-port": str(self.port),
            "cert-dir": str(pki.folder),
            "service-cluster-ip-range": paths.SERVICE_NET,
            "authorization-mode": "Node,RBAC",
            "anonymous-auth": "true",
            "client-ca-file": str(pki.ca),
            "tls-cert-file": str(pki.file("apiserver.crt")),
            "tls-private-key-file": str(pki.file("apiserver.key")),
            "service-account-issuer": ISSUER,
            "service-account-key-file": str(pki.file("sa.pub")),
            "service-account-signing-key-file": str(pki.file("sa.key")),
            "audit-policy-file": str(paths.SOURCES / "manifests/audit-policy.yaml"),
            "audit-log-path": str(self.audit_log),
            "audit-log-maxsize": "4096",
            **(self._for_nodes() if self.nodes else {"disable-admission-plugins": "ServiceAccount"}),
        }
        return [f"--{name}={value}" for name, value in flags.items()]

    def _for_nodes(self) -> dict[str, str]:
        return {
            "enable-admission-plugins": "NodeRestriction",
            "kubelet-client-certificate": str(self.pki.file("apiserver-kubelet.crt")),
            "kubelet-client-key": str(self.pki.file("apiserver-kubelet.key")),
            "kubelet-preferred-address-types": "InternalIP",
            # A lost node's pods are evicted after seconds, so that tests need not wait for minutes.
            "default-not-ready-toleration-seconds": "10",
            "default-unreachable-toleration-seconds": "10",
        }
