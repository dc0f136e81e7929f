"""What a stand leaves on the machine: found, removed, and shown to be gone."""

import json
import os
import shutil
import signal
from pathlib import Path

from e2e.stand import cgroups, network, paths
from e2e.stand.processes import Processes
from e2e.stand.shell import StandError, run, until

UP = "up"  # a file in the state folder, holding the number of nodes: a start has come to its end


def record(state: Path, settings: dict[str, str]) -> None:
    """Notes which stand the machine runs, and the kernel settings that were there before the first one."""
    if not paths.MACHINE_RECORD.exists():
        paths.MACHINE_RECORD.write_text(json.dumps({"state": str(state), "settings": settings}))


def recorded() -> Path | None:
    """The state folder of the stand that this machine runs, or ran when something crashed."""
    content = _record()
    return Path(str(content["state"])) if content else None


def _record() -> dict[str, object]:
    if not paths.MACHINE_RECORD.exists():
        return {}
    try:
        return dict(json.loads(paths.MACHINE_RECORD.read_text()))
    except json.JSONDecodeError:  # a crash while it was written
        return {}


def clean(state: Path) -> None:
    """Ends and removes whatever a stand has left, in any state of disorder; its data in `state` stays."""
    for node in cgroups.nodes():
        cgroups.kill(node)
    for folder in {state, recorded() or state}:
        (folder / UP).unlink(missing_ok=True)
        _stop_all(folder)
        for mount in reversed(_mounts(folder)):
            run(["umount", "-l", mount])
    cgroups.remove()
    settings = _record().get("settings")
    network.remove({str(k): str(v) for k, v in settings.items()} if isinstance(settings, dict) else {})
    paths.MACHINE_RECORD.unlink(missing_ok=True)


def _stop_all(folder: Path) -> None:
    """The order matters little to us, but etcd is asked to end and the rest is not: what is written stays readable."""
    for part in _parts(folder):
        for name in sorted(part.names(), key=lambda name: name == "etcd"):
            part.stop(name, signal.SIGTERM if name == "etcd" else signal.SIGKILL)


def _parts(folder: Path) -> list[Processes]:
    return [Processes(part) for part in [folder, *sorted(folder.glob("node*"))] if part.is_dir()]


def found(state: Path) -> list[str]:
    """What of a stand is still on the machine, in words; nothing after a good `down`."""
    folders = {state, recorded() or state}
    return [
        *(
            f"process {name} of {part.folder}"
            for f in folders
            for part in _parts(f)
            for name in part.names()
            if part.running(name)
        ),
        *(f"process {pid} in the cgroup of {node}" for node in cgroups.nodes() for pid in cgroups.pids(node)),
        *(f"mount {mount}" for folder in folders for mount in _mounts(folder)),
        *(f"cgroup {top}" for top in cgroups.tops()),
        *network.found(),
        *([str(paths.MACHINE_RECORD)] if paths.MACHINE_RECORD.exists() else []),
    ]


def _mounts(folder: Path) -> list[str]:
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [point for point in points if point == str(folder) or point.startswith(f"{folder}{os.sep}")]


def demand_nothing(state: Path, seconds: float = 15.0) -> None:
    """StandError that names what is still there after so many seconds.

    The kernel takes interfaces away some time after their network namespace, and cgroups after their last process.
    """
    try:
        until("an empty machine", seconds, lambda: not found(state))
    except StandError:
        raise StandError("`down` has left on this machine:\n  " + "\n  ".join(found(state))) from None


def wipe(state: Path, keep_images: bool = False) -> None:
    """Forgets the cluster: its objects, certificates, volumes, logs, and unless they are kept the nodes' images."""
    if _mounts(state):
        raise StandError(f"{state} has mounts in it and is not removed: {', '.join(_mounts(state))}")
    kept = set(state.glob("node*/containerd")) if keep_images else set()
    for entry in [*state.glob("*"), *state.glob("node*/*")]:
        if entry in kept or any(entry in folder.parents for folder in kept):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    if not kept:
        shutil.rmtree(state, ignore_errors=True)
    if state.exists() and not kept:
        raise StandError(f"{state} could not be removed")
