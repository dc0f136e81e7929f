"""The RemoteStorageManager of a node and its settings, by profile. Pure.

Names of Aiven's settings: docs/configs.rst and S3StorageConfig.java of tiered-storage-for-apache-kafka 1.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agentmemory.api.memorycluster import Tiering
from agentmemory.core.errors import Bug
from agentmemory.domain.units import milliseconds
from agentmemory.engines.base import BucketPlace, NodePlan
from agentmemory.engines.kafka import jvm
from agentmemory.engines.kafka_tiered import names
from agentmemory.engines.remote import TASK_INTERVAL

AIVEN_KEYS: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "storage.aws.access.key.id",
    "AWS_SECRET_ACCESS_KEY": "storage.aws.secret.access.key",
}
"""Keys of a MemoryBucket's credentials Secret and the settings that take them."""
AIVEN_DEFAULTS: Mapping[str, str] = {"chunk.size": str(4 * 1024**2)}
"""The size with which its documentation says to begin."""

MOST_COPIERS = 10
"""Kafka's own default of remote.log.manager.copier.thread.pool.size."""
MIB_EACH = 25
"""What Aiven's plugin holds in memory for each segment that it uploads: one part (s3.multipart.upload.part.size)."""
SHARE_OF_HEAP = 4


@dataclass(frozen=True)
class Plugin:
    """What the template is filled in with."""

    class_name: str
    class_path: str
    properties: tuple[tuple[str, str], ...]
    """Settings without their prefix, sorted."""
    secrets: tuple[str, ...]
    """Settings that are files in names.SECRETS, sorted."""
    copiers: int
    """Segments that are copied at once."""
    round_ms: int = milliseconds(TASK_INTERVAL)


def tiering_of(plan: NodePlan) -> Tiering:
    """What is declared. Raises Bug for a cluster that passed no API check."""
    if plan.cluster.spec.tiering is None:
        raise Bug("NoTiering", f"node {plan.node.name} of engine kafka-tiered was planned without spec.tiering")
    return plan.cluster.spec.tiering


def plugin(plan: NodePlan) -> Plugin:
    """Of one broker."""
    tiering = tiering_of(plan)
    aiven = tiering.profile == "Aiven"
    properties = _aiven(plan) | dict(tiering.properties) if aiven else dict(tiering.properties)
    return Plugin(
        class_name=tiering.class_name or names.AIVEN_CLASS,
        class_path=tiering.class_path or names.AIVEN_PATH,
        properties=tuple(sorted(properties.items())),
        secrets=tuple(sorted({*bucket_keys(plan).values(), *(plan.settings.names if plan.settings else ())})),
        copiers=copiers(jvm.heap(plan.resources.memory)),
    )


def bucket_keys(plan: NodePlan) -> Mapping[str, str]:
    """Which keys of the bucket's own Secret become which settings; those that secretRef has go before them."""
    storage, given = plan.storage, plan.settings.names if plan.settings else ()
    if tiering_of(plan).profile != "Aiven" or storage is None or storage.credentials is None:
        return {}
    return {} if set(given) & set(AIVEN_KEYS.values()) else AIVEN_KEYS


def bucket_settings(place: BucketPlace) -> dict[str, str]:
    """Aiven's settings that say where the bucket is: the MemoryBucket alone decides them."""
    made = {
        "storage.backend.class": names.AIVEN_STORAGE,
        "storage.s3.bucket.name": place.bucket,
        "storage.s3.region": place.region,
        "storage.s3.path.style.access.enabled": "true" if place.path_style else "false",
    }
    return made if place.endpoint is None else made | {"storage.s3.endpoint.url": place.endpoint}


def copiers(heap: int) -> int:
    """Threads whose parts fill a quarter of the heap (MiB) at most."""
    return max(1, min(MOST_COPIERS, heap // SHARE_OF_HEAP // MIB_EACH))


def _aiven(plan: NodePlan) -> dict[str, str]:
    if plan.storage is None:
        raise Bug("NoBuckets", f"node {plan.node.name} of engine kafka-tiered was planned without its bucket")
    # One cluster has the bucket for itself; the prefix tells whose the objects are when the cluster is gone.
    return {**AIVEN_DEFAULTS, "key.prefix": f"{plan.cluster_id}/", **bucket_settings(plan.storage.data)}
