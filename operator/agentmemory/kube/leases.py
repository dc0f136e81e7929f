"""A coordination.k8s.io/v1 Lease as the place where leadership is kept."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from agentmemory.core.clock import Clock
from agentmemory.core.elector import LeaseApi, LeaseRecord
from agentmemory.core.errors import Bug
from agentmemory.core.key import Key
from agentmemory.kube.client import KubeClient

Object = dict[str, Any]


class KubeLease:
    """Implements core.elector.LeaseApi. Every write carries the resourceVersion that was read."""

    def __init__(self, kube: KubeClient, namespace: str, name: str, clock: Clock) -> None:
        self._kube = kube
        self._key = Key("Lease", namespace, name)
        self._clock = clock
        self._acquired = ""

    async def read(self) -> LeaseRecord | None:
        """The Lease, or None when there is none."""
        obj = await self._kube.get(self._key)
        return None if obj is None else _record(obj)

    async def write(self, holder: str, transitions: int, duration: float, known: LeaseRecord | None) -> LeaseRecord:
        """Create or update; raises Stale or AlreadyExists when somebody else was faster."""
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if known is None or known.holder != holder or not self._acquired:
            self._acquired = now
        metadata: Object = {"namespace": self._key.namespace, "name": self._key.name}
        obj: Object = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": max(1, round(duration)),
                "acquireTime": self._acquired,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }
        if known is None:
            return _record(await self._kube.create(obj))
        metadata["resourceVersion"] = known.version
        return _record(await self._kube.update(obj))


def opener(connect: Callable[[], Awaitable[KubeClient]], namespace: str, name: str, clock: Clock) -> Callable[[], Any]:
    """What core.lease.Lease calls in its thread: opens a connection of its own and closes it in the end."""

    @asynccontextmanager
    async def open_api() -> AsyncIterator[LeaseApi]:
        kube = await connect()
        try:
            yield KubeLease(kube, namespace, name, clock)
        finally:
            await kube.close()

    return open_api


def _record(obj: Object) -> LeaseRecord:
    spec = obj.get("spec") or {}
    version = obj["metadata"].get("resourceVersion")
    if not version:
        raise Bug("BadLease", "the Lease has no resourceVersion")
    return LeaseRecord(spec.get("holderIdentity") or "", spec.get("leaseTransitions") or 0, version)
