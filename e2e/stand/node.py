"""One node: a network namespace and a mount namespace with containerd, kubelet and kube-proxy in them."""

import json
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.stand import base_image, cgroups, gotools, network, oci, packages, paths
from e2e.stand.controlplane import ControlPlane
from e2e.stand.processes import Processes
from e2e.stand.shell import StandError, run, succeeds, until

# The mounts of a node are its own and vanish with its last process; these folders of the machine are not written to.
PRIVATE = """
set -e
for file in $3; do echo $$ >"$file"; done
mkdir -p /run/containerd /var/lib/cni /var/log/containers
mount -t tmpfs tmpfs /run/containerd
mount -t tmpfs tmpfs /var/lib/cni
mount -t tmpfs tmpfs /var/log/containers
exec nsenter --net="$1" containerd --config "$2"
"""
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
    def folder(self) -> Path:
        return self.stand / self.name

    @property
    def socket(self) -> Path:
        return self.folder / "containerd.sock"

    @property
    def processes(self) -> Processes:
        return Processes(self.folder)

    def start_runtime(self) -> None:
        """Network, cgroups and containerd; needs no API server."""
        for part in ("cni", "kubelet", "volumes", "volume-plugins"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        network.create_node(self.number)
        cgroups.create(self.name)
        (self.folder / "containerd.toml").write_text(_containerd(self.folder))
        (self.folder / "cni/pods.conflist").write_text(json.dumps(_cni(self.folder, self.number)))
        command = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", PRIVATE, "sh"]
        self.processes.start(
            "containerd",
            [*command, self._netns, self.folder / "containerd.toml", self._entries],
            env={"PATH": packages.path()},
        )

        def answers() -> bool:
            self.processes.check("containerd")
            return succeeds([*self._ctr, "version"])

        until(f"containerd of {self.name} (log: {self.processes.log('containerd')})", 30, answers)

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
            ],
        )
        self._join("kube-proxy", [gotools.kubernetes() / "kube-proxy", f"--config={self.folder / 'proxy.yaml'}"])

    def load(self, image: oci.Image) -> bool:
        """Imports an image's missing blobs; False when the node has this very image already."""
        rows = [row.split() for row in run([*self._ctr, "images", "ls", f"name=={image.reference}"]).splitlines()[1:]]
        if any(row[0] == image.reference and row[2] == f"sha256:{image.manifest}" for row in rows):
            return False
        known = run([*self._ctr, "content", "ls", "-q"]).split()
        with subprocess.Popen(
            [*map(str, self._ctr), "images", "import", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as importing:
            assert importing.stdin is not None
            assert importing.stderr is not None
            image.write(importing.stdin, frozenset(word.removeprefix("sha256:") for word in known))
            importing.stdin.close()
            said = importing.stderr.read().decode(errors="replace")
        if importing.returncode:
            raise StandError(f"{self.name} does not take the image {image.name}: {said.strip()}")
        return True

    def load_archive(self, archive: Path) -> None:
        """Imports an image archive of any kind that containerd reads."""
        run([*self._ctr, "images", "import", archive])

    def kill_container(self, container: str) -> None:
        """Kills a container's main process as a crash would: nothing tells it, nothing is flushed."""
        run([*self._ctr, "tasks", "kill", "--signal", "SIGKILL", container])

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

    @property
    def _ctr(self) -> list[str | Path]:
        return ["ctr", "--address", self.socket, "--namespace", "k8s.io"]

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
            "containerRuntimeEndpoint": f"unix://{self.socket}",
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


def _containerd(folder: Path) -> str:
    return f"""version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-run"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs"]
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{base_image.PAUSE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{folder}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


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
