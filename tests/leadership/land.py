"""One land of a play: a cluster that somebody else runs, a tenant, two families and a client, all with a tag in their
names; and what a user does there.
"""

import base64
from dataclasses import dataclass
from typing import Any

from agentmemory.api.conditions import is_ready
from agentmemory.core.key import Key
from agentmemory.kube.client import KubeClient
from tests.fakekafka import FakeKafka
from tests.fakes3 import FakeS3
from tests.faultproxy import Match

from .shared_server import SharedCall
from .waiting import until

Object = dict[str, Any]

OURS = ("MemoryCluster", "MemoryTenant", "MemoryBucket", "TopicFamily", "MemoryClient")
PLATFORMS = OURS[:3]


@dataclass(frozen=True)
class Land:
    """`tag` is short and in no other text."""

    tag: str
    kube: KubeClient
    kafka: FakeKafka
    s3: FakeS3

    @property
    def platform(self) -> str:
        """The platform team's namespace."""
        return f"p-{self.tag}"

    @property
    def team(self) -> str:
        """The AI team's namespace."""
        return f"t-{self.tag}"

    @property
    def other(self) -> str:
        """A namespace that the tenant does not list in the beginning."""
        return f"u-{self.tag}"

    @property
    def namespaces(self) -> frozenset[str]:
        """All of the land's."""
        return frozenset({self.platform, self.team, self.other})

    # --- objects as users write them ---

    def cluster(self, bootstrap: str = "kafka.example.com:9093") -> Object:
        external = {"bootstrapServers": bootstrap, "credentialsSecretRef": {"name": "way-in"}}
        spec = {"engine": "external", "external": external, "replication": {"factor": 3, "minInSync": 2}}
        return _object("MemoryCluster", self.platform, "mem", spec)

    def tenant(self, *others: str) -> Object:
        listed = [{"name": self.team, "segment": "agents"}, *({"name": name} for name in others)]
        return _object("MemoryTenant", self.platform, self.tag, {"clusterRef": {"name": "mem"}, "namespaces": listed})

    def family(self, name: str, policy: str = "Retain", **spec: Any) -> Object:
        full = {
            "tenantRef": {"namespace": self.platform, "name": self.tag},
            "owner": {"team": "support-ai", "contact": "support-ai@example.com"},
            "topics": [{"name": "events", "partitions": 4}],
            "retention": {"time": "240h"},
            "deletionPolicy": policy,
            **spec,
        }
        return _object("TopicFamily", self.team, name, full)

    def client(self, name: str, *operations: str, **spec: Any) -> Object:
        access = [{"family": "trail", "operations": list(operations or ("Produce", "Consume"))}]
        tenant = {"namespace": self.platform, "name": self.tag}
        return _object("MemoryClient", self.team, name, {"tenantRef": tenant, "access": access, **spec})

    def bucket(self, name: str, **spec: Any) -> Object:
        server = {"endpoint": "https://s3.example.com", "credentialsSecretRef": {"name": "keys"}}
        full = {"bucketName": f"{self.tag}-{name}", "purpose": "Data", "region": "eu-central-1", "s3": server}
        return _object("MemoryBucket", self.platform, name, {**full, "deletionPolicy": "Delete", **spec})

    def key(self, kind: str, name: str) -> Key:
        """Of one of our kinds."""
        return Key(kind, self.platform if kind in PLATFORMS else self.team, name)

    # --- what users do ---

    async def begin(self) -> None:
        """The land as all stories find it."""
        for name in sorted(self.namespaces):
            await self.kube.create(_object("Namespace", "", name, None))
        data = {"username": "operator", "password": "secret"}
        await self.put(_object("Secret", self.platform, "way-in", None) | {"data": _encoded(data)})
        await self.put(self.cluster(), self.tenant(), self.family("trail"), self.family("waste", "Delete"))
        await self.put(self.client("bot"))

    async def begin_with_buckets(self) -> None:
        """The land of the stories about buckets: `plain`, and `full`, whose contents may be deleted."""
        await self.kube.create(_object("Namespace", "", self.platform, None))
        keys = {"AWS_ACCESS_KEY_ID": "AKIAPLANTED", "AWS_SECRET_ACCESS_KEY": "planted"}
        await self.put(_object("Secret", self.platform, "keys", None) | {"data": _encoded(keys)})
        await self.put(self.bucket("plain"), self.bucket("full", force={"gracePeriod": "1m"}))

    async def put(self, *objs: Object) -> None:
        """As `kubectl create`."""
        for obj in objs:
            await self.kube.create(obj)

    async def edit(self, kind: str, name: str, spec: Object) -> None:
        """As `kubectl patch --type merge`."""
        assert await self.kube.merge_patch(self.key(kind, name), {"spec": spec}) is not None

    async def delete(self, kind: str, name: str) -> None:
        """As `kubectl delete`: waits until it is gone."""
        key = self.key(kind, name)
        assert await self.kube.delete(key)

        async def gone() -> bool:
            return await self.kube.get(key) is None

        await until(f"{key} is gone", gone)

    async def delete_later(self, kind: str, name: str) -> None:
        """As `kubectl delete --wait=false`."""
        assert await self.kube.delete(self.key(kind, name))

    # --- writes to hold ---

    def write(self, verb: str, kind: str, name: str, subresource: str = "", namespace: str = "") -> Match:
        """One of the operator's writes in Kubernetes."""
        where = namespace or self.key(kind, name).namespace
        return Match(verb=verb, kind=kind, namespace=where, name=name, subresource=subresource)

    def stored(self, method: str, name: str) -> "StoreWrite":
        """One of the operator's writes in object storage."""
        return StoreWrite(method, f"{self.tag}-{name}")

    def call(self, method: str, what: str) -> "KafkaWrite":
        """One of the operator's writes in Kafka, about a name in the land."""
        name = f"{self.tag}.agents.{what}"
        # Topics are deleted by their ids.
        return KafkaWrite(method, self.kafka.topics[name].topic_id if method == "delete_topics" else name)


@dataclass(frozen=True)
class KafkaWrite:
    """True for a call of this method that speaks of `text`."""

    method: str
    text: str

    def __call__(self, call: SharedCall) -> bool:
        return call.method == self.method and self.text in call.text


@dataclass(frozen=True)
class StoreWrite:
    """True for a call of this method on this bucket."""

    method: str
    bucket: str

    def __call__(self, call: SharedCall) -> bool:
        return call.method == self.method and f"'{self.bucket}'" in call.text


def is_settled(obj: Object) -> bool:
    """Whether an object of ours says that it is as declared now."""
    seen = (obj.get("status") or {}).get("observedGeneration")
    return bool(is_ready(obj)) and seen == obj["metadata"].get("generation")


def _encoded(data: dict[str, str]) -> dict[str, str]:
    return {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}


def _object(kind: str, namespace: str, name: str, spec: Object | None) -> Object:
    ours = kind in OURS
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    made: Object = {"apiVersion": "agentmemory.dev/v1alpha1" if ours else "v1", "kind": kind, "metadata": metadata}
    return made | ({} if spec is None else {"spec": spec})
