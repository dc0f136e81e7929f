"""The tenant role's way into Kafka clusters: credentials that the platform role hands over.

The platform role writes them into one Secret of the operator's own namespace, one key a cluster
(`<namespace>.<cluster>.json`); the tenant role may `get` this Secret by name, and no other outside its tenants'
namespaces.
"""

import asyncio
import base64
import binascii
import json
from typing import Any

from agentmemory.core.clock import Clock
from agentmemory.core.errors import Invalid
from agentmemory.core.key import Key
from agentmemory.engines.outage import Unanswered
from agentmemory.kafka.credentials import Credentials
from agentmemory.kube.client import KubeClient

SECRET = "agent-memory-tenant-principals"  # noqa: S105 (a name)
# Seconds between two reads of the Secret while something is missing or refused: ten thousand families share one read.
PAUSE = 2.0
# Seconds for which the Secret is believed to be as it was read.
BELIEVED = 600.0


def key_in_secret(cluster: Key) -> str:
    """The Secret's key with this cluster's credentials; neither namespaces nor clusters have dots in their names."""
    return f"{cluster.namespace}.{cluster.name}.json"


def cluster_in(name: str) -> Key | None:
    """The inverse of `key_in_secret`; None for what is not ours."""
    match name.split("."):
        case [namespace, cluster, "json"]:
            return Key("MemoryCluster", namespace, cluster)
        case _:
            return None


def pack(credentials: Credentials) -> str:
    """The JSON that is handed over."""
    fields = {
        "bootstrap": credentials.bootstrap,
        "ca": credentials.ca_pem,
        "cert": credentials.cert_pem,
        "key": credentials.key_pem,
        "username": credentials.username,
        "password": credentials.password,
        "mechanism": credentials.mechanism if credentials.username else None,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}, sort_keys=True)


def unpack(text: str) -> Credentials:
    """The inverse of `pack`. Raises Invalid when it is something else."""
    try:
        found = json.loads(text)
        mechanism = {"mechanism": found["mechanism"]} if "mechanism" in found else {}
        return Credentials(
            bootstrap=found["bootstrap"],
            ca_pem=found.get("ca"),
            cert_pem=found.get("cert"),
            key_pem=found.get("key"),
            username=found.get("username"),
            password=found.get("password"),
            **mechanism,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Invalid("InvalidCredentials", "credentials that were handed over cannot be read") from None


class Handover:
    """Reads the Secret when it must and believes for a while what it read: at rest there is hardly a call."""

    def __init__(self, kube: KubeClient, namespace: str, clock: Clock) -> None:
        self._secret = Key("Secret", namespace, SECRET)
        self._kube = kube
        self._clock = clock
        self._data: dict[str, str] = {}
        self._stale = True
        self._read_at: float | None = None
        self._lock = asyncio.Lock()

    def forget(self) -> None:
        """Kafka does not answer or does not accept us: what we hold may be old, so look again at the next call."""
        self._stale = True

    async def credentials(self, cluster: Key) -> Credentials:
        """Raises Unanswered while the platform role has not handed them over, Denied when we may not read them."""
        name = key_in_secret(cluster)
        async with self._lock:
            if self._stale or name not in self._data or self._is_old():
                await self._refresh()
        if name not in self._data:
            raise Unanswered(
                "KafkaCredentialsPending",
                f"MemoryCluster {cluster.namespace}/{cluster.name} has not handed over the tenant role's credentials; "
                "the platform role does that when the cluster comes up",
                cluster,
            )
        return unpack(self._data[name])

    def _is_old(self) -> bool:
        return self._read_at is None or self._clock.monotonic() >= self._read_at + BELIEVED

    async def _refresh(self) -> None:
        now = self._clock.monotonic()
        if self._read_at is not None and now < self._read_at + PAUSE:
            return
        found = await self._kube.get(self._secret)
        self._data = {} if found is None else _decoded(found.get("data") or {})
        self._read_at, self._stale = now, False


def _decoded(data: dict[str, Any]) -> dict[str, str]:
    decoded: dict[str, str] = {}
    for name, value in data.items():
        try:
            decoded[name] = base64.b64decode(value).decode()
        except (binascii.Error, UnicodeDecodeError):
            decoded[name] = ""
    return decoded
