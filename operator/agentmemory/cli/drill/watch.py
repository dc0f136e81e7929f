"""What has come true since a broker's pod was deleted: milestones, from looks at pods, pool and Kafka. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentmemory.api.brokerpool import BrokerPool
from agentmemory.api.labels import NODE_ID, POOL
from agentmemory.cli.drill.facts import Broker
from agentmemory.cli.drill.kafkaview import KafkaView
from agentmemory.engines.pods import is_ready
from agentmemory.kafka.model import PartitionRef

Object = dict[str, Any]

MILESTONES: Mapping[str, str] = {
    "gone": "the process has ended",
    "fenced": "taken out of service",
    "moved": "its partitions have other leaders",
    "scheduled": "made again, and has a machine",
    "started": "its container runs",
    "ready": "its listener is open",
    "registered": "in service again",
    "synced": "all copies in sync",
    "settled": "the BrokerPool is Ready again",
}
"""In the order in which they usually come."""
OF_KAFKA = frozenset({"moved", "synced"})
"""Told by Kafka alone; fencing and registration are told by the BrokerPool's status too, some seconds late."""


@dataclass(frozen=True)
class Look:
    """One look; `kafka` is None when it was not asked or did not answer, `pool` when it is gone."""

    pods: Sequence[Object]
    pool: BrokerPool | None
    kafka: KafkaView | None = None


class Timeline:
    """Takes looks in order and remembers when each milestone was first seen (seconds since the deletion)."""

    def __init__(
        self, victim: Broker, known: frozenset[int], led: frozenset[PartitionRef] | None, *, asks_kafka: bool
    ) -> None:
        """`known`: brokers before; `led`: what the victim led, None where that was not seen."""
        self.reached: dict[str, float] = {}
        self.heir: str | None = None
        """Name of the pod that takes the victim's place."""
        self.said = ""
        """What the pool says of itself while it is not Ready."""
        self._victim = victim
        self._known = known
        self._led = led
        self._asks_kafka = asks_kafka
        self._tests: Mapping[str, Callable[[Look], bool]] = {
            "gone": self._gone,
            "fenced": self._fenced,
            "moved": self._moved,
            "scheduled": self._scheduled,
            "started": self._started,
            "ready": self._ready,
            "registered": self._registered,
            "synced": self._synced,
            "settled": self._settled,
        }

    @property
    def wanted(self) -> tuple[str, ...]:
        """What can be seen from here."""
        return tuple(name for name in MILESTONES if self._asks_kafka or name not in OF_KAFKA)

    @property
    def missing(self) -> tuple[str, ...]:
        """What has not come true. Fencing that nobody saw between two looks is not missed once the broker is back."""
        passed = {"fenced"} if "registered" in self.reached else set()
        return tuple(name for name in self.wanted if name not in self.reached and name not in passed)

    def see(self, at: float, look: Look) -> list[str]:
        """The milestones that this look shows for the first time."""
        self.said = _said(look.pool)
        new: list[str] = []
        for name in self.wanted:
            if name not in self.reached and self._tests[name](look):
                self.reached[name] = at
                new.append(name)
        return new

    def _gone(self, look: Look) -> bool:
        return all(pod["metadata"]["uid"] != self._victim.view.uid for pod in look.pods)

    def _fenced(self, look: Look) -> bool:
        if look.kafka is not None:
            return self._victim.id not in look.kafka.registered
        return not self._asks_kafka and not self._said_registered(look, self._victim.id)

    def _moved(self, look: Look) -> bool:
        if look.kafka is None:
            return False
        parts, back = look.kafka.partitions(), "registered" in self.reached
        leaders = [parts[ref].leader for ref in self._led or () if ref in parts]
        if not leaders and not self.reached.keys() & {"fenced", "registered"}:
            return False  # it led nothing, as far as can be seen
        return all(leader >= 0 and (back or leader != self._victim.id) for leader in leaders)

    def _scheduled(self, look: Look) -> bool:
        heir = self._heir(look)
        return heir is not None and bool((heir.get("spec") or {}).get("nodeName"))

    def _started(self, look: Look) -> bool:
        containers = ((self._heir(look) or {}).get("status") or {}).get("containerStatuses") or ()
        return any("running" in (container.get("state") or {}) for container in containers)

    def _ready(self, look: Look) -> bool:
        heir = self._heir(look)
        return heir is not None and is_ready(heir)

    def _registered(self, look: Look) -> bool:
        heir = self._heir(look)
        if heir is None or "started" not in self.reached:
            return False
        if not self.reached.keys() & {"fenced", "ready"}:
            return False  # what is registered is the old session
        node_id = int(heir["metadata"]["labels"][NODE_ID])
        if look.kafka is not None:
            return node_id in look.kafka.registered
        return not self._asks_kafka and "ready" in self.reached and self._said_registered(look, node_id)

    def _synced(self, look: Look) -> bool:
        return look.kafka is not None and "registered" in self.reached and look.kafka.sync().in_sync

    def _settled(self, look: Look) -> bool:
        if look.pool is None or not {"ready", "registered"} <= self.reached.keys():
            return False
        heir = self._heir(look)
        said = any(found.type == "Ready" and found.status == "True" for found in look.pool.status.conditions)
        return said and heir is not None and self._said_registered(look, int(heir["metadata"]["labels"][NODE_ID]))

    def _said_registered(self, look: Look, node_id: int) -> bool:
        brokers = look.pool.status.brokers if look.pool is not None else ()
        return any(broker.id == node_id and broker.state == "Registered" for broker in brokers)

    def _heir(self, look: Look) -> Object | None:
        """The same node id in another pod, or a broker that its pool did not have before."""
        for pod in look.pods:
            metadata = pod["metadata"]
            if metadata["uid"] == self._victim.view.uid or metadata["labels"].get(POOL) != self._victim.pool:
                continue
            node_id = int(metadata["labels"][NODE_ID])
            if node_id == self._victim.id or node_id not in self._known:
                self.heir = metadata["name"]
                return dict(pod)
        return None


def _said(pool: BrokerPool | None) -> str:
    for found in () if pool is None else pool.status.conditions:
        if found.type == "Ready" and found.status != "True":
            return f"{found.reason}: {found.message}"
    return ""
