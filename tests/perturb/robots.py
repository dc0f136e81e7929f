"""Controllers and kubelets for a control plane that has none: they look at everything again and again."""

import asyncio
import itertools
from contextlib import suppress
from typing import Any

from agentmemory.api.labels import NODE_ID
from agentmemory.core.errors import OperatorError
from agentmemory.core.key import Key, key_of
from agentmemory.domain.names import FIRST_BROKER_ID
from agentmemory.kafka.model import BrokerView
from agentmemory.kube.client import KubeClient
from tests.engines.stage import NAMESPACE, status_of
from tests.fakekafka import FakeKafka

from .machines import NOWHERE, cannot_pull

Object = dict[str, Any]
TICK = 0.3
COLLECTS = 3
"""The garbage collector comes once in so many ticks: looking costs the API server more than the operator does."""
OWNED = ("Pod", "Service", "ConfigMap", "Secret", "PodDisruptionBudget")
OWNERS = ("MemoryCluster", "BrokerPool", "MemoryClient")


class Robots:
    """`async with asyncio.TaskGroup()` ... `create_task(robots.run())`; cancel it in the end."""

    def __init__(self, admin: KubeClient, kafka: FakeKafka, namespaces: tuple[str, ...], *, nodes: bool) -> None:
        self._admin = admin
        self._kafka = kafka
        self._namespaces = namespaces
        self._nodes = nodes
        self._disks: dict[str, str] = {}
        self.acts = 0
        """How often one did something."""
        self.rounds = 0
        """How often all of them have looked at everything."""

    async def run(self) -> None:
        """Until cancelled."""
        for tick in itertools.count():
            with suppress(OperatorError):  # somebody else was faster: the next look sees it
                if tick % COLLECTS == 0:
                    await self._collect()
                if self._nodes:
                    await self._keep_pods()
                self.rounds += tick % COLLECTS == 0
            await asyncio.sleep(TICK)

    async def _collect(self) -> None:
        """The garbage collector. What is owned is listed before its owners: one made in between is seen as well."""
        kinds = OWNED if self._nodes else ("Secret",)
        owned = [obj for kind in kinds for obj in await self._list(kind) if obj["metadata"].get("ownerReferences")]
        if not owned:
            return
        alive = {obj["metadata"]["uid"] for kind in OWNERS for obj in await self._list(kind)}
        for obj in owned:
            if not alive & {it["uid"] for it in obj["metadata"]["ownerReferences"]}:
                self.acts += 1
                await self._admin.delete(key_of(obj), uid=obj["metadata"]["uid"])

    async def _list(self, kind: str) -> list[Object]:
        """Of all our namespaces, by one call: the whole cluster has hardly more."""
        return [obj for obj in (await self._admin.list(kind))[0] if obj["metadata"]["namespace"] in self._namespaces]

    async def _keep_pods(self) -> None:
        """The kubelets."""
        pods = {obj["metadata"]["name"]: obj for obj in (await self._admin.list("Pod", NAMESPACE))[0]}
        for node_id in [it for it in self._kafka.brokers if f"mem-{it}" not in pods]:
            self.acts += 1
            self._kafka.stop(node_id)
        for claim in (await self._admin.list("PersistentVolumeClaim", NAMESPACE))[0]:
            if claim["metadata"].get("finalizers"):  # its controller is not there to take it off
                self.acts += 1
                await self._admin.merge_patch(key_of(claim), {"metadata": {"finalizers": None}})
        for pod in pods.values():
            if "initContainerStatuses" not in (pod.get("status") or {}) and await self._mounts_are_there(pod):
                await self._start(pod)

    async def _start(self, pod: Object) -> None:
        if pod["spec"]["containers"][0]["image"].startswith(NOWHERE):
            await self._tell(pod, cannot_pull())
            return
        name, node_id = pod["metadata"]["name"], int(pod["metadata"]["labels"][NODE_ID])
        claim = await self._admin.get(Key("PersistentVolumeClaim", NAMESPACE, name))
        self._disks[name] = (claim or pod)["metadata"]["uid"]
        await self._tell(pod, status_of(pod, ready=True))
        if node_id >= FIRST_BROKER_ID:
            self._kafka.brokers[node_id] = BrokerView(f"{name}.{NAMESPACE}.svc", 9091, None, fenced=False)
            return
        self._kafka.voters[node_id] = f"directory-{node_id}-{self._disks[name]}"
        if self._kafka.leader < 0 and len(self._kafka.voters) >= 2:
            self._kafka.leader = node_id

    async def _tell(self, pod: Object, status: Object) -> None:
        self.acts += 1
        await self._admin.merge_patch(key_of(pod), {"status": status}, subresource="status")

    async def _mounts_are_there(self, pod: Object) -> bool:
        for volume in pod["spec"]["volumes"]:
            key = _mounted(volume)
            if key is not None and await self._admin.get(key) is None:
                return False
        return True


def _mounted(volume: Object) -> Key | None:
    if "configMap" in volume:
        return Key("ConfigMap", NAMESPACE, volume["configMap"]["name"])
    if "secret" in volume:
        return Key("Secret", NAMESPACE, volume["secret"]["secretName"])
    if "persistentVolumeClaim" in volume:
        return Key("PersistentVolumeClaim", NAMESPACE, volume["persistentVolumeClaim"]["claimName"])
    return None
