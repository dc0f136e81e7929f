"""What the reconcilers of one process share about clusters and is nowhere else: Secrets read, certificates, turns.

All of it can be lost: a restarted process reads and issues anew. Nobody watches Secrets, so what was read is believed
for a while; whoever is about to act on one asks for a fresh look.
"""

import asyncio
import base64
import binascii
import hashlib
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from agentmemory.core.clock import Clock
from agentmemory.core.key import Key, key_of
from agentmemory.core.store import Store
from agentmemory.engines.kafka import pki
from agentmemory.kube.client import KubeClient

Object = dict[str, Any]

# Seconds for which a Secret is believed to be as it was read.
BELIEVED = 600.0
# The operator's own certificate lives in memory only.
CLIENT_LIFE = timedelta(days=30)
# Hexadecimal digits of a fingerprint: enough to tell a change, too few to learn anything.
_SHOWN = 16


class Secrets:
    """Secrets by name, each read once in BELIEVED seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[Key, tuple[Object, float]] = {}

    async def get(self, kube: KubeClient, key: Key, *, fresh: bool = False) -> Object | None:
        """The Secret, or None when there is none (which is not remembered)."""
        known = self._known.get(key)
        if known is not None and not fresh and self._clock.monotonic() < known[1] + BELIEVED:
            return known[0]
        found = await kube.get(key)
        if found is None:
            self._known.pop(key, None)
        else:
            self.put(found)
        return found

    def known(self, key: Key) -> Object | None:
        """The Secret as it was last read or written here, however long ago."""
        entry = self._known.get(key)
        return None if entry is None else entry[0]

    def put(self, secret: Object) -> None:
        """Remember what a write answered."""
        self._known[key_of(secret)] = (secret, self._clock.monotonic())

    def forget(self, key: Key) -> None:
        """Look again at the next call."""
        self._known.pop(key, None)


class Shared:
    """One per process (per Store)."""

    def __init__(self, clock: Clock) -> None:
        self.secrets = Secrets(clock)
        # Held from the decision to replace a node until its pod is deleted: one at a time over all pools of a cluster.
        # Also by who changes a Secret that all clusters share.
        self.turns: dict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)
        # Uids of pods that were told to go: the watch needs a moment to say so.
        self.ending: set[str] = set()
        # Node ids of a cluster that met somebody's pod which is not watched.
        self.taken: dict[Key, set[int]] = defaultdict(set)
        self._clients: dict[str, pki.Pair] = {}

    def client(self, authority: pki.Pair, subject: pki.Subject, now: datetime) -> pki.Pair:
        """The operator's own certificate from this authority, made when needed and renewed in time."""
        name = f"{subject.name}@{pki.fingerprint(authority.cert)}"
        pair = self._clients.get(name)
        if pair is None or pki.fault(pair, authority.cert, subject, now) is not None:
            pair = self._clients[name] = pki.issue(authority, subject, now, CLIENT_LIFE)
        return pair


_SHARED: WeakKeyDictionary[Store, Shared] = WeakKeyDictionary()


def shared_of(store: Store, clock: Clock) -> Shared:
    """The one that belongs to this store."""
    return _SHARED.setdefault(store, Shared(clock))


def text_of(secret: Mapping[str, Any]) -> dict[str, str]:
    """A Secret's values as text; what is not text reads as empty."""
    return {name: _decoded(value) for name, value in (secret.get("data") or {}).items()}


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def fingerprint(salt: str, values: Mapping[str, str]) -> str:
    """Tells whether a Secret has changed, and nothing of what is in it."""
    text = "\0".join(f"{name}={value}" for name, value in sorted(values.items()))
    return hashlib.sha256(f"{salt}\0{text}".encode()).hexdigest()[:_SHOWN]
