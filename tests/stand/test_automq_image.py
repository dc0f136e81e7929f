"""How AutoMQ's image is asked for: by name, by archive, or not at all, each with its way out."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from e2e import automq_image
from e2e.clusters import Name, UnavailableError
from e2e.demo import engine as demo_engine
from e2e.kubectl import Kubectl

NAME = "automqinc/automq:1.7.3"


def archive(path: Path, **files: Any) -> Path:
    with tarfile.open(path, "w") as out:
        for name, content in files.items():
            data = json.dumps(content).encode()
            entry = tarfile.TarInfo(f"{name}.json")
            entry.size = len(data)
            out.addfile(entry, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    "files",
    [
        {"manifest": [{"RepoTags": [NAME]}]},
        {"index": {"manifests": [{"annotations": {"io.containerd.image.name": NAME}}]}},
        {"index": {"manifests": [{"annotations": {"org.opencontainers.image.ref.name": NAME}}]}},
    ],
    ids=["docker save", "containerd", "oci"],
)
def test_the_name_that_an_archive_gives(tmp_path: Path, files: dict[str, Any]) -> None:
    assert automq_image.name_in(archive(tmp_path / "image.tar", **files)) == NAME


def test_an_archive_without_a_name_is_refused(tmp_path: Path) -> None:
    index = {"manifests": [{"annotations": {"org.opencontainers.image.ref.name": "1.7.3"}}]}
    with pytest.raises(UnavailableError, match="no name"):
        automq_image.name_in(archive(tmp_path / "image.tar", index=index))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_text("text")
    with pytest.raises(UnavailableError, match="no image archive"):
        automq_image.name_in(tmp_path / "image.tar")


@pytest.mark.parametrize(
    ("value", "said"), [("", "there is none here"), ("/nowhere/automq.tar", "no such image archive")]
)
def test_what_cannot_be_had_says_the_way_out(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    monkeypatch.setenv(automq_image.VARIABLE, value)
    with pytest.raises(UnavailableError, match=said) as refused:
        automq_image.asked("stand")
    assert automq_image.WAY_OUT in str(refused.value)


def test_a_registry_name_is_taken_as_it_is_where_nodes_reach_registries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(automq_image.VARIABLE, NAME)
    assert automq_image.asked("kind") == NAME
    assert not automq_image.is_path(NAME)


def test_a_registry_name_on_the_stand_is_refused_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(automq_image.VARIABLE, NAME)
    with pytest.raises(UnavailableError, match="reach no registry") as refused:
        demo_engine.check("automq", "stand")
    assert f"docker save -o automq.tar {NAME}" in str(refused.value)
    assert "--cluster kind" in str(refused.value)


def test_a_cluster_of_others_is_refused_for_the_s3_server_that_it_cannot_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(automq_image.VARIABLE, NAME)
    with pytest.raises(UnavailableError, match="S3 server"):
        automq_image.asked("current")


class Nodes:
    """A cluster that takes archives: what it was given."""

    def __init__(self, name: Name) -> None:
        self.name = name
        self.loaded: list[list[str]] = []

    def load_image(self, archive: Path) -> None:
        with tarfile.open(archive, "r:") as opened:
            self.loaded.append(opened.getnames())


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_an_archive_is_loaded_unpacked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, packed: bool) -> None:
    given = archive(tmp_path / "image.tar", manifest=[{"RepoTags": [NAME]}])
    if packed:
        given = tmp_path / "image.tar.gz"
        given.write_bytes(gzip.compress((tmp_path / "image.tar").read_bytes()))
    monkeypatch.setenv(automq_image.VARIABLE, str(given))
    nodes = Nodes("stand")
    assert automq_image.provide(nodes, Kubectl(Path(), Path())) == NAME  # type: ignore[arg-type]
    assert nodes.loaded == [["manifest.json"]]


def test_an_archive_that_is_cut_off_is_told(tmp_path: Path) -> None:
    (tmp_path / "image.tgz").write_bytes(gzip.compress(b"text" * 1000)[:-20])
    with pytest.raises(UnavailableError, match="cannot be unpacked"), automq_image.plain(tmp_path / "image.tgz"):
        pass


def test_a_name_is_pulled_before_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(automq_image.VARIABLE, NAME)
    pulled: list[tuple[str, str]] = []
    monkeypatch.setattr(automq_image, "pull", lambda kubectl, name, image: pulled.append((name, image)))
    assert automq_image.provide(Nodes("kind"), Kubectl(Path(), Path())) == NAME  # type: ignore[arg-type]
    assert pulled == [("automq", NAME)]
