"""A client's configuration for the fake server."""

from kubernetes.aio.client import Configuration


def configuration_for(url: str) -> Configuration:
    """No credentials, no TLS."""
    configuration = Configuration(host=url)
    configuration.ignore_operation_servers = True
    return configuration
