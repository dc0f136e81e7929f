"""What is cached is named by what it is made from; images are archives that containerd and kind read."""

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.stand import cached, gotools, oci, packages, paths
from e2e.stand.shell import StandError, digest, run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENTMEMORY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the Kubernetes module that a test may change."""
    copy = tmp_path / "stand/kubernetes"
    copy.mkdir(parents=True)
    for file in (paths.SOURCES / "kubernetes").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(paths, "SOURCES", copy.parent)
    return copy


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go"])
def test_kubernetes_is_built_anew_when_its_lock_or_its_sources_change(source: Path, name: str) -> None:
    before = gotools.kubernetes_key()
    assert gotools.kubernetes_key() == before
    with (source / name).open("a") as file:
        file.write("// changed\n")
    assert gotools.kubernetes_key() != before


def test_a_digest_tells_where_one_part_ends() -> None:
    assert digest("ab", "c") != digest("a", "bc")


def test_a_digest_of_a_folder_knows_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/a").write_text("x")
    first = digest(tmp_path / "one")
    (tmp_path / "one/a").rename(tmp_path / "one/b")
    assert digest(tmp_path / "one") != first
    (tmp_path / "one/__pycache__").mkdir()
    renamed = digest(tmp_path / "one")
    (tmp_path / "one/__pycache__/b.pyc").write_text("compiled")
    assert digest(tmp_path / "one") == renamed


def test_a_folder_is_built_once_and_a_failed_build_leaves_nothing(cache: Path) -> None:
    built: list[Path] = []

    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise StandError("no network")

    def build(folder: Path) -> None:
        assert list(folder.iterdir()) == []
        (folder / "whole").write_text("")
        built.append(folder)

    with pytest.raises(StandError, match="no network"):
        cached.folder("things", "key", fail)
    assert not (cache / "things/key").exists()
    for _ in range(2):
        assert [file.name for file in cached.folder("things", "key", build).iterdir()] == ["whole"]
    assert len(built) == 1


def test_what_was_not_used_for_long_is_removed_and_the_rest_stays(cache: Path) -> None:
    for key in ("old", "new"):
        cached.folder("things", key, lambda folder: (folder / "a").touch())
    os.utime(cache / "things/old", (0, 0))
    cached.prune(days=30)
    assert [path.name for path in (cache / "things").iterdir() if path.is_dir()] == ["new"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    program = folder / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    os.utime(program, (1234.75, 1234.75))
    return folder


def members(data: bytes) -> Iterator[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        yield from archive


def test_a_layer_has_whole_seconds_and_its_folders_and_belongs_to_root(tree: Path) -> None:
    layer = oci.layer([(tree, "/opt/thing")])
    entries = {entry.name: entry for entry in members(oci.blob_path(layer).read_bytes())}
    assert list(entries) == ["opt", "opt/thing", "opt/thing/program"]
    program = entries["opt/thing/program"]
    assert (program.mtime, program.mode & 0o777, program.uname) == (1234, 0o755, "")


def test_an_image_archive_has_every_blob_that_its_manifest_names(tree: Path) -> None:
    recipe = oci.Recipe("local/thing:1", [oci.layer([(tree, "/")])], ["/program"], {"A": "b"}, user="1000")
    image = recipe.image()
    with tarfile.open(image.archive()) as archive:
        names = set(archive.getnames())
        index = json.load(archive.extractfile("index.json") or io.BytesIO())
        manifest = json.load(archive.extractfile(f"blobs/sha256/{image.manifest}") or io.BytesIO())
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == "docker.io/local/thing:1"
    for descriptor in (manifest["config"], *manifest["layers"]):
        digest_hex = descriptor["digest"].removeprefix("sha256:")
        assert f"blobs/sha256/{digest_hex}" in names
        assert oci.blob_path(digest_hex).stat().st_size == descriptor["size"]
    config = json.loads(oci.blob_path(manifest["config"]["digest"].removeprefix("sha256:")).read_text())
    assert config["config"]["User"] == "1000"
    assert "A=b" in config["config"]["Env"]


def test_a_reader_that_has_a_layer_is_not_sent_it_again(tree: Path) -> None:
    layer = oci.layer([(tree, "/")])
    image = oci.Recipe("local/thing:1", [layer]).image()
    out = io.BytesIO()
    image.write(out, known=frozenset([layer]))
    names = {entry.name for entry in members(out.getvalue())}
    assert f"blobs/sha256/{layer}" not in names
    assert f"blobs/sha256/{image.manifest}" in names


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("local/kafka:4.3.1", "docker.io/local/kafka:4.3.1"),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("registry.example.com/a/b:1", "registry.example.com/a/b:1"),
        ("localhost:5000/a:1", "localhost:5000/a:1"),
    ],
)
def test_a_name_is_completed_as_container_runtimes_do(name: str, reference: str) -> None:
    assert oci.Image(name, "", ()).reference == reference


def test_missing_packages_are_named_once_and_need_root(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = {"no-such-program": "thing", "/no/such/file": "thing", "sh": "dash"}
    assert packages.missing(programs) == ["thing"]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(StandError, match=r"thing.*root"):
        packages.ensure(programs)


def test_a_program_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(StandError, match=r"ended with 3:\nwhy"):
        run(["sh", "-c", "echo why >&2; exit 3"])
    with pytest.raises(StandError, match="not installed"):
        run(["no-such-program"])
    with pytest.raises(StandError, match="did not end"):
        run(["sleep", "60"], timeout=0.05)
