"""The buckets behind a cluster: found in the store, judged, and made into what nodes are built from.

A cluster waits for its buckets before it begins. Once it has begun its nodes are kept whatever a bucket's condition is:
what they are rendered from is the bucket's declaration, and a server that is away comes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agentmemory.api.base import parse
from agentmemory.api.conditions import Phase, progressing, stalled
from agentmemory.api.memorybucket import MemoryBucket, Purpose
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.core.errors import Invalid
from agentmemory.core.key import Key
from agentmemory.core.store import Store
from agentmemory.engines.apply import Tools
from agentmemory.engines.base import BucketPlace, SecretSettings, Storage
from agentmemory.engines.kafka_tiered.secrets import no_session, settings_of
from agentmemory.engines.residency import buckets_elsewhere
from agentmemory.engines.shared import fingerprint, text_of

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True)
class Reference:
    """A bucket that the cluster's spec names."""

    path: str
    name: str
    purpose: Purpose


@dataclass(frozen=True)
class Found:
    """What the references lead to. `phase` says why nothing can be built on it."""

    buckets: tuple[MemoryBucket, ...] = ()
    storage: Storage | None = None
    phase: Phase | None = None
    settings: SecretSettings | None = None
    """The secret settings of the engine's plugin."""


def references(cluster: MemoryCluster) -> tuple[Reference, ...]:
    """The buckets that a cluster is made on, the data bucket first."""
    storage, tiering = cluster.spec.object_storage, cluster.spec.tiering
    if tiering is not None and tiering.bucket_ref is not None:
        return (Reference("spec.tiering.bucketRef", tiering.bucket_ref.name, "Data"),)
    if storage is None:
        return ()
    return (
        Reference("spec.objectStorage.dataBucketRef", storage.data_bucket_ref.name, "Data"),
        Reference("spec.objectStorage.opsBucketRef", storage.ops_bucket_ref.name, "Ops"),
    )


def unmet(cluster: MemoryCluster, found: Found) -> Phase | None:
    """What a cluster that has not begun has to wait for; `found.phase` goes before it."""
    if found.phase is not None:
        return found.phase
    for bucket in found.buckets:
        strangers = sorted(set(bucket.status.used_by) - {cluster.metadata.name})
        if strangers:
            return stalled(
                "BucketInUse",
                f"{_text(bucket)} holds the data of MemoryCluster {', '.join(strangers)}; name a bucket of this "
                "cluster's own",
            )
        waiting = not_ready(bucket)
        if waiting is not None:
            return waiting
    return None


def not_ready(bucket: MemoryBucket) -> Phase | None:
    """What its own Ready condition says."""
    ready = next((one for one in bucket.status.conditions if one.type == "Ready"), None)
    if ready is not None and ready.status == "True":
        return None
    why = f": {ready.message}" if ready is not None and ready.message else ""
    return progressing("BucketNotReady", f"waiting for {_text(bucket)} to be ready{why}")


async def find(tools: Tools, cluster: MemoryCluster, *, fresh: bool = False) -> Found:
    """Reads the buckets from the store and the Secrets with keys and settings; `fresh` reads the Secrets anew."""
    settings = await settings_of(tools, cluster, fresh=fresh)
    if isinstance(settings, Phase):
        return Found(phase=settings)
    asked = references(cluster)
    if not asked:
        return Found(settings=settings)
    buckets, phase = _look_up(tools.store, cluster.metadata.namespace, asked)
    phase = phase or disagreement(buckets) or buckets_elsewhere(cluster, buckets)
    if phase is not None:
        return Found(tuple(buckets), None, phase)
    storage = await _storage(tools, cluster, buckets, fresh=fresh)
    if isinstance(storage, Phase):
        return Found(tuple(buckets), None, storage)
    return Found(tuple(buckets), storage, None, settings)


async def _storage(
    tools: Tools, cluster: MemoryCluster, buckets: Sequence[MemoryBucket], *, fresh: bool
) -> Storage | Phase:
    """The buckets, with the keys that the data bucket names; why there are none."""
    data, *others = map(place, buckets)
    ops = others[0] if others else None
    reference = buckets[0].spec.s3.credentials_secret_ref
    if reference is None:
        return Storage(data, ops)
    where = f"Secret {reference.name}, which {_text(buckets[0])} names,"
    key = Key("Secret", cluster.metadata.namespace, reference.name)
    secret = await tools.shared.secrets.get(tools.kube, key, fresh=fresh)
    if secret is None:
        return progressing("CredentialsMissing", f"{where} does not exist in this namespace; create it")
    values = text_of(secret)
    missing = [name for name in KEYS if not values.get(name)]
    if missing:
        return progressing("CredentialsMissing", f"{where} has no {' and no '.join(missing)}; add what is missing")
    unfit = no_session(cluster, where, values)
    return unfit or Storage(data, ops, reference.name, fingerprint(cluster.metadata.uid, values))


def place(bucket: MemoryBucket) -> BucketPlace:
    """A bucket as a node reaches it."""
    server = bucket.spec.s3
    return BucketPlace(
        bucket=bucket.bucket_name,
        region=bucket.spec.region,
        endpoint=server.endpoint,
        path_style=server.path_style,
        ca_map=None if server.ca_config_map_ref is None else server.ca_config_map_ref.name,
    )


def disagreement(buckets: Sequence[MemoryBucket]) -> Phase | None:
    """Why two good buckets cannot be had together."""
    data, *others = buckets
    if not others:
        return None
    ops = others[0]
    if (data.bucket_name, data.spec.s3.endpoint) == (ops.bucket_name, ops.spec.s3.endpoint):
        return stalled("BucketShared", f"{_text(data)} and {_text(ops)} are one bucket on the server; name two")
    if data.spec.s3.credentials_secret_ref != ops.spec.s3.credentials_secret_ref:
        return stalled(
            "CredentialsDiffer",
            f"{_text(data)} and {_text(ops)} name different credentials, and AutoMQ takes one pair of keys for all "
            "buckets; name the same Secret in both, whose keys may reach both, or none in either",
        )
    return None


def _look_up(store: Store, namespace: str, asked: Sequence[Reference]) -> tuple[list[MemoryBucket], Phase | None]:
    found: list[MemoryBucket] = []
    for one in asked:
        name = f"MemoryBucket {namespace}/{one.name}, named by {one.path},"
        obj = store.get(Key("MemoryBucket", namespace, one.name))
        if obj is None:
            return found, progressing("BucketNotFound", f"{name} does not exist; create it")
        try:
            bucket = parse(MemoryBucket, obj)
        except Invalid as error:
            return found, stalled("BucketInvalid", f"{name} cannot be read: {error.message}")
        if bucket.metadata.deletion_timestamp is not None:
            return found, stalled("BucketTerminating", f"{name} is being deleted")
        if bucket.spec.purpose != one.purpose:
            return found, stalled(
                "BucketPurpose",
                f"{name} is of purpose {bucket.spec.purpose}; name one of purpose {one.purpose}",
            )
        found.append(bucket)
    return found, None


def _text(bucket: MemoryBucket) -> str:
    return f"MemoryBucket {bucket.metadata.namespace}/{bucket.metadata.name}"
