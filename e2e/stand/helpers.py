"""The stand's helper process: enforces NetworkPolicies on the nodes and makes `local` volumes.

python -m e2e.stand.helpers STATE_FOLDER
"""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from e2e.stand import netpol, paths, provisioner
from e2e.stand.kubeapi import Api, ApiError, Mirror
from e2e.stand.shell import StandError, run, say, succeeds

NETWORK = {
    "pods": "/api/v1/pods",
    "namespaces": "/api/v1/namespaces",
    "policies": "/apis/networking.k8s.io/v1/networkpolicies",
}
STORAGE = {
    "claims": "/api/v1/persistentvolumeclaims",
    "volumes": "/api/v1/persistentvolumes",
    "classes": "/apis/storage.k8s.io/v1/storageclasses",
}
SETTLE_SECONDS = 0.05  # changes come in bunches
RETRY_SECONDS = 1.0


def enforce(node: str, chains: netpol.Chains, stale: netpol.Chains) -> None:
    """Writes a node's chains in one step and hooks them in; chains that are not wanted any more are emptied."""
    gone = [f":{chain} - [0:0]" for chain in stale.chains if chain not in chains.chains]
    text = chains.restore().replace("*mangle\n", "\n".join(["*mangle", *gone, ""]), 1)
    namespace = paths.netns(int(node.removeprefix(paths.node_name(0).rstrip("0"))))
    inside = ["nsenter", f"--net=/run/netns/{namespace}"]
    run([*inside, "iptables-restore", "--noflush", "--wait"], text=text)
    hook = ["FORWARD", "-j", netpol.CHAIN]
    if not succeeds([*inside, "iptables", "--wait", "-t", "mangle", "-C", *hook]):
        run([*inside, "iptables", "--wait", "-t", "mangle", "-I", *hook])


def enforce_changes(mirror: Mirror, written: dict[str, netpol.Chains]) -> None:
    wanted = netpol.chains_by_node(mirror.all("pods"), mirror.all("namespaces"), mirror.all("policies"))
    for node in sorted(wanted.keys() | written.keys()):
        chains, before = wanted.get(node, netpol.Chains()), written.get(node, netpol.Chains())
        if chains != before:
            enforce(node, chains, before)
            written[node] = chains


def provision_changes(api: Api, mirror: Mirror, state: Path) -> None:
    volumes = mirror.all("volumes")
    for claim, storage_class in provisioner.wanted(mirror.all("claims"), volumes, mirror.all("classes")):
        provisioner.provision(api, lambda node, name: state / node / "volumes" / name, claim, storage_class)
    for volume in provisioner.unwanted(volumes):
        provisioner.reclaim(api, volume)


def follow(mirror: Mirror, name: str, act: Callable[[], None]) -> None:
    """Acts after every change, for ever; a failure is told and tried again."""
    mirror.start()
    while mirror.changed.wait():
        threading.Event().wait(SETTLE_SECONDS)
        mirror.changed.clear()
        if not mirror.complete():
            continue
        try:
            act()
        except (StandError, ApiError, OSError, subprocess.SubprocessError) as problem:
            say(f"{name}: {problem}")
            threading.Event().wait(RETRY_SECONDS)
            mirror.changed.set()


def main(state: Path) -> None:
    api = Api.of(state / "pki/helpers.kubeconfig")
    network, storage, written = Mirror(api, NETWORK), Mirror(api, STORAGE), dict[str, netpol.Chains]()
    threading.Thread(
        target=follow,
        args=(storage, "volumes", lambda: provision_changes(api, storage, state)),
        name="provisioner",
        daemon=True,
    ).start()
    follow(network, "network policies", lambda: enforce_changes(network, written))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
