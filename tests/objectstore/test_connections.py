"""What happens where a connection is made: forbidden addresses, silence, keys that change, certificates."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentmemory.core.errors import Denied, Invalid, Transient
from agentmemory.objectstore import client
from agentmemory.objectstore.boto import BotoStore
from agentmemory.objectstore.caller import Caller
from agentmemory.objectstore.endpoints import Rules
from agentmemory.objectstore.model import Keys, Location
from agentmemory.objectstore.pool import StorePool
from tests.kafka.authority import Authority
from tests.objectstore.answering import KEYS, Reply, answering, error
from tests.objectstore.servers import LOOPBACK, Server, VersityGw

REGION = "eu-central-1"


@pytest.fixture
def strict() -> Iterator[StorePool]:
    """A pool as in production."""
    made = StorePool(Rules(refuse=frozenset({"10.96.0.1"})))
    yield made
    asyncio.run(made.close())


def leads_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Every name but an address leads there; the addresses that are dialled, none of which answers."""
    dialled: list[str] = []
    resolve = socket.getaddrinfo

    def resolved(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        return [info for address in addresses for info in resolve(address, port, *args, **kwargs)]

    def dial(where: tuple[str, int], *_: Any, **__: Any) -> Any:
        dialled.append(where[0])
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr("agentmemory.objectstore.connect.socket.getaddrinfo", resolved)
    monkeypatch.setattr("agentmemory.objectstore.connect.create_connection", dial)
    return dialled


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("127.0.0.1", "loopback"),
        ("169.254.169.254", "metadata"),
        ("fe80::1", "link-local"),
        ("fd00:ec2::254", "metadata"),
        ("::ffff:127.0.0.1", "loopback"),
        ("10.96.0.1", "Kubernetes API"),
    ],
)
@pytest.mark.parametrize("endpoint", ["https://s3.example.com", "http://s3.storage.svc:7070", None])
def test_a_name_that_leads_to_a_forbidden_address_is_not_dialled(
    strict: StorePool, monkeypatch: pytest.MonkeyPatch, endpoint: str | None, address: str, what: str
) -> None:
    dialled = leads_to(monkeypatch, "93.184.216.34", address)
    store = strict.get(Location(endpoint, REGION, path_style=True, credentials=KEYS))
    with pytest.raises(Invalid) as raised:
        asyncio.run(store.put_tags("some-bucket", {}))
    assert raised.value.reason == "EndpointNotAllowed"
    assert what in raised.value.message
    assert dialled == []


def test_the_checked_addresses_are_dialled_one_by_one(
    strict: StorePool, monkeypatch: pytest.MonkeyPatch, no_pause: None
) -> None:
    dialled = leads_to(monkeypatch, "10.1.2.3", "10.1.2.4")
    store = strict.get(Location("http://s3.storage.svc:7070", REGION, path_style=True, credentials=KEYS))
    with pytest.raises(Transient) as raised:
        asyncio.run(store.put_tags("some-bucket", {}))
    assert raised.value.reason == "NoAnswer"
    assert dialled == ["10.1.2.3", "10.1.2.4"] * client.ATTEMPTS


def test_a_name_that_nobody_knows(strict: StorePool, monkeypatch: pytest.MonkeyPatch, no_pause: None) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("agentmemory.objectstore.connect.socket.getaddrinfo", unknown)
    store = strict.get(Location("https://s3.example.com", REGION, path_style=True, credentials=KEYS))
    with pytest.raises(Transient) as raised:
        asyncio.run(store.describe("some-bucket"))
    assert raised.value.reason == "NoAnswer"
    assert "s3.example.com" in raised.value.message


def test_an_address_that_does_not_answer_in_time(
    strict: StorePool, monkeypatch: pytest.MonkeyPatch, no_pause: None
) -> None:
    leads_to(monkeypatch, "10.1.2.3")

    def silent(*_: Any, **__: Any) -> Any:
        raise TimeoutError("timed out")

    monkeypatch.setattr("agentmemory.objectstore.connect.create_connection", silent)
    store = strict.get(Location("https://s3.example.com", REGION, path_style=True, credentials=KEYS))
    with pytest.raises(Transient) as raised:
        asyncio.run(store.describe("some-bucket"))
    assert raised.value.reason == "Timeout"


def test_forbidden_endpoints_get_no_store(strict: StorePool) -> None:
    for endpoint in ("https://127.0.0.1", "https://169.254.169.254", "http://s3.example.com"):
        with pytest.raises(Invalid) as raised:
            strict.get(Location(endpoint, REGION))
        assert raised.value.reason == "EndpointNotAllowed"


def test_a_proxy_and_settings_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://10.9.9.9:3128")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://169.254.169.254")
    made = client.make(Location(None, REGION, credentials=KEYS), Rules(), tmp_path)
    assert made.meta.endpoint_url == "https://s3.eu-central-1.amazonaws.com"
    assert made._endpoint.http_session._proxy_config.proxy_url_for("https://s3.eu-central-1.amazonaws.com") is None


def test_limits_of_a_client(tmp_path: Path) -> None:
    config = client.make(Location("https://s3.example.com", REGION, credentials=KEYS), Rules(), tmp_path).meta.config
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (5.0, 15.0, 2)


