"""One cgroup for each node, so that its processes can be counted, frozen and killed together.

Version 1 (one hierarchy a controller) is what this has run on. Version 2 is written from the kernel's documentation
and untested.
"""

import os
import signal
from pathlib import Path

from e2e.stand import paths
from e2e.stand.shell import StandError, until

ROOT = Path("/sys/fs/cgroup")
V2_CONTROLLERS = ("cpu", "cpuset", "memory", "pids", "io")


def is_v2() -> bool:
    return (ROOT / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """The folders in which cgroups are made: one on version 2, one a controller on version 1."""
    if is_v2():
        return [ROOT]
    found = {path.resolve() for path in ROOT.iterdir() if (path / "tasks").exists()}
    if not found:
        raise StandError(f"no cgroups are mounted at {ROOT}: the kubelet cannot run here")
    return sorted(found)


def create(node: str) -> None:
    """Makes the node's cgroup, its `system` part for the node's own programs; pods come beside that by the kubelet."""
    for hierarchy in hierarchies():
        folder = hierarchy
        for part in (paths.CGROUP, node, "system"):
            if is_v2():
                _delegate(folder)
            folder = folder / part
            folder.mkdir(exist_ok=True)
            if hierarchy.name == "cpuset":  # version 1: an empty set takes no process
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (folder / name).write_text((folder.parent / name).read_text())


def _delegate(folder: Path) -> None:
    """Version 2: lets the children of a cgroup have its controllers."""
    available = (folder / "cgroup.controllers").read_text().split()
    wanted = " ".join(f"+{name}" for name in V2_CONTROLLERS if name in available)
    try:
        (folder / "cgroup.subtree_control").write_text(wanted)
    except OSError as refused:
        raise StandError(
            f"{folder} does not hand its controllers down ({refused}); it must hold no processes"
        ) from refused


def entry_files(node: str) -> list[Path]:
    """Where a process writes its pid to become part of the node."""
    chosen = [ROOT] if is_v2() else [ROOT / "pids", ROOT / "freezer"]
    return [folder / paths.CGROUP / node / "system/cgroup.procs" for folder in chosen]


def _counted(node: str) -> Path:
    return (ROOT if is_v2() else ROOT / "pids") / paths.CGROUP / node


def pids(node: str) -> list[int]:
    """Every process of the node: containerd, kubelet, kube-proxy, shims, containers."""
    found: set[int] = set()
    for file in _counted(node).rglob("cgroup.procs"):
        try:
            found.update(int(line) for line in file.read_text().split())
        except OSError:
            continue  # the cgroup went away while we looked: so did its processes
    return sorted(found)


def freeze(node: str, frozen: bool) -> None:
    """Stops every process of the node as a hung machine would, or lets them go on."""
    if is_v2():
        (_counted(node) / "cgroup.freeze").write_text("1" if frozen else "0")
    else:
        state = ROOT / "freezer" / paths.CGROUP / node / "freezer.state"
        state.write_text("FROZEN" if frozen else "THAWED")


def kill(node: str, seconds: float = 20) -> None:
    """Kills every process of the node and waits until they are gone."""
    if not _counted(node).is_dir():
        return
    freeze(node, False)

    def gone() -> bool:
        for pid in pids(node):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it ended between the look and the signal
        return not pids(node)

    until(f"the processes of {node} to end", seconds, gone, pause=0.05)


def nodes() -> list[str]:
    """The nodes that have a cgroup."""
    found = {path.name for hierarchy in hierarchies() for path in (hierarchy / paths.CGROUP).glob("*/")}
    return sorted(found)


def tops() -> list[Path]:
    """The stand's topmost cgroups that exist, also in hierarchies where the container runtime has made them."""
    return [folder / paths.CGROUP for folder in [ROOT, *ROOT.glob("*/")] if (folder / paths.CGROUP).is_dir()]


def remove() -> None:
    """Removes all cgroups of the stand (they must be empty of processes)."""
    for top in tops():
        for folder in sorted(_folders(top), key=lambda path: -len(path.parts)):
            _remove(folder)


def _folders(top: Path) -> list[Path]:
    return [path for path in [top, *top.rglob("*")] if path.is_dir()]


def _remove(folder: Path) -> None:
    def removed() -> bool:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False  # busy: a process that has just been killed is still being taken down
        return True

    until(f"{folder} to be empty", 10, removed, pause=0.05)
