"""AutoMQ's image: no registry that this project may use has it, so whoever has one names it.

`AGENTMEMORY_AUTOMQ_IMAGE` is a registry name, which the nodes pull, or the path of an image archive (`docker save` or
OCI), which is imported into every node. The stand's nodes reach no registry: there it is an archive.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2e.clusters import Cluster, Name, UnavailableError
from e2e.kubectl import Kubectl
from e2e.prepull import pull

VARIABLE = "AGENTMEMORY_AUTOMQ_IMAGE"
EXAMPLE = "automqinc/automq:1.7.3"
WAY_OUT = f"set {VARIABLE} to the path of an image archive, or in kind to a registry name ({EXAMPLE})"
SAVE = "`docker pull {0} && docker save -o automq.tar {0}`"
CONTAINERD_NAME = "io.containerd.image.name"
REFERENCE = "org.opencontainers.image.ref.name"
GZIP = b"\x1f\x8b"


def asked(cluster: Name) -> str:
    """What the environment names; UnavailableError with the way out when that cannot be had on this cluster."""
    value = os.environ.get(VARIABLE, "").strip()
    if not value:
        raise UnavailableError(f"engine automq needs AutoMQ's image, and there is none here: {WAY_OUT}")
    if cluster == "current":
        raise UnavailableError(
            "engine automq needs the S3 server's image too, which cannot be given to a cluster that is not ours: "
            "use `--cluster kind` where Docker runs, or `--cluster stand`"
        )
    if is_path(value):
        if not Path(value).expanduser().is_file():
            raise UnavailableError(f"{VARIABLE}={value}: there is no such image archive; {WAY_OUT}")
    elif cluster == "stand":
        raise UnavailableError(
            f"{VARIABLE}={value}: the stand's nodes reach no registry; give the path of an image archive "
            f"({SAVE.format(value)}, then {VARIABLE}=$PWD/automq.tar), or use `--cluster kind` where Docker runs"
        )
    return value


def is_path(value: str) -> bool:
    """Whether it means a file: it is one, or it is written as one (/x, ./x, ../x, ~/x, or ends in .tar)."""
    return (
        value.startswith(("/", "./", "../", "~"))
        or value.endswith((".tar", ".tar.gz", ".tgz"))
        or Path(value).is_file()
    )


def provide(cluster: Cluster, kubectl: Kubectl) -> str:
    """The image's name, once every node that takes pods has it: what is timed from then on is AutoMQ's own start."""
    value = asked(cluster.name)
    if not is_path(value):
        pull(kubectl, "automq", value)
        return value
    with plain(Path(value).expanduser()) as archive:
        name = name_in(archive)
        cluster.load_image(archive)
    return name


@contextmanager
def plain(archive: Path) -> Iterator[Path]:
    """The archive, or a copy of it that is not compressed any more: `ctr images import` takes no other."""
    with archive.open("rb") as opened:
        packed = opened.read(len(GZIP)) == GZIP
    if not packed:
        yield archive
        return
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder) / "image.tar"
        try:
            with gzip.open(archive) as source, unpacked.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except (OSError, EOFError) as broken:
            raise UnavailableError(f"{archive} cannot be unpacked: {broken}") from broken
        yield unpacked


def name_in(archive: Path) -> str:
    """The name that an archive gives its image; UnavailableError when it gives none, or cannot be read."""
    try:
        with tarfile.open(archive, "r:") as opened:
            parts = {
                m.name.removeprefix("./"): m
                for m in opened
                if m.name.removeprefix("./") in ("manifest.json", "index.json")
            }
            contents = {name: _content(opened, member) for name, member in parts.items()}
    except (tarfile.TarError, json.JSONDecodeError) as broken:
        raise UnavailableError(f"{archive} is no image archive: {broken}") from broken
    tags = [tag for entry in contents.get("manifest.json") or [] for tag in entry.get("RepoTags") or []]
    notes = [entry.get("annotations") or {} for entry in (contents.get("index.json") or {}).get("manifests") or []]
    named = [note[key] for key in (CONTAINERD_NAME, REFERENCE) for note in notes if "/" in note.get(key, "")]
    if not (tags or named):
        raise UnavailableError(f"{archive} gives its image no name: save it by name ({SAVE.format(EXAMPLE)})")
    return str((tags or named)[0])


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    opened = archive.extractfile(member)
    assert opened is not None, f"{member.name} is no file"
    return json.load(opened)
