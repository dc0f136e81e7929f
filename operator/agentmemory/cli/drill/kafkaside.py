"""Asking Kafka, with whatever credentials the person has: never with the cluster's authority.

Tried in this order: the Secret that was named; the operator's own tenant role, whose credentials are in the operator's
namespace where only administrators may read; the MemoryClient that the drill writes with, which sees its own topics.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.cli.drill.kafkaview import KafkaView, kafka_view
from agentmemory.core.errors import Invalid, OperatorError
from agentmemory.core.key import Key
from agentmemory.engines.handover import SECRET, key_in_secret, unpack
from agentmemory.engines.kafka.names import admin_bootstrap
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.credentials import Credentials
from agentmemory.kafka.model import PartitionRef, StopCheck
from agentmemory.kube.client import KubeClient

Object = dict[str, Any]
OPERATOR_NAMESPACES = ("agent-memory-operator", "agent-memory-system")
"""Where the operator usually is: as the guide installs it, and where it says nothing of itself."""
LIMIT = 4.0
"""Seconds for one request: one that went to the broker that goes must not hold up the next look."""


class KafkaSide(Protocol):
    """A way into Kafka that has answered once."""

    who: str

    async def look(self) -> KafkaView:
        """Brokers and partitions now. Raises OperatorError."""

    async def stop_check(self, broker: int) -> StopCheck | None:
        """What stopping the broker would do; None where not all topics are seen."""

    async def sizes(self, broker: int) -> Mapping[PartitionRef, int] | None:
        """Bytes of its replicas; None where that may not be asked."""

    async def close(self) -> None:
        """End the connection."""


class AdminSide:
    """KafkaSide over a KafkaAdmin; `whole`: whether these credentials see every topic."""

    def __init__(self, admin: KafkaAdmin, who: str, *, whole: bool) -> None:
        self.who = who
        self._admin = admin
        self._whole = whole

    async def look(self) -> KafkaView:
        """Two requests."""
        cluster = await self._admin.describe_cluster()
        return kafka_view(cluster, await self._admin.list_topics(), whole=self._whole)

    async def stop_check(self, broker: int) -> StopCheck | None:
        """Costs the configuration of all topics that the broker hosts."""
        return await self._admin.stop_check(broker) if self._whole else None

    async def sizes(self, broker: int) -> Mapping[PartitionRef, int] | None:
        """Asks the broker itself."""
        return await self._admin.log_sizes(broker) if self._whole else None

    async def close(self) -> None:
        """End the connection."""
        await self._admin.close()


@dataclass(frozen=True)
class Way:
    """Credentials to try."""

    who: str
    credentials: Credentials
    whole: bool


async def open_side(ways: list[Way], limit: float = LIMIT) -> tuple[AdminSide | None, str]:
    """The first way that Kafka answers, and as whom it was asked; else None, and why none works."""
    if not ways:
        return None, "no credentials for it: give --admin-secret, or read rights on the operator's namespace"
    why: list[str] = []
    for way in ways:
        side = AdminSide(KafkaAdmin(way.credentials, limit=limit), way.who, whole=way.whole)
        try:
            await side.look()
        except OperatorError as error:
            await side.close()
            why.append(f"as {way.who}: {error.message}")
        else:
            return side, f"as {way.who}"
    return None, "; ".join(why)


async def admin_ways(
    kube: KubeClient, cluster: MemoryCluster, named: str | None, operator_namespace: str | None
) -> list[Way]:
    """Those that see the whole cluster. A named Secret must be there and fit (Invalid); the operator's need not."""
    namespace, name = cluster.metadata.namespace, cluster.metadata.name
    if named is not None:
        where, _, secret_name = named.rpartition("/")
        key = Key("Secret", where or namespace, secret_name)
        secret = await kube.get(key)
        if secret is None:
            raise Invalid("NotFound", f"there is no {key}; correct --admin-secret ([namespace/]name)")
        return [Way(f"Secret {key.namespace}/{key.name}", credentials_in(secret, cluster), whole=True)]
    places = OPERATOR_NAMESPACES if operator_namespace is None else (operator_namespace,)
    handed = key_in_secret(Key("MemoryCluster", namespace, name))
    found = [packed for place in places if (packed := (await _handed_over(kube, place)).get(handed)) is not None]
    return [Way("the operator's tenant role", unpack(packed), whole=True) for packed in found[:1]]


async def _handed_over(kube: KubeClient, namespace: str) -> dict[str, str]:
    """Nothing where one may not read there, as most people may not: the plan then says that Kafka was not asked."""
    try:
        return text_of(await kube.get(Key("Secret", namespace, SECRET)) or {})
    except OperatorError:
        return {}


def credentials_in(secret: Object, cluster: MemoryCluster) -> Credentials:
    """From a Secret with tls.crt and tls.key, or username and password. Raises Invalid when it has neither."""
    values = text_of(secret)
    packed = values.get(key_in_secret(Key("MemoryCluster", cluster.metadata.namespace, cluster.metadata.name)))
    if packed is not None:
        return unpack(packed)
    mutual = "tls.key" in values
    usual = admin_bootstrap(cluster.metadata.name, cluster.metadata.namespace)
    bootstrap = values.get("bootstrap.servers") or (usual if mutual else cluster.status.bootstrap_servers or "")
    if not mutual and "username" not in values:
        name = f"{secret['metadata']['namespace']}/{secret['metadata']['name']}"
        raise Invalid("InvalidCredentials", f"Secret {name} has neither tls.crt and tls.key nor username and password")
    mechanism = {"mechanism": values["sasl.mechanism"]} if "sasl.mechanism" in values else {}
    return Credentials(
        bootstrap=bootstrap,
        ca_pem=values.get("ca.crt"),
        cert_pem=values.get("tls.crt") if mutual else None,
        key_pem=values.get("tls.key"),
        username=None if mutual else values.get("username"),
        password=None if mutual else values.get("password"),
        **mechanism,  # type: ignore[arg-type]
    )


def text_of(secret: Mapping[str, Any]) -> dict[str, str]:
    """A Secret's values as text; what is not text is left out."""
    found: dict[str, str] = {}
    for name, value in (secret.get("data") or {}).items():
        try:
            found[name] = base64.b64decode(value).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
    return found
