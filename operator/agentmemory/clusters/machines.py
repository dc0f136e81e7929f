"""The Nodes under a cluster's pods as far as their place goes. Nobody watches Nodes: they are read by name."""

from collections.abc import Iterable

from agentmemory.core.clock import Clock
from agentmemory.core.errors import Denied, Transient
from agentmemory.core.key import Key
from agentmemory.engines.places import UNREAD, Machine
from agentmemory.kube.client import KubeClient

# Seconds for which a machine is believed to be where it was: a place changes by somebody's mistake or lie only.
BELIEVED = 300.0


class Machines:
    """Machines by name, each read once in BELIEVED seconds, whichever and however many clusters ask."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[Machine, float]] = {}

    async def look(self, kube: KubeClient, names: Iterable[str]) -> dict[str, Machine]:
        """Each of these machines. One that cannot be read says why; what was known of it stays while nobody answers."""
        self._forget()
        return {name: await self._one(kube, name) for name in sorted(names)}

    async def _one(self, kube: KubeClient, name: str) -> Machine:
        known = self._known.get(name)
        if known is not None and self._clock.monotonic() < known[1] + BELIEVED:
            return known[0]
        try:
            found = _machine(await kube.get(Key("Node", "", name)))
        except Denied:
            found = Machine(fault="the operator has no right to read Nodes, or this one")
        except Transient:
            return known[0] if known is not None else UNREAD
        self._known[name] = (found, self._clock.monotonic())
        return found

    def _forget(self) -> None:
        """Machines about which nobody has asked for long."""
        latest = self._clock.monotonic() - 2 * BELIEVED
        for name in [name for name, (_, read_at) in self._known.items() if read_at < latest]:
            del self._known[name]


def _machine(node: dict[str, object] | None) -> Machine:
    if node is None:
        return Machine(fault="the Node exists no more")
    metadata, spec = node.get("metadata"), node.get("spec")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    provider_id = spec.get("providerID") if isinstance(spec, dict) else None
    return Machine({str(key): str(value) for key, value in (labels or {}).items()}, str(provider_id or ""))
