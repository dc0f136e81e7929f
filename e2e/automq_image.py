"""AutoMQ's image: no registry that this project may use has it, so whoever has one names it.

`AGENTMEMORY_AUTOMQ_IMAGE` is a registry name, which the nodes pull, or the path of an image archive (`docker save` or
OCI), which is imported into every node.
"""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

from e2e.clusters import Cluster, UnavailableError

VARIABLE = "AGENTMEMORY_AUTOMQ_IMAGE"
WAY_OUT = f"set {VARIABLE} to a registry name (automqinc/automq:1.7.3) or to the path of an image archive"
CONTAINERD_NAME = "io.containerd.image.name"
REFERENCE = "org.opencontainers.image.ref.name"


def asked() -> str:
    """What the environment names; UnavailableError with the way out when it names nothing, or a missing file."""
    value = os.environ.get(VARIABLE, "").strip()
    if not value:
        raise UnavailableError(f"engine automq needs AutoMQ's image, and there is none here: {WAY_OUT}")
    if is_path(value) and not Path(value).expanduser().is_file():
        raise UnavailableError(f"{VARIABLE}={value}: there is no such image archive; {WAY_OUT}")
    return value


def is_path(value: str) -> bool:
    """Whether it means a file: it is one, or it is written as one (/x, ./x, ../x, ~/x, or ends in .tar)."""
    return (
        value.startswith(("/", "./", "../", "~"))
        or value.endswith((".tar", ".tar.gz", ".tgz"))
        or Path(value).is_file()
    )


def provide(cluster: Cluster) -> str:
    """The image's name, with which pods may be made from now on."""
    value = asked()
    if not is_path(value):
        return value
    archive = Path(value).expanduser()
    name = name_in(archive)
    cluster.load_image(archive)
    return name


def name_in(archive: Path) -> str:
    """The name that an archive gives its image; UnavailableError when it gives none, or cannot be read."""
    try:
        with tarfile.open(archive) as opened:
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
        raise UnavailableError(
            f"{archive} gives its image no name: save it by name (`docker save automqinc/automq:1.7.3`)"
        )
    return str((tags or named)[0])


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    opened = archive.extractfile(member)
    assert opened is not None, f"{member.name} is no file"
    return json.load(opened)
