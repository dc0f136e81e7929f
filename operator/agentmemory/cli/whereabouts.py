"""Where an object's data rests, and the chain from who promises a region to each place; with a person's rights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentmemory.core.errors import Denied, Invalid
from agentmemory.core.key import Key, key_of
from agentmemory.domain.regions import outside, says, tenant_regions
from agentmemory.kube.client import KubeClient

Object = dict[str, Any]

_KINDS = {
    "MemoryCluster": ("cluster", "clusters", "memorycluster", "memoryclusters", "mc"),
    "MemoryTenant": ("tenant", "tenants", "memorytenant", "memorytenants", "mt"),
    "TopicFamily": ("family", "families", "topicfamily", "topicfamilies", "tf"),
}


@dataclass(frozen=True)
class Link:
    """Who says what of regions. No regions: it says nothing of them."""

    object: str
    says: str
    regions: tuple[str, ...]


@dataclass(frozen=True)
class Whereabouts:
    """One object. `message` says what is wrong, or why more cannot be told; empty when all is told and well."""

    object: Key
    chain: tuple[Link, ...]
    places: tuple[Mapping[str, str], ...]
    state: str
    """Verified: all places were looked at. Declared: some were not. Violated. Unknown: places could not be read."""
    message: str


def kind_of(word: str) -> str:
    """The kind that a person means by `family`, `mc` or `MemoryTenant`. Raises Invalid."""
    for kind, words in _KINDS.items():
        if word.lower() in words:
            return kind
    raise Invalid("UnknownKind", f"{word!r} has no whereabouts; ask for a cluster, a tenant or a family")


class Seeker:
    """Reads each tenant and cluster once, however many families stand on them."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube
        self._known: dict[Key, Object | Denied | None] = {}

    async def find(self, kind: str, namespace: str | None, name: str | None) -> list[Whereabouts]:
        """All of a kind, in a namespace or in all (None), or the one of this name. Raises OperatorError."""
        if name is None:
            found, _ = await self._kube.list(kind, namespace)
        else:
            key = Key(kind, namespace or "", name)
            obj = await self._kube.get(key)
            if obj is None:
                raise Invalid("NotFound", f"{kind} {namespace}/{name} does not exist; correct the name, or give -n")
            found = [obj]
        made = [await self._one(obj) for obj in found]
        return sorted(made, key=lambda one: one.object)

    async def _one(self, obj: Object) -> Whereabouts:
        chain, upper = [_link(obj)], obj
        try:
            while (key := _above(upper)) is not None:
                found = await self._read(key)
                if found is None:
                    raise Invalid("NotFound", f"{_text(key)} does not exist")
                chain.append(_link(found))
                upper = found
        except (Denied, Invalid) as error:
            return Whereabouts(key_of(obj), tuple(chain), (), "Unknown", _as_told(obj, error))
        return _judged(obj, chain, upper)

    async def _read(self, key: Key) -> Object | None:
        if key not in self._known:
            try:
                self._known[key] = await self._kube.get(key)
            except Denied as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, Denied):
            raise found
        return found


def _judged(obj: Object, chain: list[Link], cluster: Object) -> Whereabouts:
    places = tuple({str(name): str(value) for name, value in place.items()} for place in _list(cluster, "places"))
    declared = next(iter(chain[-1].regions), "")
    wrong = _mismatch(chain) or [
        says(place.get("name", ""), place.get("region"), place.get("by", ""), declared)
        for place in places
        if place.get("state") == "Violated"
    ]
    if wrong:
        return Whereabouts(key_of(obj), tuple(chain), places, "Violated", "; ".join(wrong))
    proven = bool(places) and all(place.get("state") == "Verified" for place in places)
    message = "" if places else _nothing_known(cluster)
    return Whereabouts(key_of(obj), tuple(chain), places, "Verified" if proven else "Declared", message)


def _mismatch(chain: list[Link]) -> list[str]:
    """Where the chain breaks by what is declared alone."""
    here = chain[-1].regions
    family = next((link for link in chain if link.object.startswith("TopicFamily ") and link.regions), None)
    tenant = next((link for link in chain if link.object.startswith("MemoryTenant ")), None)
    found = []
    if tenant is not None and (missing := outside(tenant.regions, here)):
        found.append(f"{tenant.object} allows {', '.join(missing)}, where its cluster is not")
    if family is not None and tenant is not None:
        permitted = tenant_regions(tenant.regions, here[0] if here else None)
        if missing := outside(family.regions, permitted):
            found.append(f"{family.object} allows {', '.join(missing)}, which its tenant does not")
        if not set(here) & set(family.regions):
            found.append(
                f"{chain[-1].object} declares {', '.join(here) or 'no region'}, which {family.object} does not"
            )
    return found


def _link(obj: Object) -> Link:
    spec, kind = obj.get("spec") or {}, obj["kind"]
    if kind == "TopicFamily":
        return Link(_text(key_of(obj)), "allows", tuple((spec.get("residency") or {}).get("regions") or ()))
    if kind == "MemoryTenant":
        return Link(_text(key_of(obj)), "allows", tuple(spec.get("regions") or ()))
    region = (spec.get("region") or {}).get("name")
    return Link(_text(key_of(obj)), "declares", (region,) if region else ())


def _above(obj: Object) -> Key | None:
    """The tenant of a family, the cluster of a tenant."""
    spec = obj.get("spec") or {}
    if obj["kind"] == "TopicFamily":
        ref = spec.get("tenantRef") or {}
        return Key("MemoryTenant", ref.get("namespace", ""), ref.get("name", ""))
    if obj["kind"] == "MemoryTenant":
        return Key("MemoryCluster", obj["metadata"]["namespace"], (spec.get("clusterRef") or {}).get("name", ""))
    return None


def _as_told(obj: Object, error: Denied | Invalid) -> str:
    """What the operator itself says on the object that the person may read."""
    path = {"TopicFamily": "spec.residency.regions", "MemoryTenant": "spec.regions"}[obj["kind"]]
    entry = next((found for found in _list(obj, "enforcement") if found.get("path") == path), None)
    if entry is None:
        return error.message
    said = [str(entry[field]) for field in ("state", "mechanism", "reason") if entry.get(field)]
    return f"{error.message}; the operator says of {path}: {'; '.join(said)}"


def _nothing_known(cluster: Object) -> str:
    if not (cluster.get("spec") or {}).get("region"):
        return f"{_text(key_of(cluster))} declares no region, so nothing is looked at; add spec.region"
    return f"the operator has not looked at the places of {_text(key_of(cluster))} yet"


def _list(obj: Object, field: str) -> list[Mapping[str, Any]]:
    return [entry for entry in (obj.get("status") or {}).get(field) or () if isinstance(entry, Mapping)]


def _text(key: Key) -> str:
    return f"{key.kind} {key.namespace}/{key.name}"
