"""One bucket's server in three forms: in memory, moto and versitygw."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from agentmemory.objectstore.model import Location
from agentmemory.objectstore.pool import StorePool
from agentmemory.objectstore.store import ObjectStore
from tests.fakes3 import FakeS3, FakeStores
from tests.objectstore.servers import LOOPBACK, REGION, Server, VersityGw, moto, versitygw

__all__ = ["moto", "versitygw"]

_numbers = itertools.count()
_FAKE = Location("https://s3.example.com", REGION)


@dataclass
class Place:
    """A store, a bucket's name that nobody had before, and a way to write as an application does."""

    store: ObjectStore
    bucket: str
    write: Callable[[str], None]
    begin_upload: Callable[[str], None]
    missing: frozenset[str] = frozenset()
    """The parts that this server lacks."""
    other: ObjectStore | None = None
    """The same server as somebody else, where it tells identities apart."""


def _fake_place(name: str) -> Place:
    s3 = FakeS3(region=REGION)
    return Place(
        FakeStores(s3).get(_FAKE),
        name,
        lambda key: s3.buckets[name].objects.add(key),
        lambda key: s3.buckets[name].uploads.add(key),
    )


def _real_place(name: str, pool: StorePool, server: Server, location: Location) -> Place:
    client = server.client(location.credentials)

    def write(key: str) -> None:
        client.put_object(Bucket=name, Key=key, Body=b"x")

    def begin_upload(key: str) -> None:
        client.create_multipart_upload(Bucket=name, Key=key)

    return Place(pool.get(location), name, write, begin_upload)


@pytest.fixture(scope="session")
def pool() -> Iterator[StorePool]:
    """A pool that may talk to loopback, one for all: its threads belong to no event loop, and a client takes long."""
    made = StorePool(LOOPBACK)
    yield made
    asyncio.run(made.close())


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's second try comes at once."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)


@pytest.fixture(params=["fake", "moto", "versitygw"])
def place(request: pytest.FixtureRequest, pool: StorePool) -> Place:
    name = f"bucket-{next(_numbers)}"
    if request.param == "fake":
        return _fake_place(name)
    if request.param == "moto":
        server: Server = request.getfixturevalue("moto")
        return _real_place(name, pool, server, server.location())
    gateway: VersityGw = request.getfixturevalue("versitygw")
    found = _real_place(name, pool, gateway, gateway.location(gateway.user("owner")))
    found.missing = frozenset({"Encryption", "Lifecycle", "PublicAccessBlock"})
    found.other = pool.get(gateway.location(gateway.user("other")))
    return found
