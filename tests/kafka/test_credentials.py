"""Credentials, and TLS from PEM text."""

import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from agentmemory.core.errors import Invalid
from agentmemory.kafka.connection import Credentials
from agentmemory.kafka.tls import client_context
from tests.kafka.authority import Authority, Pair


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.operator("platform-operator")


def test_secrets_do_not_show(pair: Pair) -> None:
    shown = repr(Credentials("a:1", None, cert_pem=pair.cert, key_pem=pair.key, username="u", password="hidden"))
    assert "hidden" not in shown
    assert "PRIVATE KEY" not in shown


def test_protocol_follows_from_what_is_given(pair: Pair) -> None:
    assert Credentials("a:1", None, cert_pem=pair.cert, key_pem=pair.key).security_protocol == "SSL"
    assert Credentials("a:1", None, username="u", password="p").security_protocol == "SASL_SSL"


def test_servers_are_split() -> None:
    assert Credentials(" a:1, b:2 ,", None).servers() == ["a:1", "b:2"]


@pytest.mark.parametrize(
    "bad", [{"cert_pem": "x"}, {"key_pem": "x"}, {"username": "u"}, {"password": "p"}, {"bootstrap": " , "}]
)
def test_halves_are_refused(bad: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        Credentials(**{"bootstrap": "a:1", "ca_pem": None, **bad})  # type: ignore[arg-type]
    assert caught.value.reason == "InvalidCredentials"


def test_context_checks_the_server_and_leaves_no_key_behind(authority: Authority, pair: Pair) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    context = client_context(Credentials("a:1", authority.pem, cert_pem=pair.cert, key_pem=pair.key))
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_without_anonymous_memory_the_file_is_private_and_removed(
    authority: Authority, pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    modes: list[int] = []
    load = ssl.SSLContext.load_cert_chain

    def spy(self: ssl.SSLContext, path: str, **options: str) -> None:
        modes.append(Path(path).stat().st_mode & 0o777)
        load(self, path, **options)

    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", spy)
    client_context(Credentials("a:1", authority.pem, cert_pem=pair.cert, key_pem=pair.key))
    assert modes == [0o600]
    assert list(tmp_path.iterdir()) == []


def test_system_authorities_without_a_ca() -> None:
    assert client_context(Credentials("a:1", None)).verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize("ca", ["nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_bad_ca(ca: str) -> None:
    with pytest.raises(Invalid, match=r"ca\.crt"):
        client_context(Credentials("a:1", ca))


def test_a_key_that_does_not_fit(authority: Authority, pair: Pair) -> None:
    other = authority.operator("tenant-operator")
    with pytest.raises(Invalid, match=r"tls\.crt and tls\.key"):
        client_context(Credentials("a:1", authority.pem, cert_pem=pair.cert, key_pem=other.key))


def test_an_encrypted_key_does_not_ask_on_the_terminal(authority: Authority, pair: Pair) -> None:
    key = serialization.load_pem_private_key(pair.key.encode(), password=None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    ).decode()
    with pytest.raises(Invalid, match="unencrypted key"):
        client_context(Credentials("a:1", authority.pem, cert_pem=pair.cert, key_pem=locked))
