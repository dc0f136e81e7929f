"""The pause image, and the Debian base that the operator's and Kafka's images share."""

import re
import shutil
import subprocess
from pathlib import Path

from e2e.stand import cached, oci, packages, paths
from e2e.stand.shell import StandError, digest, run, step

PAUSE = "local/pause:1"
BASE = "local/base:1"
INCLUDED = "python3,libpython3-stdlib,netcat-openbsd,iproute2"


def pause() -> oci.Image:
    source = paths.SOURCES / "pause/pause.c"

    def build(folder: Path) -> None:
        packages.ensure(packages.BASE_IMAGE)
        run(["gcc", "-static", "-Os", "-s", "-o", folder / "pause", source])

    key = digest(source)
    layer = oci.remembered_layer("pause", key, lambda: [(cached.folder("pause", key, build), "/")])
    return oci.Recipe(PAUSE, [layer], entrypoint=["/pause"]).image()


def root() -> Path:
    """The base's files: the machine's own Debian release, as small as debootstrap makes it, with Python."""
    return cached.folder("base", digest(release(), INCLUDED), _debootstrap) / "root"


def layer() -> str:
    return oci.remembered_layer("base", digest(release(), INCLUDED), lambda: [(root(), "/")])


def base() -> oci.Image:
    return oci.Recipe(BASE, [layer()]).image()


def release() -> str:
    """The codename of this machine's Debian: what is built against its libraries runs in the image."""
    lines = re.findall(r'^(\w+)="?([^"\n]*)"?$', Path("/etc/os-release").read_text(), re.M)
    values: dict[str, str] = dict(lines)
    if values.get("ID") != "debian":
        raise StandError(
            "images are assembled on Debian only; elsewhere use kind, or build from images/*/Containerfile"
        )
    return values["VERSION_CODENAME"]


def python_version() -> str:
    """The minor version of the base's Python, such as "3.11"."""
    found = [path.name for path in (root() / "usr/bin").glob("python3.*") if re.fullmatch(r"python3\.\d+", path.name)]
    return found[0].removeprefix("python")


def _mirror() -> str:
    """The archive that this machine's apt takes its packages from."""
    fields = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    for line in run(fields).splitlines():
        uri, _, codename = line.partition(" ")
        if codename in (release(), "stable", "oldstable"):
            return uri
    raise StandError(f"apt on this machine has no source for {release()}: run `apt-get update`")


def _debootstrap(folder: Path) -> None:
    packages.ensure(packages.BASE_IMAGE)
    with step("making the Debian base of the images (about a minute, once)"):
        run(
            ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", release(), folder / "root", _mirror()],
            env={"PATH": packages.path()},
        )
    for waste in (
        "var/cache/apt",
        "var/lib/apt/lists",
        "usr/share/doc",
        "usr/share/info",
        "usr/share/locale",
        "usr/share/man",
    ):
        shutil.rmtree(folder / "root" / waste, ignore_errors=True)
    for kept in ("proc", "sys", "dev", "tmp"):
        subprocess.run(["find", folder / "root" / kept, "-mindepth", "1", "-delete"], check=True)
