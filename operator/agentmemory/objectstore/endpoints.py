"""Which endpoints the operator may talk to: checked as text here, and by address again when a connection is made.

An endpoint that a manifest names is called with the operator's network position. So neither this machine, nor the
cloud's metadata service, nor the Kubernetes API can be named, by whatever spelling of the address or DNS name.
"""

import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from agentmemory.core.errors import Invalid

CLUSTER_DOMAIN = "cluster.local"
REASON = "EndpointNotAllowed"
_HOST = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_KEY_NAMES = re.compile(
    r"(access|secret|session|api)[-_]?(key|token)|password|credential|signature|x-amz-", re.IGNORECASE
)
_WAY_OUT = "name the server's own host, https://<host>[:port]"
_LOCAL_NAMES = ("localhost", "metadata.google.internal", "instance-data", "kubernetes", "kubernetes.default")
METADATA = frozenset(
    ip_address(text)
    for text in ("169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
"""Metadata services: AWS (both), Google, Alibaba, Azure, Oracle. Link-local ones are refused in any case."""
_NAT64 = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")
Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Rules:
    """`allow`: hosts that pass unchecked, for servers on this machine in tests. `refuse`: addresses and names more."""

    allow: frozenset[str] = frozenset()
    refuse: frozenset[str] = frozenset()
    cluster_domain: str = CLUSTER_DOMAIN

    def check(self, endpoint: str) -> str:
        """The endpoint in its usual form, `scheme://host[:port]`. Invalid never repeats what may hold a key."""
        scheme, host, port = _parts(endpoint)
        if host not in self.allow:
            self._check_host(scheme, host)
        shown = f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}" + (f":{port}" if port else "")

    def _check_host(self, scheme: str, host: str) -> None:
        address = _address(host)
        if address is not None:
            self.check_address(host, str(address))
        elif self._is_refused_name(host):
            raise _refused(f"endpoint host {host} is this machine, a metadata service or the Kubernetes API")
        if scheme == "http" and not self.in_cluster(host):
            raise _refused(
                f"endpoint host {host} is outside this Kubernetes cluster, so it needs https", "write https://"
            )

    def _is_refused_name(self, host: str) -> bool:
        service = host.removesuffix(f".{self.cluster_domain}").removesuffix(".svc")
        return host in self.refuse or service in _LOCAL_NAMES or host.endswith(".localhost")

    def in_cluster(self, host: str) -> bool:
        """Whether only this Kubernetes cluster can answer for the name."""
        return host.endswith((".svc", f".svc.{self.cluster_domain}"))

    def check_address(self, host: str, address: str) -> None:
        """Invalid when a connection to the host would go to a forbidden address."""
        if host in self.allow:
            return
        for one in _meant(ip_address(address.partition("%")[0])):
            kind = "the Kubernetes API" if str(one) in self.refuse else _forbidden(one)
            if kind:
                raise _refused(f"endpoint host {host} leads to {address}, which is {kind}")


def kubernetes_addresses(environ: Iterable[tuple[str, str]] | None = None) -> frozenset[str]:
    """The Kubernetes API's hosts as a pod is told them, for `Rules.refuse`."""
    found = dict(os.environ.items() if environ is None else environ)
    return frozenset(filter(None, [found.get("KUBERNETES_SERVICE_HOST", "").lower()]))


def _parts(endpoint: str) -> tuple[str, str, int | None]:
    if "@" in endpoint or "?" in endpoint or "#" in endpoint or _KEY_NAMES.search(endpoint):
        raise _refused(
            "the endpoint carries more than a host (it is not repeated here, since it may hold a key); "
            "treat a key that stood there as known to others and replace it",
            f"{_WAY_OUT}, and put keys into the Secret of credentialsSecretRef",
        )
    if not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint:  # urlsplit drops line breaks
        raise _refused("the endpoint has no valid host")
    try:
        url = urlsplit(endpoint)
        port, host = url.port, (url.hostname or "").lower().removesuffix(".")
    except ValueError as exc:
        raise _refused("the endpoint is no URL") from exc
    if url.scheme not in ("http", "https") or url.path not in ("", "/") or port == 0:
        raise _refused("the endpoint is not http(s)://host[:port] with nothing after it")
    if not (_HOST.fullmatch(host) or _read(host)):
        raise _refused("the endpoint has no valid host")
    return url.scheme, host, port


def _address(host: str) -> Address | None:
    """The address when the host is one. Forms that only C libraries read (decimal, hex, octal, short) are refused."""
    address = _read(host)
    if address is not None:
        return address
    try:
        socket.inet_aton(host)
    except OSError:
        return None
    raise _refused(f"endpoint host {host} is an address in an unusual form")


def _read(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _meant(address: Address) -> Iterable[Address]:
    """The address, and those that it carries inside (IPv4-mapped, NAT64, 6to4, Teredo)."""
    yield address
    if isinstance(address, IPv4Address):
        return
    embedded: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or address in _COMPATIBLE:
        embedded.append(IPv4Address(int(address) & 0xFFFFFFFF))
    yield from filter(None, embedded)


def _forbidden(address: Address) -> str:
    """What is wrong with an address, empty when nothing."""
    if address in METADATA:
        return "a metadata service"
    kinds = {
        "this machine (loopback)": address.is_loopback,
        "link-local": address.is_link_local,
        "the unspecified address": address.is_unspecified or address in ip_network("0.0.0.0/8"),
        "multicast": address.is_multicast,
        "reserved": address.is_reserved and not isinstance(address, IPv6Address),
    }
    return next((kind for kind, is_so in kinds.items() if is_so), "")


def _refused(message: str, way_out: str = _WAY_OUT) -> Invalid:
    return Invalid(REASON, f"{message}; {way_out}")
