"""Names of the cluster's Services, found without its DNS."""

import socket

import pytest

from agentmemory.cli.drill.addresses import Addresses, resolving
from tests.cli.drill.builders import pod


def resolved(host: str) -> list[str]:
    return [entry[4][0] for entry in socket.getaddrinfo(host, 9092, socket.AF_UNSPEC, socket.SOCK_STREAM)]


def test_brokers_and_their_common_name() -> None:
    usual = socket.getaddrinfo
    addresses = Addresses("main", "memory-system")
    nowhere = pod(1002)
    nowhere["status"].pop("podIP")
    addresses.see([pod(1000), pod(1001, ready=False), nowhere])
    with resolving(addresses):
        assert resolved("main-1001.memory-system.svc") == ["10.0.0.2"]
        assert resolved("main-bootstrap.memory-system.svc") == ["10.0.0.1"]
        assert resolved("127.0.0.1") == ["127.0.0.1"]
        with pytest.raises(OSError, match=r"not known|resolution|resolve"):
            resolved("main-1002.memory-system.svc")
    assert socket.getaddrinfo is usual


def test_what_moves_is_found_where_it_is_now() -> None:
    addresses = Addresses("main", "memory-system")
    assert addresses.of("main-1000.memory-system.svc") == ()
    addresses.see([pod(1000)])
    moved = pod(1000)
    moved["status"]["podIP"] = "10.0.0.9"
    addresses.see([moved])
    assert addresses.of("main-1000.memory-system.svc") == ("10.0.0.9",)
    assert addresses.of(None) == ()
