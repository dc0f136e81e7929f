"""Where the stand keeps things, and the addresses that it uses."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = Path(__file__).resolve().parent

BRIDGE = "amstand0"
HOST_IP = "10.95.0.1"  # the machine's end of the bridge: API server and DNS
POD_NET = "10.244"  # pods of node N: 10.244.N.0/24
SERVICE_NET = "10.96.0.0/16"
DNS_IP = "10.96.0.10"
CGROUP = "amstand"
MACHINE_RECORD = Path("/run/agent-memory-stand.json")  # which stand this machine is running


def cache() -> Path:
    """The folder for all that can be made again: `AGENTMEMORY_CACHE`, else below the user's cache folder."""
    chosen = os.environ.get("AGENTMEMORY_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(chosen) if chosen else base / "agent-memory-operator"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def state(name: str) -> Path:
    """The folder of one stand: its processes' logs, certificates, data. `AGENTMEMORY_STAND_DIR` names its parent."""
    parent = Path(os.environ.get("AGENTMEMORY_STAND_DIR") or cache() / "stand")
    return parent / name


def node_name(number: int) -> str:
    return f"node{number}"


def netns(number: int) -> str:
    return f"amstand-node{number}"


def node_ip(number: int) -> str:
    return f"10.95.0.{10 + number}"


def pod_net(number: int) -> str:
    return f"{POD_NET}.{number}.0/24"
