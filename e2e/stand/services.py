"""What runs on the machine beside etcd and the API server: controllers, scheduler, DNS, the stand's helpers."""

import sys
from pathlib import Path

from e2e.stand import gotools, packages, paths
from e2e.stand.controlplane import ControlPlane
from e2e.stand.kubeapi import Api
from e2e.stand.shell import run

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


def start(control: ControlPlane, nodes: int) -> None:
    """Starts all of them; the API server must be up. Nodes above `nodes`, of an earlier life, are forgotten."""
    _controller_manager(control)
    _scheduler(control)
    _forget_nodes_above(control, nodes)
    manifest = paths.SOURCES / "manifests/cluster.yaml"
    kubectl: list[str | Path] = [gotools.kubectl(), f"--kubeconfig={control.kubeconfig}"]
    run([*kubectl, "apply", "--server-side", "--force-conflicts", "-f", manifest])
    _dns(control)
    _helpers(control)


def _controller_manager(control: ControlPlane) -> None:
    pki = control.pki
    kubeconfig = pki.kubeconfig("controller-manager", control.url, "system:kube-controller-manager")
    flags: dict[str, str | Path] = {
        "kubeconfig": kubeconfig,
        "cert-dir": pki.folder,
        "use-service-account-credentials": "true",
        "service-account-private-key-file": pki.file("sa.key"),
        "root-ca-file": pki.ca,
        "cluster-signing-cert-file": pki.ca,
        "cluster-signing-key-file": pki.file("ca.key"),
        "leader-elect": "false",
        # A lost node is seen after 12 seconds instead of 50, so that tests need not wait for it.
        "node-monitor-period": "2s",
        "node-monitor-grace-period": "12s",
    }
    _start(control, "kube-controller-manager", flags)


def _scheduler(control: ControlPlane) -> None:
    kubeconfig = control.pki.kubeconfig("scheduler", control.url, "system:kube-scheduler")
    flags: dict[str, str | Path] = {"kubeconfig": kubeconfig, "cert-dir": control.pki.folder, "leader-elect": "false"}
    _start(control, "kube-scheduler", flags)


def _start(control: ControlPlane, program: str, flags: dict[str, str | Path]) -> None:
    command: list[str | Path] = [
        gotools.kubernetes() / program,
        *(f"--{name}={value}" for name, value in flags.items()),
    ]
    control.processes.start(program, command)


def _dns(control: ControlPlane) -> None:
    resolv = control.folder / "resolv.conf"
    kubeconfig = control.pki.kubeconfig("dns", control.url, "system:kube-dns")
    corefile = control.folder / "Corefile"
    corefile.write_text(COREFILE.format(address=paths.HOST_IP, kubeconfig=kubeconfig, resolv=resolv))
    control.processes.start("coredns", [gotools.kubernetes() / "coredns", "-conf", corefile])


def _helpers(control: ControlPlane) -> None:
    control.pki.kubeconfig("helpers", control.url, "stand:helpers")
    command: list[str | Path] = [sys.executable, "-m", "e2e.stand.helpers", control.folder]
    control.processes.start("helpers", command, cwd=paths.REPOSITORY, env={"PATH": packages.path()})


def _forget_nodes_above(control: ControlPlane, count: int) -> None:
    """They would stay in the cluster as lost ones."""
    api = Api.of(control.kubeconfig)
    kept = {paths.node_name(number) for number in range(1, count + 1)}
    for item in api.get("/api/v1/nodes")["items"]:
        name = item["metadata"]["name"]
        if name not in kept:
            api.request("DELETE", f"/api/v1/nodes/{name}")