def silent_server() -> socket.socket:
    """Takes connections and says nothing."""
    return socket.create_server(("127.0.0.1", 0))


async def test_a_server_that_never_answers(tmp_path: Path) -> None:
    with silent_server() as server, ThreadPoolExecutor(1) as executor:
        location = Location(f"http://127.0.0.1:{server.getsockname()[1]}", REGION, path_style=True, credentials=KEYS)
        store = BotoStore(Caller(location, lambda: client.make(location, LOOPBACK, tmp_path)), executor, limit=0.2)
        with pytest.raises(Transient) as raised:
            await store.describe("some-bucket")
        server.close()
        await store.close()
    assert raised.value.reason == "Timeout"
    assert "some-bucket" in raised.value.message


async def test_a_silent_server_meets_the_read_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pause: None
) -> None:
    monkeypatch.setattr(client, "READ_LIMIT", 0.1)
    with silent_server() as server, ThreadPoolExecutor(1) as executor:
        location = Location(f"http://127.0.0.1:{server.getsockname()[1]}", REGION, path_style=True, credentials=KEYS)
        store = BotoStore(Caller(location, lambda: client.make(location, LOOPBACK, tmp_path)), executor)
        with pytest.raises(Transient) as raised:
            await store.put_tags("some-bucket", {})
        await store.close()
    assert raised.value.reason == "Timeout"


async def test_new_keys_are_a_new_client_and_the_old_one_goes(versitygw: VersityGw) -> None:
    now = 0.0
    pool = StorePool(LOOPBACK, idle=10, clock=lambda: now)
    old = versitygw.location(Keys(versitygw.root.access_key_id, "replaced"))
    first = pool.get(old)
    with pytest.raises(Denied) as raised:
        await first.describe("some-bucket")
    assert raised.value.reason == "CredentialsInvalid"
    second = pool.get(versitygw.location())
    assert second is not first
    assert await second.describe("some-bucket") is None
    now = 11.0
    assert pool.get(versitygw.location()) is second
    assert pool.get(old) is not first
    await pool.close()


async def test_a_dropped_store_still_answers(moto: Server, pool: StorePool) -> None:
    store = pool.get(moto.location())
    assert await store.describe("not-there") is None
    store.drop()
    assert await store.describe("not-there") is None


async def test_an_identity_that_is_nowhere_is_told(monkeypatch: pytest.MonkeyPatch, pool: StorePool) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    client._session.cache_clear()
    with answering(lambda asked: Reply(200)) as server, pytest.raises(Denied) as raised:
        await pool.get(server.location(keys=None)).put_tags("some-bucket", {})
    client._session.cache_clear()
    assert raised.value.reason == "CredentialsMissing"


async def test_the_pods_own_identity_is_taken(monkeypatch: pytest.MonkeyPatch, pool: StorePool) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-pod")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-pod")
    client._session.cache_clear()
    with answering(lambda asked: Reply(204)) as server:
        await pool.get(replace(server.location(keys=None), region="eu-west-3")).put_tags("some-bucket", {})
        assert server.requests == ["PUT /some-bucket?tagging"]
    client._session.cache_clear()


async def test_an_expired_token_is_named(pool: StorePool) -> None:
    expired = error(400, "ExpiredToken", "The provided token has expired.")
    with answering(lambda asked: expired) as server, pytest.raises(Denied) as raised:
        await pool.get(server.location()).describe("some-bucket")
    assert raised.value.reason == "CredentialsExpired"
    assert "renew" in raised.value.message


async def test_a_ca_that_is_none(pool: StorePool) -> None:
    location = Location("https://127.0.0.1:1", REGION, path_style=True, ca_pem="no certificate", credentials=KEYS)
    with pytest.raises(Invalid) as raised:
        await pool.get(location).describe("some-bucket")
    assert raised.value.reason == "CaInvalid"


@pytest.mark.parametrize("trusted", ["its own", "another", None])
async def test_only_the_declared_authority_is_trusted(pool: StorePool, tmp_path: Path, trusted: str | None) -> None:
    authority = Authority()
    signers = {"its own": authority, "another": Authority("another")}
    with answering(lambda asked: Reply(204), tls=authority.node("s3", "c"), folder=tmp_path) as server:
        pem = signers[trusted].pem if trusted else None
        location = replace(server.location(), endpoint=f"https://127.0.0.1:{server.port}", ca_pem=pem)
        store = pool.get(location)
        if trusted == "its own":
            await store.put_tags("some-bucket", {})
            return
        with pytest.raises(Transient) as raised:
            await store.put_tags("some-bucket", {})
    assert raised.value.reason == "TlsFailed"


def test_boto3_is_imported_on_first_use_only() -> None:
    program = (
        "import json, sys\n"
        "from agentmemory.objectstore import credentials, endpoints, pool, store\n"
        "pool.StorePool(endpoints.Rules())\n"
        "print(json.dumps([name for name in ('boto3', 'botocore', 'urllib3') if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, env={"PYTHONPATH": "operator"}
    )
    assert json.loads(done.stdout) == []
