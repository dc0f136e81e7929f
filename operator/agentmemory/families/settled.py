"""Families about which nothing is left to do, with all that this was judged by: a replay then only compares.

A verdict is a pure function of the family, its tenant, its cluster and Kafka's answer. While the store still holds the
same three objects and Kafka answers the same, it is the same verdict: nothing to do, nothing to write. Forgetting an
entry costs one look more, so nothing needs to survive a restart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from agentmemory.core.errors import OperatorError
from agentmemory.core.key import Key
from agentmemory.core.store import Store
from agentmemory.families.model import Seen
from agentmemory.families.world import World

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Basis:
    """What a verdict rests on in Kubernetes: the objects themselves, since the store never changes one in place."""

    family: Object
    tenant: Key
    cluster: Key
    tenant_object: Object | None
    cluster_object: Object | None

    def holds(self, family: Object, store: Store) -> bool:
        """Whether the store still has the same objects."""
        return (
            self.family is family
            and self.tenant_object is store.get(self.tenant)
            and self.cluster_object is store.get(self.cluster)
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Nothing is to be done on this basis while Kafka's answer for `names` is `seen`."""

    basis: Basis
    names: tuple[str, ...]
    seen: Mapping[str, Seen]

    def same(self, answer: Mapping[str, Seen | OperatorError]) -> bool:
        """Whether Kafka answers as it did."""
        return self.seen == answer


def basis_of(store: Store, family: Object, world: World) -> Basis:
    """To be taken when the world is gathered, before anything else can change the store."""
    ref = world.frame.ref
    tenant, cluster = Key("MemoryTenant", ref.namespace, ref.name), world.frame.cluster_key
    return Basis(family, tenant, cluster, store.get(tenant), store.get(cluster))


@lru_cache(4096)
def _shared(items: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Ten thousand topics have a few different settings: each is kept once."""
    return dict(items)


class Settled:
    """The verdicts, by family."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._verdicts: dict[Key, Verdict] = {}

    def find(self, key: Key, family: Object) -> Verdict | None:
        """The verdict on this family if its basis holds; drops one whose basis is gone."""
        verdict = self._verdicts.get(key)
        if verdict is None or verdict.basis.holds(family, self._store):
            return verdict
        del self._verdicts[key]
        return None

    def remember(self, key: Key, basis: Basis, names: tuple[str, ...], seen: Mapping[str, Seen]) -> None:
        """All is done, and Kafka has `seen`."""
        kept = {name: replace(found, configs=_shared(tuple(found.configs.items()))) for name, found in seen.items()}
        self._verdicts[key] = Verdict(basis, names, kept)

    def forget(self, key: Key) -> None:
        """The family is gone."""
        self._verdicts.pop(key, None)
