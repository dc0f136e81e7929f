"""How the apiserver is found, and what is said when it cannot be."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio.config import incluster_config

from agentmemory.core.errors import Invalid
from agentmemory.core.key import Key
from agentmemory.kube.client import KubeClient
from agentmemory.kube.config import absolute, from_file, load
from tests.fakekube.server import FakeKube


def write(file: Path, content: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return file


async def test_kubeconfig_by_variable_and_token_on_the_wire(fake: FakeKube, tmp_path: Path) -> None:
    file = write(tmp_path / "config", fake.kubeconfig())
    configuration = await load({"KUBECONFIG": str(file), "KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert configuration.host == fake.url
    assert await configuration.get_api_key_with_prefix("BearerToken") == "Bearer fake"
    async with KubeClient(configuration) as kube:
        assert await kube.get(Key("Pod", "a", "b")) is None


async def test_kubeconfig_in_the_home_folder(fake: FakeKube, tmp_path: Path) -> None:
    write(tmp_path / ".kube" / "config", fake.kubeconfig())
    assert (await load({"HOME": str(tmp_path)})).host == fake.url


async def test_the_service_account_and_its_fresh_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token, ca = write(tmp_path / "token", "first"), write(tmp_path / "ca.crt", "a certificate")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(ca))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(
        "agentmemory.kube.config.config.load_incluster_config",
        lambda client_configuration: incluster_config.InClusterConfigLoader(str(token), str(ca)).load_and_set(
            client_configuration
        ),
    )
    configuration = await load({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert configuration.host == "https://10.0.0.1:443"
    assert await configuration.get_api_key_with_prefix("BearerToken") == "bearer first"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        ("", "not a mapping"),
        ("just text", "not a mapping"),
        ("a: [", "while parsing"),
        ({"clusters": []}, "current-context"),
        ({"current-context": "x", "contexts": [], "clusters": [], "users": []}, "x"),
        ({"clusters": "text"}, "cannot be used"),
    ],
)
async def test_a_bad_kubeconfig_is_named_with_what_is_wrong(tmp_path: Path, content: Any, said: str) -> None:
    file = tmp_path / "config"
    if content is not None:
        write(file, content)
    with pytest.raises(Invalid, match=said) as raised:
        await from_file(file)
    assert str(file) in raised.value.message


async def test_a_missing_certificate_is_named(fake: FakeKube, tmp_path: Path) -> None:
    content = fake.kubeconfig()
    content["clusters"][0]["cluster"] |= {"server": "https://localhost:1", "certificate-authority": "no-such.crt"}
    file = write(tmp_path / "config", content)
    with pytest.raises(Invalid, match=r"no-such\.crt"):
        await from_file(file)


async def test_a_certificate_that_is_none_is_told(fake: FakeKube, tmp_path: Path) -> None:
    content = fake.kubeconfig()
    content["clusters"][0]["cluster"] |= {"server": "https://localhost:1", "certificate-authority": "ca.crt"}
    write(tmp_path / "ca.crt", "not a certificate")
    configuration = await from_file(write(tmp_path / "config", content))
    with pytest.raises(Invalid, match="certificates for https://localhost:1 cannot be used"):
        KubeClient(configuration)


async def test_a_pod_without_service_account_says_so() -> None:
    with pytest.raises(Invalid, match="service account cannot be used"):
        await load({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})


def test_relative_files_are_looked_for_beside_the_kubeconfig() -> None:
    content = {
        "clusters": [{"name": "c", "cluster": {"server": "x", "certificate-authority": "ca.crt"}}],
        "users": [
            {"name": "u", "user": {"client-certificate": "/abs/tls.crt", "client-key": "tls.key"}},
            {"name": "v"},
        ],
        "current-context": "k",
    }
    made = absolute(content, Path("/base"))
    assert made["clusters"][0]["cluster"] == {"server": "x", "certificate-authority": "/base/ca.crt"}
    assert made["users"][0]["user"] == {"client-certificate": "/abs/tls.crt", "client-key": "/base/tls.key"}
    assert made["current-context"] == "k"
