"""Container images without Docker: layers and manifests as blobs in a folder, written out as OCI archives."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from e2e.stand import cached, paths
from e2e.stand.shell import digest

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Image:
    """An image whose blobs lie in the cache: its name, and the digests (hex) with the manifest first."""

    name: str
    manifest: str
    blobs: tuple[str, ...]

    @property
    def reference(self) -> str:
        """The whole name, as container runtimes store it."""
        return reference(self.name)

    def write(self, out: IO[bytes], known: frozenset[str] = frozenset()) -> None:
        """Writes the OCI archive; blobs that the reader already has may be left out."""
        entry: dict[str, Any] = _descriptor(MANIFEST, self.manifest)
        entry["annotations"] = {
            "io.containerd.image.name": self.reference,
            "org.opencontainers.image.ref.name": self.name.rpartition(":")[2],
        }
        with tarfile.open(fileobj=out, mode="w|") as archive:
            _add(archive, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
            _add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
            for blob in self.blobs:
                if blob not in known:
                    archive.add(blob_path(blob), f"blobs/sha256/{blob}", filter=_plain)

    def archive(self) -> Path:
        """The whole image as one file, for `kind load image-archive` and the like."""

        def build(folder: Path) -> None:
            with (folder / "image.tar").open("wb") as out:
                self.write(out)

        return cached.folder("archives", digest(self.name, self.manifest), build) / "image.tar"


@dataclass
class Recipe:
    """What an image is: layers from the base up, and how its process is started."""

    name: str
    layers: list[str]
    entrypoint: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    user: str = ""
    workdir: str = ""

    def image(self) -> Image:
        process: dict[str, Any] = {"Env": [f"{k}={v}" for k, v in {"PATH": PATH, **self.env}.items()]}
        process |= {"Entrypoint": self.entrypoint} if self.entrypoint else {}
        process |= {"User": self.user} if self.user else {}
        process |= {"WorkingDir": self.workdir} if self.workdir else {}
        rootfs = {"type": "layers", "diff_ids": [f"sha256:{layer}" for layer in self.layers]}
        config = _put({"architecture": architecture(), "os": "linux", "config": process, "rootfs": rootfs})
        descriptors = [_descriptor(LAYER, layer) for layer in self.layers]
        content = {"schemaVersion": 2, "mediaType": MANIFEST, "config": _descriptor(CONFIG, config)}
        manifest = _put({**content, "layers": descriptors})
        return Image(self.name, manifest, (manifest, config, *self.layers))


def reference(name: str) -> str:
    """The whole name of an image: a first part without a dot or port is no registry."""
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"


def architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def blobs() -> Path:
    folder = paths.cache() / "blobs"
    folder.mkdir(exist_ok=True)
    return folder


def blob_path(blob: str) -> Path:
    return blobs() / blob


def layer(trees: Iterable[tuple[Path, str]]) -> str:
    """Makes a layer of folders, each at a path in the image, owned by root; its digest."""
    spool = blobs() / f".layer.{os.getpid()}"
    with tarfile.open(spool, "w", format=tarfile.PAX_FORMAT) as archive:
        for source, target in trees:
            _add_parents(archive, target)
            archive.add(source, target.strip("/") or ".", filter=_owned_by_root)
    with spool.open("rb") as written:
        found = hashlib.file_digest(written, "sha256").hexdigest()
    spool.rename(blob_path(found))
    return found


def remembered_layer(kind: str, key: str, trees: Any) -> str:
    """The digest of a layer that is made once for a key; `trees()` gives what `layer` takes."""

    def build(folder: Path) -> None:
        (folder / "digest").write_text(layer(trees()))

    return (cached.folder(f"layers/{kind}", key, build) / "digest").read_text()


def _put(content: dict[str, Any]) -> str:
    data = json.dumps(content, sort_keys=True).encode()
    found = hashlib.sha256(data).hexdigest()
    blob_path(found).write_bytes(data)
    return found


def _descriptor(kind: str, blob: str) -> dict[str, Any]:
    os.utime(blob_path(blob))  # used: `cached.prune` keeps it
    return {"mediaType": kind, "digest": f"sha256:{blob}", "size": blob_path(blob).stat().st_size}


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def _add_parents(archive: tarfile.TarFile, target: str) -> None:
    for parent in [*reversed(Path(target.strip("/")).parents)][1:]:
        entry = tarfile.TarInfo(str(parent))
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(entry)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Whole seconds: what checks a file's time (class archives, Python's caches) must find the same one again."""
    if entry.isdev():
        return None  # nobody here needs them, and a user without root cannot read them back
    entry.mtime = int(entry.mtime)
    entry.uname = entry.gname = ""
    return entry
