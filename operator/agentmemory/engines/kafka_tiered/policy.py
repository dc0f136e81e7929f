"""What spec.tiering cannot say. Pure."""

import re

from agentmemory.api.conditions import Phase, refused
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


def settings_trouble(tiering: Tiering, name: str, keys: tuple[str, ...], empty: tuple[str, ...]) -> Phase | None:
    """What is wrong with Secret `name` of spec.tiering.secretRef, by its keys and those without a value."""
    where = f"Secret {name}, named by spec.tiering.secretRef,"
    if not keys:
        return refused("SecretEmpty", f"{where} has no keys; give it one for each secret setting of the plugin")
    if empty:
        return refused("SecretIncomplete", f"{where} has no value for {', '.join(empty)}; give it one, or remove it")
    twice = sorted(set(keys) & set(tiering.properties))
    if twice:
        return refused("SettingTwice", f"{where} and spec.tiering.properties both have {twice[0]}; remove one of them")
    pair = set(AIVEN_KEYS.values())
    if tiering.profile == "Aiven" and len(pair & set(keys)) == 1:
        missing = next(iter(pair - set(keys)))
        return refused("SecretIncomplete", f"{where} has one of the two keys of an S3 user; add {missing}")
    if tiering.profile == "Aiven" and (own := sorted(set(keys) & _BUCKETS)):
        return refused("BucketInProperties", f"{where} has {own[0]}, which the MemoryBucket decides; remove it")
    return None
