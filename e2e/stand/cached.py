"""Folders that are made once and kept, named by a hash of what they are made from."""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.stand import paths
from e2e.stand.shell import say


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
        return final
    with lock(final.parent / f".{key}.lock", f"building {kind}"):
        if not final.is_dir():
            building = final.parent / f".{key}.building"
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir(parents=True)
            build(building)
            building.rename(final)
    return final
