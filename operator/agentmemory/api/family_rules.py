"""What a TopicFamily cannot say about itself, in CEL and in Python.

`has(self.retention)` is never asked: the field has a default, so it is always there.
"""

from typing import TYPE_CHECKING

from agentmemory.api.rules import Rule

if TYPE_CHECKING:
    from agentmemory.api.topicfamily import TopicFamilySpec


def _retention_given(spec: "TopicFamilySpec") -> bool:
    bounded = spec.retention.time is not None or spec.retention.bytes is not None
    return bounded or all(topic.compaction == "KeepLatest" for topic in spec.topics)


def _expiry_expires(spec: "TopicFamilySpec") -> bool:
    if spec.erasure is None or spec.erasure.method != "Expiry":
        return True
    return spec.retention.time is not None and all(topic.compaction != "KeepLatest" for topic in spec.topics)


def _expiry_in_time(spec: "TopicFamilySpec") -> bool:
    if spec.erasure is None or spec.erasure.method != "Expiry" or spec.retention.time is None:
        return True
    return spec.retention.time <= spec.erasure.max_delay


def _tombstones_compact(spec: "TopicFamilySpec") -> bool:
    if spec.erasure is None or spec.erasure.method != "Tombstone":
        return True
    return all(topic.compaction != "None" for topic in spec.topics)


RETENTION_RULES = (
    Rule(
        "!has(self.hot) || !has(self.time) || duration(self.hot) <= duration(self.time)",
        "hot is longer than time, and nothing stays on a volume when it is kept nowhere; shorten hot, or remove it",
        lambda retention: retention.hot is None or retention.time is None or retention.hot <= retention.time,
        ".hot",
    ),
)

TOPIC_RULES = (
    Rule(
        "self.compaction == 'None' || self.key != 'none'",
        "compaction keeps the latest record of each key, so key cannot be none; name a key or take compaction None",
        lambda topic: topic.compaction == "None" or topic.key != "none",
        ".key",
    ),
)

THROUGHPUT_RULES = (
    Rule(
        "!has(self.peak) || quantity(string(self.peak)).compareTo(quantity(string(self.expected))) >= 0",
        "peak cannot be less than expected; raise it or remove it",
        lambda throughput: throughput.peak is None or throughput.peak >= throughput.expected,
        ".peak",
    ),
)

FAMILY_RULES = (
    Rule(
        "has(self.retention.time) || has(self.retention.bytes) || self.topics.all(t, t.compaction == 'KeepLatest')",
        "retention needs time or bytes, or else records are kept for good; set one, "
        "or compaction KeepLatest on every topic",
        _retention_given,
        ".retention",
    ),
    Rule(
        "!has(self.erasure) || self.erasure.method != 'Expiry' || "
        "(has(self.retention.time) && self.topics.all(t, t.compaction != 'KeepLatest'))",
        "erasure by Expiry needs retention.time and no topic with compaction KeepLatest, or else records never expire; "
        "set retention.time, or take another method",
        _expiry_expires,
        ".erasure",
    ),
    Rule(
        "!has(self.erasure) || self.erasure.method != 'Expiry' || !has(self.retention.time) || "
        "duration(self.retention.time) <= duration(self.erasure.maxDelay)",
        "retention.time is longer than erasure.maxDelay, so records outlive the promise; "
        "shorten the first or lengthen the second",
        _expiry_in_time,
        ".erasure.maxDelay",
    ),
    Rule(
        "!has(self.erasure) || self.erasure.method != 'Tombstone' || self.topics.all(t, t.compaction != 'None')",
        "erasure by Tombstone works through compaction; set compaction on every topic, or take another method",
        _tombstones_compact,
        ".erasure.method",
    ),
)
