"""Debian packages that the stand needs, installed where they are missing."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from e2e.stand.shell import StandError, run, step

NODE = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
}
BASE_IMAGE = {"debootstrap": "debootstrap", "gcc": "gcc", "/usr/lib/x86_64-linux-gnu/libc.a": "libc6-dev"}
MAVEN = {"mvn": "maven"}


def path() -> str:
    """PATH with the folders where Debian keeps what root runs."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def missing(programs: dict[str, str]) -> list[str]:
    """The packages of those programs (names looked up on PATH, or files) that are not there."""
    return sorted(
        {
            package
            for program, package in programs.items()
            if shutil.which(program, path=path()) is None and not Path(program).exists()
        }
    )


def ensure(*groups: dict[str, str]) -> None:
    """Installs what is missing; StandError when that needs root."""
    wanted = sorted({package for programs in groups for package in missing(programs)})
    if not wanted:
        return
    if os.geteuid() != 0:
        raise StandError(f"Debian packages are missing: {' '.join(wanted)}. Install them, or run this as root.")
    with step(f"installing {' '.join(wanted)}"):
        _install(wanted)


def _install(packages: Iterable[str]) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": path()}
    run(["apt-get", "update", "-qq"], env=env)
    run(["apt-get", "install", "-yqq", "--no-install-recommends", *packages], env=env)


def uv() -> str:
    """The uv that runs us (`uv run` tells), else PATH's."""
    found = os.environ.get("UV") or shutil.which("uv")
    if not found:
        raise StandError("uv is not on PATH: run `make setup`, or start this by `scripts/uv run`")
    return found
