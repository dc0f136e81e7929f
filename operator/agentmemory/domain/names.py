"""Names that other systems see, all of them pure functions of Kubernetes names.

Every part is a DNS label without dots (RFC 1123), and parts are joined by dots. So a joined name can be split in one
way only: no two objects can claim one topic, principal, group or transactional id
(docs/adr/0001-names-and-ownership.md).

Kafka allows `[a-zA-Z0-9._-]` and at most 249 characters in a topic's name (Kafka, Topic.java), and warns of names that
differ only in `.` and `_`: an underscore never occurs here.
"""

import re
from typing import NamedTuple

LABEL_LENGTH = 63
TENANT_LENGTH = 30
CLUSTER_LENGTH = 40
TOPIC_LENGTH = 249
FIRST_BROKER_ID = 1000

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class TopicParts(NamedTuple):
    """The four parts of a topic's name."""

    tenant: str
    segment: str
    family: str
    topic: str


def is_dns_label(text: str, length: int = LABEL_LENGTH) -> bool:
    """Whether `text` is an RFC 1123 label: lower case, digits and inner hyphens, at most `length` characters."""
    return len(text) <= length and _LABEL.fullmatch(text) is not None


def topic_name(tenant: str, segment: str, family: str, topic: str) -> str:
    """`<tenant>.<segment>.<family>.<topic>`. Raises ValueError when a part is no DNS label or is too long."""
    return family_prefix(tenant, segment, family) + _label("topic", topic)


def split_topic_name(name: str) -> TopicParts:
    """The inverse of `topic_name`. Raises ValueError for a name that `topic_name` cannot have made."""
    parts = name.split(".")
    if len(parts) != len(TopicParts._fields):
        raise ValueError(f"{name!r} is not <tenant>.<segment>.<family>.<topic>")
    found = TopicParts(*parts)
    topic_name(*found)
    return found


def family_prefix(tenant: str, segment: str, family: str) -> str:
    """The prefix of a family's topics, for prefixed ACLs; its last dot keeps `tool` from covering `tool-calls`."""
    return f"{_owner(tenant, segment)}.{_label('family', family)}."


def principal(tenant: str, segment: str, client: str) -> str:
    """`<tenant>.<segment>.<client>`: the SCRAM user of one MemoryClient, without Kafka's `User:`."""
    return f"{_owner(tenant, segment)}.{_label('client', client)}"


def group_prefix(tenant: str, segment: str, client: str) -> str:
    """What every consumer group of a client begins with."""
    return principal(tenant, segment, client) + "."


def transactional_id_prefix(tenant: str, segment: str, client: str) -> str:
    """What every transactional id of a client begins with."""
    return principal(tenant, segment, client) + "."


def node_name(cluster: str, node_id: int) -> str:
    """`<cluster>-<id>`: the name of a node's pod, Service and volume claim; making the pod is the lock on the id."""
    if not is_dns_label(cluster, CLUSTER_LENGTH) or cluster[0].isdigit():
        raise ValueError(
            f"cluster name {cluster!r} must be a DNS label of at most {CLUSTER_LENGTH} characters "
            "that begins with a letter"
        )
    if node_id < 0:
        raise ValueError(f"node id {node_id} must not be negative")
    return f"{cluster}-{node_id}"


def _owner(tenant: str, segment: str) -> str:
    return f"{_label('tenant', tenant, TENANT_LENGTH)}.{_label('segment', segment)}"


def _label(part: str, text: str, length: int = LABEL_LENGTH) -> str:
    if not is_dns_label(text, length):
        raise ValueError(
            f"{part} {text!r} must be a DNS label without dots "
            f"(a-z, 0-9 and inner hyphens) of at most {length} characters"
        )
    return text
