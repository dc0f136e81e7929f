"""What a bucket's reconcile looks at before it asks the server: the object, who uses it, and who else claims it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from agentmemory.api.labels import CLUSTER
from agentmemory.api.memorybucket import MemoryBucket
from agentmemory.core.key import Key, key_of
from agentmemory.core.store import Store
from agentmemory.domain.aws import host_region

Object = dict[str, Any]
Place = tuple[str, str]
"""Server and bucket's name: two objects of one place mean one bucket."""
KIND = "MemoryBucket"
AWS = "aws"


@dataclass(frozen=True)
class World:
    """All of it comes from the store: gathering costs no call."""

    bucket: MemoryBucket
    used_by: tuple[str, ...]
    """MemoryClusters that keep data in it, sorted; one that is gone counts as long as it has pods."""
    rival: Key | None
    """An older MemoryBucket that means the same bucket."""

    @property
    def key(self) -> Key:
        """The object's key."""
        return Key(KIND, self.bucket.metadata.namespace, self.bucket.metadata.name)

    @property
    def over_tls(self) -> bool:
        """Whether the server is spoken to by TLS."""
        endpoint = self.bucket.spec.s3.endpoint
        return endpoint is None or endpoint.startswith("https://")

    @property
    def is_aws(self) -> bool:
        """Whether the server is AWS's own."""
        return server_of(self.bucket.spec.s3.endpoint) == AWS

    @property
    def begun(self) -> bool:
        """Whether this object has taken the bucket, or was about to make it."""
        return self.bucket.status.adopted is not None

    @property
    def established(self) -> bool:
        """Whether this object has had the bucket before."""
        return self.begun and self.bucket.status.region is not None


def gather(store: Store, bucket: MemoryBucket) -> World:
    """The world around a bucket."""
    metadata = bucket.metadata
    using = set(users(store, metadata.namespace, metadata.name))
    using |= {name for name in bucket.status.used_by if has_pods(store, metadata.namespace, name)}
    return World(bucket, tuple(sorted(using)), _rival(store, bucket))


def users(store: Store, namespace: str, name: str) -> list[str]:
    """The MemoryClusters that refer to the bucket, read as they stand: one that cannot be parsed uses it too."""
    clusters = store.list("MemoryCluster", namespace)
    return [cluster["metadata"]["name"] for cluster in clusters if name in references(cluster)]


def references(cluster: Mapping[str, Any] | None) -> frozenset[str]:
    """The buckets that a MemoryCluster names."""
    spec = (cluster or {}).get("spec") or {}
    storage, tiering = _part(spec, "objectStorage"), _part(spec, "tiering")
    named = (_part(storage, "dataBucketRef"), _part(storage, "opsBucketRef"), _part(tiering, "bucketRef"))
    return frozenset(str(reference["name"]) for reference in named if reference.get("name"))


def has_pods(store: Store, namespace: str, cluster: str) -> bool:
    """Whether pods of this cluster are there still: they may write until the last moment."""
    pods = store.list("Pod", namespace)
    return any((pod["metadata"].get("labels") or {}).get(CLUSTER) == cluster for pod in pods)


def place_of(obj: Mapping[str, Any]) -> Place:
    """The bucket that a MemoryBucket means."""
    spec = obj.get("spec") or {}
    return server_of(_part(spec, "s3").get("endpoint")), str(spec.get("bucketName") or obj["metadata"]["name"])


def server_of(endpoint: str | None) -> str:
    """One name for each server: names of buckets are one space over all of AWS."""
    if endpoint is None:
        return AWS
    parts = urlsplit(endpoint.lower())
    host = (parts.hostname or "").rstrip(".")
    if host_region(host) is not None:
        return AWS
    # `s3.storage.svc` and `s3.storage.svc.cluster.local` are one Service.
    labels = host.split(".")
    short = ".".join(labels[:3]) if labels[2:3] == ["svc"] else host
    default = 443 if parts.scheme == "https" else 80
    return f"{short}:{parts.port or default}"


def of_place(store: Store, place: Place) -> list[Object]:
    """All MemoryBuckets that mean this bucket."""
    return [obj for obj in store.list(KIND) if place_of(obj) == place]


def _rival(store: Store, bucket: MemoryBucket) -> Key | None:
    place = (server_of(bucket.spec.s3.endpoint), bucket.bucket_name)
    claims = of_place(store, place)
    first = min(claims, key=_age, default=None)
    if first is None or first["metadata"].get("uid") == bucket.metadata.uid:
        return None
    return key_of(first)


def _age(obj: Mapping[str, Any]) -> tuple[bool, str, str]:
    """Whoever has taken the bucket goes first, then the older one."""
    metadata = obj["metadata"]
    begun = (obj.get("status") or {}).get("adopted") is not None
    return not begun, str(metadata.get("creationTimestamp", "")), str(metadata.get("uid", ""))


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def touched(store: Store, cluster: Mapping[str, Any]) -> list[Key]:
    """The buckets that a cluster's change bears on: those that it names, and those that say it uses them."""
    metadata, named = cluster["metadata"], references(cluster)
    return [
        key_of(obj)
        for obj in store.list(KIND, metadata["namespace"])
        if obj["metadata"]["name"] in named or metadata["name"] in ((obj.get("status") or {}).get("usedBy") or ())
    ]
