"""Names of Services of the cluster, for a person's machine that reaches pods but not the cluster's DNS.

Kafka's brokers advertise such names (`<pod>.<namespace>.svc`), and kafka-python looks them up by `socket.getaddrinfo`.
In a pod the cluster's DNS knows them; elsewhere the API server does, which is what stands in here. Where pods cannot
be reached at all nothing helps: the command is then run in a pod.
"""

import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from agentmemory.engines.kafka.names import bootstrap_service
from agentmemory.engines.pods import is_ready

Object = dict[str, Any]


class Addresses:
    """The names that are known, kept up to date by whoever sees the pods."""

    def __init__(self, cluster: str, namespace: str) -> None:
        self._bootstrap = f"{bootstrap_service(cluster)}.{namespace}.svc"
        self._namespace = namespace
        self._known: Mapping[str, tuple[str, ...]] = {}

    def see(self, pods: Iterable[Object]) -> None:
        """Brokers by their own names, and the ready ones by the name of them all."""
        known: dict[str, tuple[str, ...]] = {}
        serving: list[str] = []
        for pod in pods:
            address = (pod.get("status") or {}).get("podIP")
            if address:
                known[f"{pod['metadata']['name']}.{self._namespace}.svc"] = (address,)
                serving += [address] if is_ready(pod) else []
        self._known = known | {self._bootstrap: tuple(serving)}

    def of(self, host: object) -> tuple[str, ...]:
        """The addresses of a name; none for what is not the cluster's."""
        return self._known.get(host, ()) if isinstance(host, str) else ()


@contextmanager
def resolving(addresses: Addresses) -> Iterator[None]:
    """While it lasts this process finds the cluster's names; every other name is looked up as ever."""
    usual = socket.getaddrinfo

    def lookup(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        found = addresses.of(host)
        if not found:
            return list(usual(host, port, *args, **kwargs))
        return [entry for address in found for entry in usual(address, port, *args, **kwargs)]

    socket.getaddrinfo = lookup
    try:
        yield
    finally:
        socket.getaddrinfo = usual
