"""Kafka's ids: 22 characters that mean the same 128 bits, the same after every restart."""

import base64
import uuid

from hypothesis import example, given
from hypothesis import strategies as st

from agentmemory.domain import ids

BEGINS_WITH_HYPHEN = uuid.UUID(bytes=bytes([0b11111000]) + bytes(15))


@given(st.uuids())
@example(BEGINS_WITH_HYPHEN)
@example(uuid.UUID(int=2**128 - 1))
def test_an_id_is_22_url_safe_characters_and_never_begins_with_a_hyphen(value: uuid.UUID) -> None:
    text = ids.kafka_uuid(value)
    assert len(text) == 22
    assert not text.startswith("-")
    decoded = uuid.UUID(bytes=base64.urlsafe_b64decode(text + "=="))
    assert decoded == value or base64.urlsafe_b64encode(value.bytes).startswith(b"-")


def test_only_an_id_that_would_begin_with_a_hyphen_loses_its_top_bit() -> None:
    text = ids.kafka_uuid(BEGINS_WITH_HYPHEN)
    decoded = base64.urlsafe_b64decode(text + "==")
    assert decoded[0] == 0b01111000
    assert decoded[1:] == BEGINS_WITH_HYPHEN.bytes[1:]


@given(st.uuids(), st.integers(min_value=0, max_value=2**31 - 1), st.integers(min_value=0, max_value=2**31 - 1))
def test_derived_ids_differ_by_node_and_stay(uid: uuid.UUID, first: int, second: int) -> None:
    assert (ids.directory_id(str(uid), first) == ids.directory_id(str(uid), second)) == (first == second)
    assert ids.cluster_id_from_uid(str(uid)) != ids.directory_id(str(uid), first)


def test_derived_ids_are_pinned_since_stored_clusters_depend_on_them() -> None:
    uid = "794e1c8f-a661-4fe0-a77c-36a25534c17f"
    assert ids.cluster_id_from_uid(uid) == "lYppM3mOV-irZVKBw6jAIA"
    assert ids.directory_id(uid, 0) == "6YPbL8mBVaC3IM66hdAMtg"
