"""A client's configuration for the fake server."""

from functools import cache

from kubernetes.aio.client import Configuration

from tests.kafka.authority import Authority


def configuration_for(url: str) -> Configuration:
    """No credentials, no TLS."""
    configuration = Configuration(host=url)
    configuration.ignore_operation_servers = True
    configuration.ca_cert_data = _nobodys()
    return configuration


@cache
def _nobodys() -> str:
    """An authority that signed nothing: without one, each client reads all that the machine trusts, 23 ms of CPU."""
    return Authority().pem
