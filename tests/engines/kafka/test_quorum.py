"""Identities and volumes: a table, and one rule over all histories of losses."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.domain.ids import cluster_id_from_uid, directory_id
from agentmemory.engines.kafka.quorum import Claim, Evidence, begun, majority, plan, trouble, waiting

UID = "uid-of-mem"
OWN = cluster_id_from_uid(UID)


def claim(node_id: int, cluster_id: str | None = OWN, *, initial: bool = True, begun: bool = False) -> Claim:
    return Claim(node_id, cluster_id, f"directory-{node_id}" if initial else None, begun)


def claims(*found: Claim) -> dict[int, Claim]:
    return {one.node_id: one for one in found}


ALL = claims(claim(0), claim(1), claim(2))
NEW = Evidence(
    name="mem",
    uid=UID,
    replicas=3,
    claims={},
    adopt=False,
    known_id=None,
    recorded=False,
    bootstrapped=False,
    formatted=frozenset(),
    quorum_works=False,
)
STARTING = replace(NEW, claims=ALL, known_id=OWN, recorded=True)
BEGUN = replace(STARTING, bootstrapped=True, formatted=frozenset({0, 1, 2}))


def of(evidence: Evidence, **changes: Any) -> Evidence:
    return replace(evidence, **changes)


def test_a_new_cluster() -> None:
    made = plan(NEW)
    assert trouble(NEW) is None
    assert made.cluster_id == OWN
    assert made.create == (0, 1, 2)
    assert made.directories == {node: directory_id(UID, node) for node in range(3)}
    assert {made.mode(node) for node in range(3)} == {"bootstrap"}


def test_claims_are_made_up_before_the_quorum_is_recorded() -> None:
    """The operator died between two claims: the missing one is new, not lost."""
    made = plan(of(NEW, claims=claims(claim(0))))
    assert made.create == (1, 2)
    assert made.mode(1) == "bootstrap"
    assert made.directories[0] == "directory-0"


@pytest.mark.parametrize(
    ("evidence", "has"),
    [
        (NEW, False),
        (of(STARTING, formatted=frozenset({0})), False),
        (of(STARTING, formatted=frozenset({0, 2})), True),
        (of(NEW, formatted=frozenset({0, 1, 2})), False),  # pods of an earlier life
        (of(STARTING, bootstrapped=True), True),
        (of(STARTING, claims=claims(claim(0, begun=True))), True),
    ],
)
def test_when_the_quorum_has_begun(evidence: Evidence, has: bool) -> None:
    assert begun(evidence) is has
    assert plan(evidence).mode(0) == ("join" if has else "bootstrap")


@pytest.mark.parametrize(("replicas", "least"), [(1, 1), (3, 2)])
def test_majority(replicas: int, least: int) -> None:
    assert majority(replicas) == least


def test_a_lost_volume_is_replaced_once_the_others_are_a_quorum() -> None:
    lost = of(BEGUN, claims=claims(claim(0), claim(2)))
    assert trouble(lost) is None
    assert plan(lost).create == ()
    found = waiting(lost)
    assert found is not None
    assert "mem-1" in found.message
    seen = of(lost, quorum_works=True)
    assert plan(seen).create == (1,)
    assert plan(seen).initial == {0, 2}
    assert plan(seen).mode(1) == "join"
    assert waiting(seen) is None
    assert waiting(BEGUN) is None


def test_a_volume_lost_before_the_quorum_began() -> None:
    lost = of(STARTING, claims=claims(claim(0), claim(1)))
    assert trouble(lost) is None
    assert plan(lost).mode(0) == "bootstrap"
    assert plan(lost).mode(2) == "join"
    assert plan(of(lost, quorum_works=True)).create == (2,)
    replaced = of(STARTING, claims=claims(claim(0), claim(1), claim(2, initial=False)))
    assert plan(replaced).mode(2) == "join"


def plain(*nodes: int, begun: bool = False) -> dict[int, Claim]:
    return claims(*(claim(node, initial=False, begun=begun) for node in nodes))


STATIC = of(NEW, static=True)


def test_a_static_quorum_has_no_directories_and_no_way_to_format() -> None:
    made = plan(STATIC)
    assert made.create == (0, 1, 2)
    assert made.directories == {}
    assert made.initial == frozenset()
    assert {made.mode(node) for node in range(3)} == {"join"}


def test_an_emptied_controller_of_a_static_quorum_comes_back_once_the_others_work() -> None:
    lost = of(STATIC, recorded=True, bootstrapped=True, claims=plain(0, 2, begun=True))
    assert trouble(lost) is None
    assert plan(lost).create == ()
    found = waiting(lost)
    assert found is not None
    assert "to read the metadata from the others" in found.message
    assert plan(of(lost, quorum_works=True)).create == (1,)


@pytest.mark.parametrize(
    "lost",
    [
        of(STATIC, recorded=True, bootstrapped=True, claims=plain(2, begun=True)),
        of(STATIC, recorded=True, claims=plain(2)),
        of(STATIC, replicas=1, recorded=True, bootstrapped=True),
        of(STATIC, replicas=1, recorded=True),
    ],
)
def test_a_static_quorum_without_its_majority_is_not_formatted_anew(lost: Evidence) -> None:
    found = trouble(lost)
    assert found is not None
    assert (found.kind, found.reason) == ("Stalled", "VolumeLost")


def test_a_volume_lost_before_a_static_quorum_began() -> None:
    lost = of(STATIC, recorded=True, claims=plain(0, 1))
    assert trouble(lost) is None
    assert plan(lost).create == ()


TROUBLE = {
    "a stranger's volume": (of(NEW, claims=claims(claim(1, "other"))), "VolumesFound", "volume claim mem-1 holds"),
    "strangers' volumes": (
        of(NEW, claims=claims(claim(0, "other"), claim(1, "other"))),
        "VolumesFound",
        "volume claims mem-0, mem-1",
    ),
    "nobody's volume": (of(NEW, claims=claims(claim(0, None))), "VolumesUnknown", "agentmemory.dev/cluster-id"),
    "volumes of two clusters": (
        of(NEW, adopt=True, claims=claims(claim(0, "a"), claim(1, "b"), claim(2, "a"))),
        "VolumesDisagree",
        "(a, b)",
    ),
    "ours and a stranger's": (
        of(BEGUN, adopt=True, claims=claims(claim(0), claim(1), claim(2, "b"))),
        "VolumesDisagree",
        "b",
    ),
    "adopted, one missing, nobody knows whether it had begun": (
        of(NEW, adopt=True, claims=claims(claim(0, "a"), claim(1, "a"))),
        "VolumesIncomplete",
        "mem-2 is missing",
    ),
    "two of three lost": (of(BEGUN, claims=claims(claim(0))), "VolumeLost", "mem-1, mem-2"),
    "all lost": (of(BEGUN, claims={}), "VolumeLost", "mem-0, mem-1, mem-2"),
    "the lone one lost": (of(BEGUN, replicas=1, claims={}), "VolumeLost", "mem-0"),
    "two lost before it began": (of(STARTING, claims=claims(claim(0))), "VolumeLost", "mem-1, mem-2"),
    "one lost and one replaced before it began": (
        of(STARTING, claims=claims(claim(0), claim(1, initial=False))),
        "VolumeLost",
        "mem-2",
    ),
}


@pytest.mark.parametrize("case", TROUBLE)
def test_trouble(case: str) -> None:
    evidence, reason, words = TROUBLE[case]
    found = trouble(evidence)
    assert found is not None
    assert found.kind == "Stalled"
    assert found.reason == reason
    assert words in found.message


def test_adoption_takes_the_old_identity() -> None:
    old = claims(*(claim(node, "old", begun=True) for node in range(3)))
    evidence = of(NEW, adopt=True, claims=old)
    assert trouble(evidence) is None
    made = plan(evidence)
    assert made.cluster_id == "old"
    assert made.create == ()
    assert made.begun
    known = of(evidence, adopt=False, known_id="old")
    assert trouble(known) is None
    assert plan(known).cluster_id == "old"


def test_adoption_of_a_cluster_that_lost_one() -> None:
    evidence = of(NEW, adopt=True, claims=claims(claim(0, "old", begun=True), claim(1, "old", begun=True)))
    assert trouble(evidence) is None
    assert plan(evidence).create == ()
    assert plan(of(evidence, quorum_works=True)).create == (2,)


@given(
    st.sets(st.integers(0, 2)),
    st.sets(st.integers(0, 2)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sets(st.integers(0, 2)),
)
def test_after_the_record_no_new_volume_is_ever_an_initial_voter(
    present: set[int], joiners: set[int], bootstrapped: bool, works: bool, marked: bool, formatted: set[int]
) -> None:
    evidence = of(
        STARTING,
        claims=claims(*(claim(node, initial=node not in joiners, begun=marked) for node in present)),
        bootstrapped=bootstrapped,
        quorum_works=works,
        formatted=frozenset(formatted),
    )
    made = plan(evidence)
    for node in range(3):
        if node not in present:
            assert made.mode(node) == "join"
        if node in joiners & present:
            assert made.mode(node) == "join"
        if made.begun:
            assert made.mode(node) == "join"
    if made.create:
        assert works
