"""What containerd makes of image archives: a containerd alone, in a folder of its own, with no node around it."""

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.stand import oci
from e2e.stand.containerd import Containerd
from e2e.stand.shell import run

pytestmark = pytest.mark.integration
REFERENCE = "org.opencontainers.image.ref.name"
NAME = "automqinc/automq:1.7.3"


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containerd]:
    if os.geteuid() != 0 or shutil.which("containerd") is None:
        pytest.skip("needs root and containerd: `python -m e2e.stand build`")
    running = Containerd(tmp_path_factory.mktemp("node"))
    running.start()
    yield running
    running.processes.stop("containerd")


def archive(folder: Path, content: str, **parts: str) -> Path:
    """An OCI archive of one image with one file; `parts`: its annotations, `ref` for REFERENCE."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as inner:
        add(inner, "content", content.encode())
    blobs: dict[str, bytes] = {}
    rootfs = {"type": "layers", "diff_ids": [put(blobs, layer.getvalue())["digest"]]}
    config = {"architecture": oci.architecture(), "os": "linux", "config": {}, "rootfs": rootfs}
    described = {"mediaType": oci.CONFIG, **put(blobs, json.dumps(config).encode())}
    layers = [{"mediaType": oci.LAYER, **put(blobs, layer.getvalue())}]
    manifest = {"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": described, "layers": layers}
    entry = {"mediaType": oci.MANIFEST, **put(blobs, json.dumps(manifest).encode())}
    notes = {REFERENCE if key == "ref" else key: value for key, value in parts.items()}
    index = {"schemaVersion": 2, "manifests": [{**entry, "annotations": notes}]}
    made = folder / "image.tar"
    with tarfile.open(made, "w") as out:
        add(out, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        add(out, "index.json", json.dumps(index).encode())
        for digest, data in blobs.items():
            add(out, f"blobs/sha256/{digest}", data)
    return made


def put(blobs: dict[str, bytes], data: bytes) -> dict[str, str | int]:
    digest = hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return {"digest": f"sha256:{digest}", "size": len(data)}


def add(out: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    out.addfile(entry, io.BytesIO(data))


def images(containerd: Containerd) -> dict[str, str]:
    """Digests by name, but for the names that containerd makes of contents."""
    listed = run(["ctr", "--address", containerd.socket, "--namespace", "k8s.io", "images", "ls"]).splitlines()[1:]
    rows = [line.split() for line in listed]
    return {row[0]: row[2] for row in rows if not row[0].startswith("sha256:")}


@pytest.mark.parametrize(
    ("named", "known"),
    [
        (NAME, f"docker.io/{NAME}"),
        ("automq:1.7.3", "docker.io/library/automq:1.7.3"),
        (f"registry.example.com/{NAME}", f"registry.example.com/{NAME}"),
        (f"localhost/{NAME}", f"localhost/{NAME}"),
    ],
)
def test_an_image_is_known_by_its_whole_name(containerd: Containerd, tmp_path: Path, named: str, known: str) -> None:
    """The kubelet asks for no other."""
    containerd.load_archive(archive(tmp_path, named, ref=named))
    found = images(containerd)
    assert known in found
    assert named == known or named not in found


def test_a_later_archive_of_the_same_name_is_the_one_that_counts(containerd: Containerd, tmp_path: Path) -> None:
    found = []
    for content in ("one", "two"):
        containerd.load_archive(archive(tmp_path, content, ref="team/changed:1"))
        found.append(images(containerd)["docker.io/team/changed:1"])
    assert found[0] != found[1]
