"""The Secret of spec.tiering.secretRef: read by name, judged, and never copied."""

from agentmemory.api.conditions import Phase, progressing
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.core.key import Key
from agentmemory.engines.apply import Tools
from agentmemory.engines.base import SecretSettings
from agentmemory.engines.kafka_tiered.policy import settings_trouble
from agentmemory.kube.owned import spec_hash


async def settings_of(tools: Tools, cluster: MemoryCluster) -> SecretSettings | Phase | None:
    """The plugin's secret settings; why there are none, or None where none are declared."""
    tiering = cluster.spec.tiering
    if tiering is None or tiering.secret_ref is None:
        return None
    name, namespace = tiering.secret_ref.name, cluster.metadata.namespace
    found = await tools.shared.secrets.get(tools.kube, Key("Secret", namespace, name))
    if found is None:
        return progressing(
            "SecretMissing",
            f"Secret {name}, named by spec.tiering.secretRef, does not exist in namespace {namespace}; create it",
        )
    data = found.get("data") or {}
    keys = tuple(sorted(data))
    trouble = settings_trouble(tiering, name, keys, tuple(key for key in keys if not data[key]))
    return trouble or SecretSettings(name, keys, spec_hash(data))
