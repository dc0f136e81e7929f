"""What spec.tiering cannot say. Pure."""

import re
from collections.abc import Mapping

from agentmemory.api.conditions import Phase, progressing, refused
from agentmemory.api.memorycluster import Tiering
from agentmemory.engines.base import BucketPlace
from agentmemory.engines.kafka_tiered.plugin import AIVEN_KEYS, bucket_settings

SECRET_WORDS = re.compile(
    r"password|secret|token|access\.?key|account\.?key|private\.?key|credentials\.json|connection\.string|passphrase",
    re.IGNORECASE,
)
"""In the name of a setting: what it takes is for nobody's eyes."""
_BUCKETS = frozenset(bucket_settings(BucketPlace("b", "r", "e"))) | {"key.prefix"}


def trouble(tiering: Tiering) -> Phase | None:
    """Why a declaration is refused, or None."""
    return _secret_in_the_open(tiering) or _the_buckets_own(tiering)


def _secret_in_the_open(tiering: Tiering) -> Phase | None:
    found = next((name for name in sorted(tiering.properties) if _is_secret(name)), None)
    if found is None:
        return None
    return refused(
        "SecretInProperties",
        f"spec.tiering.properties has {found}, whose value would stand in this object and in a ConfigMap for everybody "
        f"to read; remove it, change the value, and put it into a Secret with the key {found} that "
        "spec.tiering.secretRef names",
    )


def _is_secret(name: str) -> bool:
    """Names of files and classes say where something is found, not what it is."""
    return bool(SECRET_WORDS.search(name)) and not name.endswith((".class", ".path", ".file"))


def _the_buckets_own(tiering: Tiering) -> Phase | None:
    found = next((name for name in sorted(tiering.properties) if name in _BUCKETS), None)
    if found is None or tiering.profile != "Aiven":
        return None
    return refused(
        "BucketInProperties",
        f"spec.tiering.properties has {found}, which profile Aiven takes from MemoryBucket "
        f"{tiering.bucket_ref.name if tiering.bucket_ref else ''}; remove it, or take profile Custom",
    )


def settings_trouble(tiering: Tiering, name: str, values: Mapping[str, str]) -> Phase | None:
    """What is wrong with Secret `name` of spec.tiering.secretRef. A Secret can be put right at any time: it waits."""
    where, keys = f"Secret {name}, named by spec.tiering.secretRef,", set(values)
    empty = sorted(key for key in keys if not values[key])
    if not keys:
        return progressing("SecretEmpty", f"{where} has no keys; give it one for each secret setting of the plugin")
    if empty:
        return progressing("SecretIncomplete", f"{where} has no text for {', '.join(empty)}; give it one, or remove it")
    twice = sorted(keys & set(tiering.properties))
    if twice:
        return progressing(
            "SettingTwice", f"{where} and spec.tiering.properties both have {twice[0]}; remove one of them"
        )
    return _of_aiven(where, keys) if tiering.profile == "Aiven" else None


def _of_aiven(where: str, keys: set[str]) -> Phase | None:
    pair = set(AIVEN_KEYS.values())
    if len(pair & keys) == 1:
        return progressing("SecretIncomplete", f"{where} has one key of an S3 user's two; add {min(pair - keys)}")
    own = sorted(keys & _BUCKETS)
    if own:
        return progressing("BucketInProperties", f"{where} has {own[0]}, which the MemoryBucket decides; remove it")
    return None
