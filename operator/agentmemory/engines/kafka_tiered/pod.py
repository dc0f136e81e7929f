"""What of a broker's pod is tiering's: the secret settings, the bucket's authority, whose identity. Pure.

The rest is engines.kafka.pod. Controllers reach no bucket and get none of it.
"""

from collections.abc import Iterable
from dataclasses import replace

from agentmemory.engines.automq.buckets import authorities
from agentmemory.engines.automq.names import BUCKET_CA
from agentmemory.engines.automq.pod import CREDENTIALS_HASH
from agentmemory.engines.base import NodePlan, Object
from agentmemory.engines.kafka.pod import KAFKA
from agentmemory.engines.kafka.pod import pod as kafka_pod
from agentmemory.engines.kafka.shape import Additions
from agentmemory.engines.kafka_tiered import names
from agentmemory.engines.kafka_tiered.plugin import bucket_keys, tiering_of
from agentmemory.engines.kafka_tiered.properties import files


def additions(plan: NodePlan) -> Additions:
    """Of one node."""
    if plan.node.role == "controller":
        return Additions()
    sources, maps = _sources(plan), authorities(plan.storage)
    secrets = [{"name": "tiering", "projected": {"defaultMode": 0o440, "sources": sources}}] if sources else []
    mounts = [_mount("tiering", names.SECRETS)] if sources else []
    return Additions(
        mounts=(*mounts, *(_mount(f"ca-{name}", f"{BUCKET_CA}/{name}") for name in maps)),
        volumes=(*secrets, *({"name": f"ca-{name}", "configMap": {"name": found}} for name, found in maps.items())),
        annotations={CREDENTIALS_HASH: _hash(plan)} if sources else {},
        service_account=None if sources else tiering_of(plan).service_account_name,
    )


def _sources(plan: NodePlan) -> list[Object]:
    """Both Secrets in one folder. Keys by name: without one of them the kubelet does not start the pod, and says so."""
    made = []
    keys = bucket_keys(plan)
    if keys and plan.storage is not None:
        made.append(_source(plan.storage.credentials or "", keys.items()))
    if plan.settings is not None:
        made.append(_source(plan.settings.secret, ((name, name) for name in plan.settings.names)))
    return made


def _source(name: str, items: Iterable[tuple[str, str]]) -> Object:
    return {"secret": {"name": name, "items": [{"key": key, "path": path} for key, path in items]}}


def _hash(plan: NodePlan) -> str:
    used = plan.storage.credentials_hash if plan.storage is not None and bucket_keys(plan) else ""
    return "-".join(part for part in (used, plan.settings.hash if plan.settings else "") if part)


SHAPE = replace(KAFKA, files=files, additions=additions)


def pod(plan: NodePlan) -> Object:
    """The pod as it is to be made."""
    return kafka_pod(plan, SHAPE)


def _mount(name: str, path: str) -> Object:
    return {"name": name, "mountPath": path, "readOnly": True}
