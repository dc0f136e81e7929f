"""The machine's side of the network: a bridge, and a network namespace for each node."""

from pathlib import Path

from e2e.stand import packages, paths
from e2e.stand.shell import run, succeeds

MARK = "agent-memory-stand"  # the comment of every iptables rule of ours
SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "fs/inotify/max_user_instances": "8192",
}
RULE = ["FORWARD", "-i", paths.BRIDGE, "-m", "comment", "--comment", MARK, "-j", "ACCEPT"]


def _ip(*words: str) -> str:
    return run(["ip", *words], env=_ENV)


def _iptables(*words: str) -> list[str]:
    return ["iptables", "--wait", *words]


_ENV = {"PATH": packages.path()}


def settings() -> dict[str, str]:
    """The kernel settings that `create_bridge` changes, as they are now."""
    return {name: (Path("/proc/sys") / name).read_text().strip() for name in SYSCTLS}


def create_bridge() -> None:
    """Makes the bridge and lets packets through."""
    if not Path(f"/sys/class/net/{paths.BRIDGE}").exists():
        _ip("link", "add", paths.BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{paths.HOST_IP}/24", "dev", paths.BRIDGE)
        _ip("link", "set", paths.BRIDGE, "up")
    if not succeeds(_iptables("-C", *RULE)):  # a machine with Docker drops what it does not know
        run(_iptables("-I", *RULE), env=_ENV)
    _write_settings(SYSCTLS)


def _write_settings(values: dict[str, str]) -> None:
    for name, value in values.items():
        (Path("/proc/sys") / name).write_text(value)


def create_node(number: int) -> None:
    """Makes a node's namespace and its cable to the bridge."""
    name = paths.netns(number)
    if Path(f"/run/netns/{name}").exists():
        return
    cable = link(number)
    _ip("netns", "add", name)
    _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("link", "set", cable, "master", paths.BRIDGE, "up")
    for words in (
        ("link", "set", "lo", "up"),
        ("link", "set", "eth0", "up"),
        ("addr", "add", f"{paths.node_ip(number)}/24", "dev", "eth0"),
        ("route", "add", "default", "via", paths.HOST_IP),
    ):
        _ip("-n", name, *words)
    run(["nsenter", f"--net=/run/netns/{name}", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])


def connect(numbers: range) -> None:
    """Routes between the nodes' pods and from this machine to all pods and Services; no way out of the machine."""
    for number in numbers:
        _ip("route", "replace", paths.pod_net(number), "via", paths.node_ip(number))
        for other in numbers:
            if other != number:
                _ip("-n", paths.netns(number), "route", "replace", paths.pod_net(other), "via", paths.node_ip(other))
    _ip("route", "replace", paths.SERVICE_NET, "via", paths.node_ip(1))


def link(number: int) -> str:
    """The machine's end of a node's cable: taking it down cuts the node off."""
    return f"amstand-n{number}"


def set_link(number: int, up: bool) -> None:
    _ip("link", "set", link(number), "up" if up else "down")


def namespaces() -> list[str]:
    folder = Path("/run/netns")
    return sorted(path.name for path in folder.glob("amstand-*")) if folder.is_dir() else []


def remove(before: dict[str, str]) -> None:
    """Takes away all that the functions above made, and puts the kernel settings back."""
    for name in namespaces():
        _ip("netns", "del", name)
    if Path(f"/sys/class/net/{paths.BRIDGE}").exists():
        _ip("link", "del", paths.BRIDGE)
    while succeeds(_iptables("-C", *RULE)):
        run(_iptables("-D", *RULE), env=_ENV)
    _write_settings(before)


def found() -> list[str]:
    """What is there of ours, in words."""
    rules = run(["iptables-save"], env=_ENV).splitlines() if succeeds(["iptables-save"]) else []
    links = [path.name for path in Path("/sys/class/net").iterdir() if path.name.startswith("amstand")]
    return [
        *(f"network namespace {name}" for name in namespaces()),
        *(f"network interface {name}" for name in sorted(links)),
        *(f"iptables rule {rule}" for rule in rules if MARK in rule or paths.BRIDGE in rule),
    ]
