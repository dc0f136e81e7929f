"""The Secrets that a tiered cluster's brokers mount: read by name, judged, and never copied."""

from collections.abc import Mapping

from agentmemory.api.conditions import Phase, progressing, stalled
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.core.key import Key
from agentmemory.engines.apply import Tools
from agentmemory.engines.base import SecretSettings
from agentmemory.engines.kafka_tiered.policy import settings_trouble
from agentmemory.engines.shared import fingerprint, text_of

SESSION = "AWS_SESSION_TOKEN"


async def settings_of(tools: Tools, cluster: MemoryCluster, *, fresh: bool = False) -> SecretSettings | Phase | None:
    """The plugin's secret settings; why there are none, or None where none are declared."""
    tiering = cluster.spec.tiering
    if tiering is None or tiering.secret_ref is None:
        return None
    name, namespace = tiering.secret_ref.name, cluster.metadata.namespace
    found = await tools.shared.secrets.get(tools.kube, Key("Secret", namespace, name), fresh=fresh)
    if found is None:
        return progressing(
            "SecretMissing",
            f"Secret {name}, named by spec.tiering.secretRef, does not exist in namespace {namespace}; create it",
        )
    values = text_of(found)
    trouble = settings_trouble(tiering, name, values)
    return trouble or SecretSettings(name, tuple(sorted(values)), fingerprint(cluster.metadata.uid, values))


def no_session(cluster: MemoryCluster, where: str, values: Mapping[str, str]) -> Phase | None:
    """Aiven's plugin takes a pair of keys and no token of a session: it would be turned away at every call."""
    tiering = cluster.spec.tiering
    if tiering is None or tiering.profile != "Aiven" or not values.get(SESSION):
        return None
    return stalled(
        "SessionTokenUnsupported",
        f"{where} has {SESSION}, and the plugin of spec.tiering.profile Aiven has no setting for it; give lasting "
        "keys, or none and the brokers an identity of their own by spec.tiering.serviceAccountName",
    )
