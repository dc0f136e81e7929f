"""Real S3 servers on loopback for tests: versitygw (checks keys, policies and locks) and moto (has every call).

    from tests.objectstore.servers import moto, versitygw     # in a conftest: session fixtures

    def test(versitygw):
        versitygw.location(versitygw.root)                    # a Location for a StorePool(LOOPBACK)
        versitygw.user("writer")                              # keys of a user, made when first asked for
        versitygw.client(keys)                                # boto3, to look and meddle as somebody else

versitygw answers 501 to lifecycle, public access block and encryption; its root bypasses bucket policies. moto checks
no secret and takes every Deny as unconditional.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from agentmemory.objectstore.endpoints import Rules
from agentmemory.objectstore.model import Keys, Location
from e2e.stand import toolchain
from e2e.stand.ports import free_ports

LOOPBACK = Rules(allow=frozenset({"127.0.0.1"}))
REGION = "eu-central-1"
START_LIMIT = 60.0
STOP_LIMIT = 10.0


@dataclass
class Server:
    """A running server and its root keys."""

    port: int
    root: Keys
    region: str = REGION
    clients: dict[Keys, Any] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def location(self, keys: Keys | None = None, region: str | None = None) -> Location:
        """Where to find it with these keys (root's by default)."""
        return Location(self.endpoint, region or self.region, path_style=True, credentials=keys or self.root)

    def client(self, keys: Keys | None = None) -> Any:
        """A plain boto3 client, closed with the server."""
        keys = keys or self.root
        if keys not in self.clients:
            self.clients[keys] = self._make_client(keys)
        return self.clients[keys]

    def _make_client(self, keys: Keys) -> Any:
        return boto3.session.Session().client(
            "s3",
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            config=Config(s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 1}),
        )


@dataclass
class VersityGw(Server):
    """versitygw; `program` also makes users."""

    program: Path = Path("versitygw")
    users: dict[str, Keys] = field(default_factory=dict)

    def user(self, name: str, role: str = "userplus") -> Keys:
        """A user, made when first asked for. `userplus` makes buckets, `user` none; policies hold for both."""
        if name not in self.users:
            self.users[name] = self._make_user(name, role)
        return self.users[name]

    def _make_user(self, name: str, role: str) -> Keys:
        keys = Keys(name, f"{name}-secret-0123456789")
        environment = {
            **os.environ,
            "ADMIN_ACCESS_KEY_ID": self.root.access_key_id,
            "ADMIN_SECRET_ACCESS_KEY": self.root.secret_access_key,
            "ADMIN_REGION": self.region,
            "ADMIN_ENDPOINT_URL": self.endpoint,
        }
        create = [self.program, "admin", "create-user", "-a", name, "-s", keys.secret_access_key, "-r", role]
        subprocess.run(create, env=environment, check=True, capture_output=True, timeout=30)
        return keys


def _wait_listening(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise RuntimeError(f"the S3 server is not up; its log ends with:\n{tail}") from None
            time.sleep(0.05)


@contextmanager
def _running(command: list[str | Path], environment: dict[str, str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        _wait_listening(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _closing(server: Server) -> Iterator[None]:
    try:
        yield
    finally:
        for client in server.clients.values():
            client.close()


@contextmanager
def run_versitygw(folder: Path, region: str = REGION) -> Iterator[VersityGw]:
    """A versitygw with users, versioning and Object Lock, its data in `folder`."""
    program = toolchain.versitygw()
    server = VersityGw(free_ports(1)[0], Keys("root-access", "root-secret-0123456789"), region, program=program)
    for name in ("data", "versions", "iam"):
        (folder / name).mkdir()
    options = ["--port", f"127.0.0.1:{server.port}", "--region", region, "--iam-dir", folder / "iam", "--quiet"]
    backend = ["posix", "--versioning-dir", folder / "versions", folder / "data"]
    environment = {
        "ROOT_ACCESS_KEY": server.root.access_key_id,
        "ROOT_SECRET_KEY": server.root.secret_access_key,
    }
    with _running([program, *options, *backend], environment, server.port, folder / "log"), _closing(server):
        yield server


@contextmanager
def run_moto(folder: Path) -> Iterator[Server]:
    """A moto server; keeps everything in memory."""
    server = Server(free_ports(1)[0], Keys("moto-access", "moto-secret"))
    command: list[str | Path] = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(server.port)]
    with _running(command, {**os.environ}, server.port, folder / "log"), _closing(server):
        yield server


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VersityGw]:
    with run_versitygw(tmp_path_factory.mktemp("versitygw")) as server:
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_moto(tmp_path_factory.mktemp("moto")) as server:
        yield server
