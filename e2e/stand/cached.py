"""Folders that are made once and kept, named by a hash of what they are made from."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.stand import paths
from e2e.stand.shell import say

KEPT = {"stand", "layers", "kind", "uv"}  # not ours to prune: states of clusters, folders of folders, other tools


@contextmanager
def lock(file: Path, purpose: str) -> Iterator[None]:
    """Holds a file lock, which the kernel takes back when the process dies; says so when it has to wait."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run to finish: {purpose} ({file})")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def folder(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder `<cache>/<kind>/<key>`; where it is missing, `build` fills an empty one that then takes its place.

    A build that fails or is killed leaves nothing under the name. The build's folder and the final one differ, so
    what is built must not remember where it was built.
    """
    final = paths.cache() / kind / key
    if final.is_dir():
        os.utime(final)  # for `prune`
        return final
    with lock(final.parent / f".{key}.lock", f"building {kind}"):
        if not final.is_dir():
            building = final.parent / f".{key}.building"
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir(parents=True)
            build(building)
            building.rename(final)
    return final


def prune(days: float = 30) -> None:
    """Removes what was not used for that long: builds of older sources, layers of older images."""
    oldest = time.time() - days * 86400
    for entry in [*paths.cache().glob("*/*"), *paths.cache().glob("layers/*/*")]:
        hidden = entry.name.startswith(".")
        if hidden or entry.parent.name in KEPT or entry.stat(follow_symlinks=False).st_mtime > oldest:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
