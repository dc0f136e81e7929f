"""The S3 server versitygw as an image: one static program, nothing else."""

import shutil
from pathlib import Path

from e2e.stand import cached, gotools, oci
from e2e.stand.shell import digest

NAME = f"local/versitygw:{gotools.VERSITYGW.removeprefix('v')}"


def image() -> oci.Image:
    """`local/versitygw:<version>`, built from source when first asked for."""
    key = digest(str(gotools.versitygw().parent.name))

    def build(folder: Path) -> None:
        shutil.copy2(gotools.versitygw(), folder / "versitygw")

    layer = oci.remembered_layer("versitygw", key, lambda: [(cached.folder("versitygw", key, build), "/usr/local/bin")])
    return oci.Recipe(NAME, [layer], entrypoint=["/usr/local/bin/versitygw"], user="65532:65532", workdir="/").image()
