"""What evidence says of a place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.domain import regions
from agentmemory.domain.regions import Evidence, Place

EU, US = "eu-central-1", "us-east-1"
FOUND = Evidence("GetBucketLocation", EU)
SAID = Evidence("spec.region", EU, proves=False)
KEY = Evidence("a key of us-east-1", contradicts=True)

CASES: dict[str, tuple[tuple[Evidence, ...], str | None, regions.State, str]] = {
    "nothing": ((), None, "Declared", "nothing tells"),
    "found": ((FOUND,), EU, "Verified", "GetBucketLocation"),
    "said": ((SAID,), EU, "Declared", "spec.region; nothing tells"),
    "said and found": ((SAID, FOUND), EU, "Verified", "GetBucketLocation"),
    "found elsewhere": ((Evidence("GetBucketLocation", US), SAID), US, "Violated", "GetBucketLocation"),
    "said elsewhere": ((FOUND, Evidence("spec.region", US, proves=False)), US, "Violated", "spec.region"),
    "a foreign key": ((FOUND, KEY), None, "Violated", "a key of us-east-1"),
    "the first contradiction": ((Evidence("one", US), Evidence("two", "ap-south-1")), US, "Violated", "one"),
    "no region, no contradiction": ((Evidence("looked at"),), None, "Declared", "nothing tells"),
    "in capitals": ((Evidence("label", "EU-Central-1"),), "EU-Central-1", "Verified", "label"),
    "an alias": ((Evidence("label", "eu"),), "eu", "Violated", "label"),
}


@pytest.mark.parametrize("case", CASES)
def test_judged(case: str) -> None:
    evidence, region, state, by = CASES[case]
    assert regions.judge("Bucket/data", EU, evidence, "nothing tells") == Place("Bucket/data", region, state, by)


NAMES = st.sampled_from([EU, US, "eu-west-1", "eu", "EU-CENTRAL-1"])
PIECES = st.lists(
    st.builds(
        Evidence, st.text(max_size=3), st.none() | NAMES, proves=st.booleans(), contradicts=st.sampled_from([False] * 4)
    ),
    max_size=6,
)


@given(PIECES, NAMES)
def test_a_contradiction_outweighs_all_else_wherever_it_stands(pieces: list[Evidence], declared: str) -> None:
    before = regions.judge("x", declared, pieces, "")
    elsewhere = Evidence("elsewhere", "ap-south-1", proves=False)
    for place in range(len(pieces) + 1):
        after = regions.judge("x", declared, [*pieces[:place], elsewhere, *pieces[place:]], "")
        assert after.state == "Violated"
    if before.state == "Verified":
        proofs = [piece for piece in pieces if piece.proves and piece.region is not None]
        assert proofs
        assert all(piece.region is None or regions.same(piece.region, declared) for piece in pieces)


@given(PIECES, NAMES, NAMES)
def test_no_place_is_verified_for_two_regions(pieces: list[Evidence], one: str, other: str) -> None:
    states = {regions.judge("x", name, pieces, "").state for name in (one, other)}
    assert regions.same(one, other) or states != {"Verified"}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (US, "its Bucket/data rests in us-east-1 (why)"),
        (EU, "its Bucket/data is not as declared (why)"),
        (None, "its Bucket/data is not as declared (why)"),
    ],
)
def test_the_last_link_of_a_chain(found: str | None, words: str) -> None:
    assert regions.says("Bucket/data", found, "why", EU) == words


def test_regions_in_a_sentence() -> None:
    assert regions.listed([EU, US]) == "eu-central-1, us-east-1"
    assert regions.listed([]) == "no region"
