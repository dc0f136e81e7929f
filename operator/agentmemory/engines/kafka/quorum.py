"""Who may be an initial voter, and what to do when a controller's volume is gone (docs/adr/0006-quorum-and-volumes.md).

Pure. The facts that outlive everything stand on the volume claims: the cluster's id on each, the directory id on the
initial ones, and `begun` once the quorum has begun. The order of writes is claims, then the quorum's ConfigMap, then
pods: so once the ConfigMap exists, a claim that is missing was lost, and what replaces it carries no directory id and
is never made an initial voter.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agentmemory.api.conditions import Phase, progressing, stalled
from agentmemory.api.labels import ADOPT_VOLUMES, CLUSTER_ID
from agentmemory.domain.ids import cluster_id_from_uid, directory_id
from agentmemory.engines.base import FormatMode


@dataclass(frozen=True)
class Claim:
    """A controller's volume claim."""

    node_id: int
    cluster_id: str | None
    directory_id: str | None
    begun: bool
    ending: bool = False


@dataclass(frozen=True)
class Evidence:
    """What is known about a cluster's identity and volumes."""

    name: str
    uid: str
    replicas: int
    claims: Mapping[int, Claim]
    adopt: bool
    known_id: str | None
    """The cluster id that the status remembers."""
    recorded: bool
    """Whether the quorum's ConfigMap exists."""
    bootstrapped: bool
    """Whether the status or the ConfigMap says that the quorum has begun."""
    formatted: frozenset[int]
    """Controllers whose pods say that their volume has its identity."""
    quorum_works: bool
    """Whether the quorum was seen to have a leader just now."""
    static: bool = False
    """Whether voters stand in the configuration and have no directory ids: an emptied controller that comes back under
    its id reads the metadata from the others."""

    @property
    def own_id(self) -> str:
        """The id that this object's cluster has or would be given."""
        return self.known_id or cluster_id_from_uid(self.uid)

    @property
    def foreign(self) -> tuple[Claim, ...]:
        """Claims that hold another cluster's data, or nobody knows whose."""
        return tuple(claim for _, claim in sorted(self.claims.items()) if claim.cluster_id != self.own_id)

    @property
    def missing(self) -> tuple[int, ...]:
        """Controllers without a claim; one that is being deleted still stands in the way of its successor."""
        return tuple(node for node in range(self.replicas) if node not in self.claims)

    @property
    def majority(self) -> int:
        """How many controllers must live."""
        return majority(self.replicas)


@dataclass(frozen=True)
class Quorum:
    """What is to be done: the identity, the voters to begin with, and the claims to make."""

    cluster_id: str
    begun: bool
    directories: Mapping[int, str]
    initial: frozenset[int]
    """Controllers whose claim is (or is to be) an initial one; none in a static quorum, which has no such claims."""
    create: tuple[int, ...]
    """Claims to make now."""

    def mode(self, node_id: int) -> FormatMode:
        """How an empty volume of this controller may be formatted."""
        return "bootstrap" if not self.begun and node_id in self.initial else "join"


def majority(replicas: int) -> int:
    """More than half."""
    return replicas // 2 + 1


def begun(evidence: Evidence) -> bool:
    """Whether the quorum has begun, or could have: a majority has been formatted, so it may have taken records."""
    return (
        evidence.bootstrapped
        or any(claim.begun for claim in evidence.claims.values())
        or (evidence.recorded and len(evidence.formatted) >= evidence.majority)
    )


def plan(evidence: Evidence) -> Quorum:
    """Identity and claims. Call only when `trouble` has nothing to say."""
    adopted = {claim.cluster_id for claim in evidence.foreign if claim.cluster_id is not None}
    cluster_id = adopted.pop() if adopted else evidence.own_id
    has_begun = begun(evidence)
    lost = evidence.missing if has_begun or evidence.recorded else ()
    named = () if evidence.static else range(evidence.replicas)
    directories = {node: _directory(evidence, node) for node in named}
    initial = {node for node in named if node not in lost and _is_initial(evidence, node)}
    return Quorum(
        cluster_id=cluster_id,
        begun=has_begun,
        directories=directories,
        initial=frozenset(initial),
        create=evidence.missing if not lost or evidence.quorum_works else (),
    )


def trouble(evidence: Evidence) -> Phase | None:
    """What forbids touching the controllers, or None."""
    return _strangers(evidence) or _lost(evidence)


def waiting(evidence: Evidence) -> Phase | None:
    """A lost volume that cannot be replaced yet, because the others are not seen to be a quorum."""
    made = plan(evidence)
    if not evidence.missing or made.create:
        return None
    how = "to read the metadata from the others" if evidence.static else "to join as a new voter"
    return progressing(
        "VolumeLost",
        f"{_names(evidence, evidence.missing)} is gone; a new one is made, {how}, as soon as the "
        "other controllers are seen to have a leader (which needs a broker that answers)",
    )


def _directory(evidence: Evidence, node: int) -> str:
    claim = evidence.claims.get(node)
    return (claim.directory_id if claim else None) or directory_id(evidence.uid, node)


def _is_initial(evidence: Evidence, node: int) -> bool:
    claim = evidence.claims.get(node)
    return claim is None or claim.directory_id is not None


def _strangers(evidence: Evidence) -> Phase | None:
    found = evidence.foreign
    if not found:
        return None
    names = _names(evidence, [claim.node_id for claim in found])
    unknown = [claim.node_id for claim in found if claim.cluster_id is None]
    if unknown:
        return stalled(
            "VolumesUnknown",
            f"{_names(evidence, unknown)} does not say whose data it holds; annotate it with {CLUSTER_ID}=<cluster.id "
            "of its meta.properties>, or delete it to begin empty",
        )
    ids = ", ".join(sorted({str(claim.cluster_id) for claim in evidence.claims.values()}))
    if not evidence.adopt:
        return stalled(
            "VolumesFound",
            f"{names} holds data of Kafka cluster {ids}; annotate this MemoryCluster "
            f"with {ADOPT_VOLUMES}=true to take it over, or delete these volume claims to begin empty",
        )
    if "," in ids:
        return stalled(
            "VolumesDisagree",
            f"the volume claims of {evidence.name} belong to different Kafka clusters ({ids}); "
            "keep those of one and delete the others",
        )
    if evidence.missing and not begun(evidence):
        return stalled(
            "VolumesIncomplete",
            f"{names} may be taken over, but {_names(evidence, evidence.missing)} is missing and nothing tells whether "
            f"the old quorum had begun; restore it, or delete all volume claims of {evidence.name} to begin empty",
        )
    return None


def _lost(evidence: Evidence) -> Phase | None:
    if not evidence.missing:
        return None
    if begun(evidence):
        left = len(evidence.claims)
    elif evidence.recorded:
        left = sum(evidence.static or claim.directory_id is not None for claim in evidence.claims.values())
    else:
        return None
    if left >= evidence.majority:
        return None
    return stalled(
        "VolumeLost",
        f"{_names(evidence, evidence.missing)} is gone, and with it the majority of the controllers' metadata; no "
        f"controller is formatted anew, since that would forget every topic. Restore it from a snapshot under its old "
        f"name with the annotation {CLUSTER_ID}={evidence.own_id}, or delete this MemoryCluster, its pools and all "
        f"their volume claims to begin empty",
    )


def _names(evidence: Evidence, nodes: tuple[int, ...] | list[int]) -> str:
    noun = "volume claim" if len(nodes) == 1 else "volume claims"
    return f"{noun} {', '.join(f'{evidence.name}-{node}' for node in sorted(nodes))}"
