"""How AutoMQ's image is asked for: by name, by archive, or not at all, each with its way out."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from e2e import automq_image
from e2e.clusters import UnavailableError

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
        automq_image.asked()
    assert automq_image.WAY_OUT in str(refused.value)


def test_a_registry_name_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(automq_image.VARIABLE, NAME)
    assert automq_image.asked() == NAME
    assert not automq_image.is_path(NAME)
