"""What really came into being and went: a create whose answer was lost counts once, one that was refused not at all."""

from collections import Counter
from typing import Any

from agentmemory.core.key import Key
from tests.fakekafka import FakeKafka
from tests.fakes3 import FakeS3

NODE = "node "
UNCOUNTED = frozenset({"Event", "Lease"})


class Effects:
    """Counts by (what happened, to what)."""

    def __init__(self, kafka: FakeKafka | None = None, s3: FakeS3 | None = None) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._known = things(kafka) if kafka is not None else frozenset[str]()
        self._ids = ids(kafka) if kafka is not None else {}
        self._moved = len(kafka.moved) if kafka is not None else 0
        self._buckets = frozenset(s3.buckets) if s3 is not None else frozenset[str]()

    def kube(self, type_: str, key: Key) -> None:
        """An event of the log."""
        if type_ in ("ADDED", "DELETED") and key.kind not in UNCOUNTED:
            self.counts["created" if type_ == "ADDED" else "deleted", "/".join(key)] += 1

    def s3(self, s3: FakeS3) -> None:
        """After each write: which buckets came and went."""
        now = frozenset(s3.buckets)
        for name in now - self._buckets:
            self.counts["created", f"bucket {name}"] += 1
        for name in self._buckets - now:
            self.counts["deleted", f"bucket {name}"] += 1
        self._buckets = now

    def kafka(self, kafka: FakeKafka) -> bool:
        """After each write: what is there now that was not, and the other way round. Whether there is any."""
        now, now_ids = things(kafka), ids(kafka)
        for thing in now - self._known:
            if not thing.startswith(NODE):  # a broker registers by itself
                self.counts["created", thing] += 1
        for thing in self._known - now:
            self.counts["deleted", thing] += 1
        for name in now_ids.keys() & self._ids.keys():
            if now_ids[name] != self._ids[name]:
                self.counts["replaced", f"topic {name}"] += 1
        for ref in kafka.moved[self._moved :]:
            self.counts["moved", f"partition {ref.topic}-{ref.partition}"] += 1
        self._moved = len(kafka.moved)
        changed = (self._known, self._ids) != (now, now_ids)
        self._known, self._ids = now, now_ids
        return changed


def things(kafka: FakeKafka) -> frozenset[str]:
    """Everything in Kafka that can be created and deleted."""
    users = {f"user {user} {mechanism}" for user, entries in kafka.scram.items() for mechanism in entries}
    nodes = {f"{NODE}{node}" for node in kafka.known_nodes} | {f"exclusion of {node}" for node in kafka.excluded}
    return frozenset({f"topic {name}" for name in kafka.topics} | {f"acl {acl}" for acl in kafka.acls} | users | nodes)


def ids(kafka: FakeKafka) -> dict[str, Any]:
    """Topic ids by name."""
    return {name: topic.topic_id for name, topic in kafka.topics.items()}
