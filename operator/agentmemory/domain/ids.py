"""Kafka's UUIDs: 128 bits as 22 characters of URL-safe base64 without padding (Kafka, Uuid.java)."""

import base64
import uuid

# A random but fixed namespace (RFC 9562, version 5): ids come from uids, so a restart derives the same ones.
_NAMESPACE = uuid.UUID("6f0a3d1e-2b0c-5a8f-9d57-0c1f4f1f7b2e")


def kafka_uuid(value: uuid.UUID) -> str:
    """The form Kafka prints and reads. Never begins with `-`, which Kafka's own tools would read as an option.

    Kafka draws again in that case (Uuid.randomUuid); we clear the top bit instead, since `-` is 62 of 64 and a
    derived id must stay the same: other ids keep all their bits.
    """
    raw = value.bytes
    text = base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
    if not text.startswith("-"):
        return text
    return base64.urlsafe_b64encode(bytes([raw[0] & 0x7F]) + raw[1:]).rstrip(b"=").decode("ascii")


def cluster_id_from_uid(uid: str) -> str:
    """The Kafka cluster id of the MemoryCluster with this `metadata.uid`."""
    return kafka_uuid(uuid.uuid5(_NAMESPACE, f"cluster/{uid}"))


def directory_id(uid: str, node_id: int) -> str:
    """The id of the metadata log directory (KIP-853) of one controller of the MemoryCluster with this uid."""
    return kafka_uuid(uuid.uuid5(_NAMESPACE, f"directory/{uid}/{node_id}"))
