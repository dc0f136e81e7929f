"""Names: no two objects share one, and what cannot be a name is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.domain import names

LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
TENANTS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?", fullmatch=True)
# Few letters and short parts, so that different parts are likely to make equal text if they ever can.
CLOSE = st.from_regex(r"[ab]([-ab]{0,2}[ab])?", fullmatch=True)
PARTS = st.tuples(CLOSE, CLOSE, CLOSE, CLOSE)


@given(PARTS, PARTS)
def test_different_parts_never_make_one_topic_name(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    assert (names.topic_name(*first) == names.topic_name(*second)) == (first == second)


@given(st.tuples(CLOSE, CLOSE, CLOSE), st.tuples(CLOSE, CLOSE, CLOSE))
def test_different_clients_never_share_a_principal_or_a_prefix(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    assert (names.principal(*first) == names.principal(*second)) == (first == second)
    covers = names.group_prefix(*first).startswith(names.group_prefix(*second))
    assert covers == (first == second)


@given(PARTS, st.tuples(CLOSE, CLOSE, CLOSE))
def test_a_family_prefix_covers_its_own_topics_only(topic: tuple[str, ...], family: tuple[str, ...]) -> None:
    assert names.topic_name(*topic).startswith(names.family_prefix(*family)) == (topic[:3] == family)


@given(TENANTS, LABELS, LABELS, LABELS)
def test_a_topic_name_is_legal_in_kafka_and_splits_into_its_parts(
    tenant: str, segment: str, family: str, topic: str
) -> None:
    made = names.topic_name(tenant, segment, family, topic)
    assert len(made) <= names.TOPIC_LENGTH
    assert re.fullmatch(r"[a-zA-Z0-9.-]+", made)
    assert names.split_topic_name(made) == (tenant, segment, family, topic)


@given(st.text(max_size=70))
def test_is_dns_label_agrees_with_the_rfc(text: str) -> None:
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    expected = 0 < len(text) <= 63 and set(text) <= allowed and not text.startswith("-") and not text.endswith("-")
    assert names.is_dns_label(text) == expected


def test_the_longest_parts_fit() -> None:
    made = names.topic_name("t" * 30, "s" * 63, "f" * 63, "e" * 63)
    assert len(made) == 222


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (("Upper", "s", "f", "t"), "tenant 'Upper'"),
        (("t" * 31, "s", "f", "t"), "at most 30"),
        (("a", "b.c", "f", "t"), "segment 'b.c'"),
        (("a", "b", "", "t"), "family ''"),
        (("a", "b", "f", "t\n"), "topic 't\\n'"),
        (("a", "b", "f", "t_"), "topic 't_'"),
    ],
)
def test_what_is_no_label_is_refused(parts: tuple[str, str, str, str], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        names.topic_name(*parts)


def test_a_client_that_is_no_label_is_refused_by_its_part() -> None:
    with pytest.raises(ValueError, match=r"client 'b\.c' must be a DNS label"):
        names.principal("support", "agents", "b.c")


@pytest.mark.parametrize("name", ["a.b.c", "a.b.c.d.e", "__consumer_offsets", "a.b..d", "A.b.c.d"])
def test_foreign_topic_names_are_not_split(name: str) -> None:
    with pytest.raises(ValueError, match=r"<topic>|DNS label"):
        names.split_topic_name(name)


def test_prefixes_end_with_a_dot_and_node_names_with_the_id() -> None:
    assert names.family_prefix("support", "agents", "trail") == "support.agents.trail."
    assert names.group_prefix("support", "agents", "bot") == "support.agents.bot."
    assert names.transactional_id_prefix("support", "agents", "bot") == "support.agents.bot."
    assert names.node_name("agents", 1000) == "agents-1000"
    assert names.node_name("agents", 0) == "agents-0"


@pytest.mark.parametrize("cluster", ["9lives", "c" * 41, "a.b", ""])
def test_a_cluster_name_that_cannot_name_a_service_is_refused(cluster: str) -> None:
    with pytest.raises(ValueError, match="begins with a letter"):
        names.node_name(cluster, 0)


def test_a_negative_node_id_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        names.node_name("agents", -1)
