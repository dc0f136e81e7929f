"""Ports for what runs on this machine."""

import random
import socket
from pathlib import Path

# Below the NodePorts of Kubernetes, above what a machine's own services use.
SERVERS = range(15_000, 30_000)
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now and that nobody else is given while this process lives.

    None is ephemeral: the kernel gives those to any outgoing connection, so a server that restarts could find its own
    port taken. Each port is reserved by a name in the abstract namespace of Unix sockets, which like the ports belongs
    to the network namespace (unix(7)) and which the kernel frees with the process.

    Raises:
        OSError: no such port is left.
    """
    ephemeral = _ephemeral()
    candidates = [port for port in SERVERS if port not in ephemeral]
    random.SystemRandom().shuffle(candidates)
    found: list[int] = []
    while len(found) < count:
        if not candidates:
            raise OSError(f"no free port left in {SERVERS.start} to {SERVERS.stop - 1}")
        port = candidates.pop()
        if _reserve(port):
            found.append(port)
    return found


def _ephemeral() -> range:
    try:
        first, last = map(int, EPHEMERAL.read_text().split())
    except OSError:
        return range(0)
    return range(first, last + 1)


def _reserve(port: int) -> bool:
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0agentmemory-port-{port}")
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        name.close()
        return False
    name.detach()  # open until this process ends
    return True
