"""Writes and reads records as one application while a broker goes: what its users would notice.

A record of the drill is an event of the family like any other and stays for as long as its retention says: so this is
done only with a MemoryClient that a person names.
"""

import json
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from agentmemory.core.errors import Transient
from agentmemory.kafka.credentials import Credentials
from agentmemory.kafka.tls import client_context

TICK = 0.1
"""Seconds between two records to one partition."""
AT_MOST = 8
"""Partitions that are written to."""
ANSWER_MS = 5_000
"""After so long without an answer a request is sent again: a client that waits longer (30 s by default) notices the
loss of a machine later than what is measured here."""


@dataclass
class Record:
    """One record; times by `time.monotonic`."""

    number: int
    partition: int
    sent: float
    acknowledged: float | None = None


@dataclass(frozen=True)
class Measured:
    """What one application saw."""

    topic: str
    partitions: int
    """How many were written to."""
    affected: int
    """How many of these the lost broker led."""
    acknowledged_before: int
    """Records acknowledged before the pod was deleted."""
    acknowledged: int
    lost: int
    """Acknowledged, and not to be read back."""
    unacknowledged: int
    """Sent and never answered: they may or may not be there, which is no loss."""
    first_after: float | None
    """Seconds from the deletion to the first acknowledgement of a record that was sent after it, to a partition that
    the lost broker led; None when it led none of those or none was acknowledged."""
    all_after: float | None
    """Seconds until each of these partitions had taken one."""
    longest_pause: float | None
    """Seconds, the longest between two acknowledgements of one partition, from the last before the deletion on."""
    pause_over: float | None
    """Seconds from the deletion to the end of that pause: a broker that is told to end may acknowledge for a moment."""

    @property
    def fine(self) -> bool:
        """Nothing is lost, and every affected partition takes records again."""
        return not self.lost and (not self.affected or self.all_after is not None)


