"""Where data may rest: pure set questions about regions, and what a piece of evidence says of a place."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["Verified", "Declared", "Violated"]


@dataclass(frozen=True)
class Evidence:
    """One thing that was looked at, or that somebody declared."""

    by: str
    """What: `GetBucketLocation`, `label topology.kubernetes.io/region`."""
    region: str | None = None
    """The region that it tells; None when it tells another thing than a region."""
    proves: bool = True
    """False for what is only said of the place: it can contradict a declaration, and never confirm it."""
    contradicts: bool = False
    """True for what breaks the declaration whatever region it tells (a foreign key, a host that is not listed)."""


@dataclass(frozen=True)
class Place:
    """One place where data rests, judged."""

    name: str
    """`Node/<machine>`, `Volume/<claim>`, `Bucket/<MemoryBucket>`, `Host/<bootstrap server>`."""
    region: str | None
    state: State
    by: str


def tenant_regions(declared: Iterable[str], cluster_region: str | None) -> frozenset[str]:
    """The regions a tenant may name: those it declares, or else its cluster's own; empty when neither is known."""
    found = frozenset(declared)
    return found or (frozenset({cluster_region}) if cluster_region else frozenset())


def outside(wanted: Iterable[str], permitted: Iterable[str]) -> tuple[str, ...]:
    """The wanted regions that are not permitted, sorted."""
    return tuple(sorted(set(wanted) - set(permitted)))


def same(one: str, other: str) -> bool:
    """Whether two names are one region: the same word. `eu` is not `eu-central-1`, whoever may mean that by it."""
    return one.strip().lower() == other.strip().lower()


def judge(name: str, declared: str, evidence: Iterable[Evidence], unknown: str) -> Place:
    """What all that was found about a place says of it: one contradiction outweighs every confirmation.

    `unknown` says why there is no proof, for a place about which nothing was found.
    """
    found = tuple(evidence)
    for piece in found:
        if piece.contradicts or (piece.region is not None and not same(piece.region, declared)):
            return Place(name, piece.region, "Violated", piece.by)
    proof = next((piece for piece in found if piece.proves and piece.region is not None), None)
    if proof is not None:
        return Place(name, proof.region, "Verified", proof.by)
    said = next((piece for piece in found if piece.region is not None), None)
    if said is not None:
        return Place(name, said.region, "Declared", f"{said.by}; {unknown}")
    return Place(name, None, "Declared", unknown)


def says(place_name: str, found: str | None, by: str, declared: str) -> str:
    """A violated place as the last link of a chain of reasons."""
    if found is None or same(found, declared):
        return f"its {place_name} is not as declared ({by})"
    return f"its {place_name} rests in {found} ({by})"


def listed(names: Iterable[str]) -> str:
    """Regions as a sentence names them."""
    return ", ".join(names) or "no region"
