"""containerd's data with the big images already unpacked, made once and shared by all nodes through hard links.

containerd never writes to an unpacked layer or a stored blob, it only removes its own links to them; its databases
are copied. So a new node has its images in a second instead of half a minute.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from e2e.stand import cached, oci, paths
from e2e.stand.containerd import Containerd
from e2e.stand.shell import digest, run, step


def prepare(images: Sequence[oci.Image]) -> Path:
    """The data with these images in it."""

    def build(folder: Path) -> None:
        # A socket's path must be short: not below the folder that is being built.
        with step("unpacking the images for the nodes (once)"), tempfile.TemporaryDirectory(dir=paths.cache()) as work:
            runtime = Containerd(Path(work))
            runtime.start()
            try:
                for image in images:
                    runtime.load(image)
            finally:
                runtime.processes.stop("containerd")
            (Path(work) / "containerd").rename(folder / "containerd")

    return cached.folder("containerd", digest(*(image.manifest for image in images)), build) / "containerd"


def plant(seed: Path, target: Path) -> None:
    """Gives a node that has no images yet those of the seed."""
    if target.exists():
        return
    linking = ["--link"] if seed.stat().st_dev == target.parent.stat().st_dev else []
    growing = target.with_name(f".{target.name}")
    shutil.rmtree(growing, ignore_errors=True)
    run(["cp", "--archive", *linking, seed, growing])
    for database in growing.rglob("*.db"):
        own = database.with_suffix(".own")
        shutil.copy(database, own)
        own.rename(database)
    growing.rename(target)
