"""kubeconfig, context and namespace as kubectl takes them; what is wrong with them is one line."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from agentmemory.cli import reach as module
from agentmemory.cli.reach import Flags, reach
from agentmemory.core.errors import Invalid


def kubeconfig(server: str, context: str = "one", namespace: str | None = None) -> dict[str, Any]:
    chosen = {"cluster": context, "user": context} | ({"namespace": namespace} if namespace else {})
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": context, "cluster": {"server": server}}],
        "users": [{"name": context, "user": {"token": "t"}}],
        "contexts": [{"name": context, "context": chosen}],
    }


def written(folder: Path, name: str, **values: Any) -> str:
    (folder / name).write_text(yaml.safe_dump(kubeconfig(**values)))
    return str(folder / name)


async def found(flags: Flags, environ: dict[str, str]) -> tuple[str, str]:
    async with reach(flags, environ) as made:
        return made.kube._caller._sessions.current.api.configuration.host, made.namespace


async def test_files_contexts_and_namespaces(tmp_path: Path) -> None:
    one = written(tmp_path, "one", server="http://one", namespace="team")
    two = written(tmp_path, "two", server="http://two", context="two")
    both = {"KUBECONFIG": f"{one}:{two}:/nowhere"}
    assert await found(Flags(kubeconfig=two), {"KUBECONFIG": one}) == ("http://two", "default")
    assert await found(Flags(context="one"), both) == ("http://one", "team")
    assert await found(Flags(context="two"), both) == ("http://two", "default")
    assert await found(Flags(namespace="other", context="one"), both) == ("http://one", "other")


async def test_the_usual_file(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    written(tmp_path / ".kube", "config", server="http://home")
    assert await found(Flags(), {"HOME": str(tmp_path)}) == ("http://home", "default")


async def test_in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACCOUNT", tmp_path)
    assert module._own_namespace() == "default"
    (tmp_path / "namespace").write_text("mine\n")
    assert module._own_namespace() == "mine"
    with pytest.raises(Invalid, match="service account"):
        await found(Flags(), {"HOME": "/nowhere", "KUBERNETES_SERVICE_HOST": "10.0.0.1"})


@pytest.mark.parametrize(
    ("flags", "environ", "words"),
    [
        (Flags(kubeconfig="/no/such"), {}, "file /no/such does not exist; correct --kubeconfig"),
        (Flags(), {"KUBECONFIG": "/no/such"}, "file /no/such does not exist; correct KUBECONFIG"),
        (Flags(), {"HOME": "/nowhere"}, "there is no kubeconfig"),
        (Flags(context="x"), {"HOME": "/nowhere", "KUBERNETES_SERVICE_HOST": "h"}, "there is no kubeconfig"),
    ],
)
async def test_what_is_missing_is_named(flags: Flags, environ: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        await found(flags, environ)


@pytest.mark.parametrize("text", ["[]", "contexts: 7", "{", "apiVersion: v1", "clusters:\n- 7\n"])
async def test_a_bad_file_is_told_without_a_trace(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad").write_text(text)
    with pytest.raises(Invalid, match="cannot be used"):
        await found(Flags(kubeconfig=str(tmp_path / "bad")), {})


async def test_an_unknown_context(tmp_path: Path) -> None:
    one = written(tmp_path, "one", server="http://one")
    with pytest.raises(Invalid, match="name other"):
        await found(Flags(kubeconfig=one, context="other"), {})