class Probe:
    """A producer in a thread of its own. `start`, `stop`, then `measure`; all of them block."""

    def __init__(self, credentials: Credentials, topic: str, event_type: str, patience: float) -> None:
        """`patience`: seconds after which a record counts as never acknowledged."""
        self.topic = topic
        self.run = uuid.uuid4().hex[:12]
        self.records: list[Record] = []
        self._common = _configs(credentials)
        self._event_type = event_type
        self._patience = patience
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._producer: Any = None
        self._partitions: list[int] = []
        self._begin: dict[int, int] = {}
        self._failure = ""

    def start(self, led: Iterable[int], limit: float) -> None:
        """Returns once each partition has taken a record. `led`: partitions of the topic that the victim leads.

        Raises Transient when that does not happen within `limit` seconds.
        """
        deadline = time.monotonic() + limit
        try:
            self._open(set(led))
        except KafkaError as error:
            raise Transient("ProbeFailed", f"topic {self.topic} cannot be written to: {_words(error)}") from error
        self._thread = threading.Thread(target=self._work, name="drill-probe", daemon=True)
        self._thread.start()
        while self._partitions and not self._all_acknowledged():
            if time.monotonic() > deadline or self._failure:
                self.stop()
                words = self._failure or f"no answer within {limit:.0f} s"
                raise Transient("ProbeFailed", f"topic {self.topic} does not take records: {words}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Sends no more, and waits for what is under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)
        try:
            self._producer.close(timeout=10)
        except KafkaError as error:
            self._failure = _words(error)

    def acknowledged_since(self, moment: float) -> bool:
        """Whether every partition has taken a record that was sent after `moment`."""
        took = {record.partition for record in list(self.records) if record.acknowledged and record.sent >= moment}
        return took >= set(self._partitions)

    def measure(self, killed: float, led: Iterable[int], limit: float) -> Measured:
        """Reads everything back and does the sums. Raises Transient when the topic cannot be read."""
        try:
            found = self._read_back(limit)
        except KafkaError as error:
            raise Transient("ProbeFailed", f"topic {self.topic} cannot be read back: {_words(error)}") from error
        return summary(self.topic, self.records, found, killed, frozenset(led) & set(self._partitions))

    def _open(self, led: set[int]) -> None:
        self._producer = KafkaProducer(
            **self._common, acks="all", linger_ms=0, delivery_timeout_ms=int(self._patience * 1000), max_block_ms=10_000
        )
        existing = sorted(self._producer.partitions_for(self.topic))
        self._partitions = sorted(existing, key=lambda part: (part not in led, part))[:AT_MOST]
        consumer = KafkaConsumer(**self._common, group_id=None, enable_auto_commit=False)
        try:
            parts = [TopicPartition(self.topic, part) for part in self._partitions]
            self._begin = {part.partition: offset for part, offset in consumer.end_offsets(parts).items()}
        finally:
            consumer.close()

    def _work(self) -> None:
        while not self._stop.wait(TICK):
            for partition in self._partitions:
                self._send(partition)

    def _send(self, partition: int) -> None:
        record = Record(len(self.records), partition, time.monotonic())
        value = json.dumps({"drill": self.run, "number": record.number}).encode()
        try:
            future = self._producer.send(
                self.topic,
                key=f"drill-{self.run}".encode(),
                value=value,
                partition=partition,
                headers=_headers(self._event_type, f"drill-{self.run}-{record.number}"),
            )
        except KafkaError as error:
            self._failure = _words(error)
            return
        self.records.append(record)
        future.add_callback(self._took, record)
        future.add_errback(self._refused)

    def _took(self, record: Record, _: Any) -> None:
        record.acknowledged = time.monotonic()

    def _refused(self, error: Any) -> None:
        self._failure = _words(error)

    def _all_acknowledged(self) -> bool:
        return {record.partition for record in list(self.records) if record.acknowledged} >= set(self._partitions)

    def _read_back(self, limit: float) -> set[int]:
        """Numbers of this run's records that are in the topic."""
        consumer = KafkaConsumer(**self._common, group_id=None, enable_auto_commit=False)
        try:
            parts = [TopicPartition(self.topic, partition) for partition in self._partitions]
            consumer.assign(parts)
            ends = consumer.end_offsets(parts)
            for part in parts:
                consumer.seek(part, self._begin[part.partition])
            return self._drain(consumer, ends, time.monotonic() + limit)
        finally:
            consumer.close()

    def _drain(self, consumer: Any, ends: Mapping[Any, int], deadline: float) -> set[int]:
        found: set[int] = set()
        while any(consumer.position(part) < end for part, end in ends.items()):
            if time.monotonic() > deadline:
                raise Transient("ProbeFailed", f"topic {self.topic} was not read to its end in time")
            for batch in consumer.poll(timeout_ms=500).values():
                found.update(_numbers(batch, self.run))
        return found


def summary(
    topic: str, records: Sequence[Record], found: set[int], killed: float, affected: frozenset[int]
) -> Measured:
    """The sums. Pure."""
    took = [record for record in records if record.acknowledged is not None]
    first = {
        partition: min((record.acknowledged for record in took if _after(record, partition, killed)), default=None)  # type: ignore[type-var]
        for partition in affected
    }
    came = [moment for moment in first.values() if moment is not None]
    pause, over = max((_pause(took, partition, killed) for partition in affected), default=(None, killed))
    return Measured(
        topic=topic,
        partitions=len({record.partition for record in records}),
        affected=len(affected),
        acknowledged_before=sum(record.acknowledged <= killed for record in took if record.acknowledged is not None),
        acknowledged=len(took),
        lost=sum(record.number not in found for record in took),
        unacknowledged=len(records) - len(took),
        first_after=min(came) - killed if came else None,
        all_after=max(came) - killed if came and len(came) == len(affected) else None,
        longest_pause=pause,
        pause_over=None if pause is None else over - killed,
    )


def _after(record: Record, partition: int, killed: float) -> bool:
    return record.partition == partition and record.sent >= killed


def _pause(took: Sequence[Record], partition: int, killed: float) -> tuple[float, float]:
    """The longest, and the moment when it was over."""
    times = sorted(record.acknowledged for record in took if record.partition == partition and record.acknowledged)
    before = [moment for moment in times if moment <= killed][-1:]
    kept = before + [moment for moment in times if moment > killed]
    return max(((later - sooner, later) for sooner, later in pairwise(kept)), default=(0.0, killed))


def _numbers(batch: Iterable[Any], run: str) -> Iterable[int]:
    for message in batch:
        try:
            body = json.loads(message.value)
        except (TypeError, ValueError):
            continue  # somebody else's record
        if isinstance(body, dict) and body.get("drill") == run:
            yield body["number"]


def _configs(credentials: Credentials) -> dict[str, Any]:
    return {
        "bootstrap_servers": credentials.servers(),
        "client_id": "kubectl-memory-drill",
        "security_protocol": credentials.security_protocol,
        "ssl_context": client_context(credentials),
        "sasl_mechanism": credentials.mechanism,
        "sasl_plain_username": credentials.username,
        "sasl_plain_password": credentials.password,
        "request_timeout_ms": ANSWER_MS,
        "reconnect_backoff_max_ms": 1_000,
        "metrics_enabled": False,
    }


def _headers(event_type: str, identity: str) -> list[tuple[str, bytes]]:
    """CloudEvents, as the family's readers expect them."""
    values = {"specversion": "1.0", "type": event_type, "source": "kubectl-memory/drill", "id": identity}
    return [(f"ce_{name}", value.encode()) for name, value in values.items()]


def _words(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
