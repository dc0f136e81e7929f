"""One node: a network namespace and a mount namespace with containerd, kubelet and kube-proxy in them."""

import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.stand import cgroups, gotools, network, packages, paths, seed
from e2e.stand.containerd import Containerd
from e2e.stand.controlplane import ControlPlane
from e2e.stand.processes import Processes

REGION = "eu-central-1"
"""Of all nodes, as the S3 server's on the stand; each is a zone of its own."""
JOINED = """
set -e
for file in $1; do echo $$ >"$file"; done
shift
exec nsenter "$@"
"""


@dataclass(frozen=True)
class Node:
    """Node `number` (from 1) of the stand in `folder`."""

    number: int
    stand: Path
    control: ControlPlane

    @property
    def name(self) -> str:
        return paths.node_name(self.number)

    @property
    def labels(self) -> dict[str, str]:
        """What a cloud says of its machines (Kubernetes: Well-Known Labels)."""
        zone = f"{REGION}{'abc'[self.number - 1]}"
        return {"topology.kubernetes.io/region": REGION, "topology.kubernetes.io/zone": zone}

    @property
    def folder(self) -> Path:
        return self.stand / self.name

    @property
    def runtime(self) -> Containerd:
        return Containerd(self.folder)

    @property
    def processes(self) -> Processes:
        return Processes(self.folder)

    def start_runtime(self, images: Path) -> None:
        """Network, cgroups and containerd, with the images of a seed; needs no API server."""
        for part in ("cni", "kubelet", "volumes", "volume-plugins"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        network.create_node(self.number)
        cgroups.create(self.name)
        (self.folder / "cni/pods.conflist").write_text(json.dumps(_cni(self.folder, self.number)))
        seed.plant(images, self.folder / "containerd")
        self.runtime.start(["nsenter", f"--net={self._netns}"], self._entries)

    def start_kubelet(self) -> None:
        """kubelet and kube-proxy; the API server must be up."""
        pki, url = self.control.pki, self.control.url
        own = pki.kubeconfig(self.name, url, f"system:node:{self.name}", "system:nodes")
        proxy = pki.kubeconfig("kube-proxy", url, "system:kube-proxy")
        (self.folder / "kubelet.yaml").write_text(yaml.safe_dump(self._kubelet()))
        (self.folder / "proxy.yaml").write_text(yaml.safe_dump(_proxy(self.name, proxy)))
        self._join(
            "kubelet",
            [
                gotools.kubernetes() / "kubelet",
                f"--config={self.folder / 'kubelet.yaml'}",
                f"--kubeconfig={own}",
                f"--root-dir={self.folder / 'kubelet'}",
                f"--cert-dir={self.folder / 'kubelet'}",
                f"--hostname-override={self.name}",
                f"--node-ip={paths.node_ip(self.number)}",
                f"--node-labels={','.join(f'{name}={value}' for name, value in self.labels.items())}",
            ],
        )
        self._join("kube-proxy", [gotools.kubernetes() / "kube-proxy", f"--config={self.folder / 'proxy.yaml'}"])

    def crash(self) -> None:
        """Every process of the node dies at once."""
        cgroups.kill(self.name)

    def freeze(self, frozen: bool) -> None:
        cgroups.freeze(self.name, frozen)

    def partition(self, cut: bool) -> None:
        """Cuts the node off the network, or connects it again."""
        network.set_link(self.number, not cut)

    def stop(self) -> None:
        cgroups.kill(self.name)
        for name in self.processes.names():
            self.processes.stop(name, signal.SIGKILL)

    @property
    def _netns(self) -> str:
        return f"/run/netns/{paths.netns(self.number)}"

    @property
    def _entries(self) -> str:
        return " ".join(str(file) for file in cgroups.entry_files(self.name))

    def _join(self, name: str, command: list[str | Path]) -> None:
        containerd = self.processes.pid("containerd")
        inside = [f"--mount=/proc/{containerd}/ns/mnt", f"--net={self._netns}"]
        self.processes.start(
            name,
            ["sh", "-c", JOINED, "sh", self._entries, *inside, *command],
            env={"PATH": packages.path()},
            cwd=self.folder,
        )

    def _kubelet(self) -> dict[str, Any]:
        pki = self.control.pki
        certificate = pki.certificate(
            f"{self.name}-server", self.name, addresses=(paths.node_ip(self.number), self.name)
        )
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(pki.ca)}},
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(certificate),
            "tlsPrivateKeyFile": str(certificate.with_suffix(".key")),
            "containerRuntimeEndpoint": f"unix://{self.runtime.socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{paths.CGROUP}/{self.name}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "clusterDNS": [paths.DNS_IP],
            "clusterDomain": "cluster.local",
            "resolvConf": str(self.stand / "resolv.conf"),
            "podLogsDir": str(self.folder / "pod-logs"),
            "volumePluginDir": str(self.folder / "volume-plugins"),
            "nodeStatusUpdateFrequency": "2s",
            "nodeLeaseDurationSeconds": 10,
            # Images come from no registry: none may be removed to make room. So no threshold on any disk.
            "imageGCHighThresholdPercent": 100,
            "imageMaximumGCAge": "0s",
            "evictionHard": {"memory.available": "100Mi"},
        }


def _cni(folder: Path, number: int) -> dict[str, Any]:
    """Point to point, so that also what two pods of one node send each other passes the node's FORWARD chain."""
    ipam = {
        "type": "host-local",
        "dataDir": str(folder / "ipam"),
        "ranges": [[{"subnet": paths.pod_net(number)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {"cniVersion": "1.0.0", "name": "amstand", "plugins": [{"type": "ptp", "ipam": ipam}]}


def _proxy(name: str, kubeconfig: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "hostnameOverride": name,
        "clusterCIDR": f"{paths.POD_NET}.0.0/16",
        "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
    }
