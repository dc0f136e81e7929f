"""Numbered records written while something breaks: what was acknowledged, when, and what is read back."""

from __future__ import annotations

import functools
import gc
import itertools
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

from e2e.kubectl import until

CONNECT_MS = 4000
# kafka-python 3.0 doubles the time for a connection's set-up at each refused one, up to 30 s and a fifth: one that is
# taken and not answered, by a broker killed in that moment, would be all that is measured. Java's clients double it
# at time-outs only (KIP-601).
RETRY: dict[str, Any] = {
    "reconnect_backoff_ms": 50,
    "reconnect_backoff_max_ms": 250,
    "kafka_client": functools.partial(
        KafkaNetClient,
        socket_connection_setup_timeout_ms=CONNECT_MS,
        socket_connection_setup_timeout_max_ms=CONNECT_MS,
    ),
}


@contextmanager
def lost_sockets_collected() -> Iterator[None]:
    """kafka-python leaves the sockets of broken connections to the garbage collector: here they end without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            yield
        finally:
            gc.collect()


def make_topic(address: str, topic: str, partitions: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=60_000)
    try:
        admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        admin.close()


def takes_nothing(address: str, topic: str, seconds: float = 3.0) -> bool:
    """Whether a record for the topic is not acknowledged within so long."""
    with lost_sockets_collected():
        producer = KafkaProducer(bootstrap_servers=address, max_block_ms=int(seconds * 1000), retries=0, **RETRY)
        try:
            producer.send(topic, b"in vain").get(timeout=seconds)
        except KafkaError:
            return True
        finally:
            producer.close(timeout=5)
        return False


@dataclass
class Writer:
    """Writes records `<run>-0`, `<run>-1`, ... until told to stop or `most` are sent; a thread of this process."""

    address: str
    topic: str
    run: str
    most: int
    rate: float = 0.0
    patience: float = 4.0  # seconds for one request: each that is given up may be asked again while it is still at work
    acknowledged: dict[int, float] = field(default_factory=dict)
    failed: dict[int, BaseException] = field(default_factory=dict)
    sent: int = 0
    began: float = 0.0
    _end: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """The writer at work; at the end all that was sent is acknowledged or failed."""
        thread = threading.Thread(target=self._write, name=f"writer-{self.run}", daemon=True)
        with lost_sockets_collected():
            thread.start()
            try:
                yield self
            except BaseException:
                self._end.set()
                raise
            finally:
                thread.join()

    def _write(self) -> None:
        producer = KafkaProducer(
            bootstrap_servers=self.address,
            acks="all",
            enable_idempotence=False,
            linger_ms=20,
            batch_size=256 * 1024,
            delivery_timeout_ms=120_000,
            retry_backoff_ms=50,
            request_timeout_ms=int(self.patience * 1000),
            **RETRY,
        )
        began = self.began = time.monotonic()
        for number in range(self.most):
            if self._end.is_set():
                break
            due = began + number / self.rate if self.rate else 0.0
            if self.rate and (early := due - time.monotonic()) > 0:
                time.sleep(early)
            future = producer.send(self.topic, key=str(number).encode(), value=f"{self.run}-{number}".encode())
            future.add_callback(self._taken, number)
            future.add_errback(self._refused, number)
            self.sent = number + 1
        producer.flush(timeout=150)
        producer.close(timeout=60)  # one that is not at its end leaves sockets behind

    def stop(self) -> None:
        """Send nothing more; what was sent still comes to its end."""
        self._end.set()

    def _taken(self, number: int, _: Any) -> None:
        self.acknowledged[number] = time.monotonic()

    def _refused(self, number: int, error: BaseException) -> None:
        self.failed[number] = error

    def reached(self, count: int, seconds: float = 120) -> None:
        until(
            lambda: len(self.acknowledged) >= count,
            seconds,
            lambda: f"{len(self.acknowledged)} of {count} records are acknowledged",
            every=0.05,
        )

    def first_after(self, moment: float, seconds: float = 60) -> float:
        """Seconds from a moment (monotonic) until the first acknowledgement after it."""
        until(lambda: self._after(moment) is not None, seconds, lambda: "nothing is acknowledged any more", every=0.02)
        return (self._after(moment) or moment) - moment

    def _after(self, moment: float) -> float | None:
        return min((at for at in list(self.acknowledged.values()) if at > moment), default=None)

    def silent(self, since: float, seconds: float) -> bool:
        """Whether nothing has been acknowledged for so long, after a moment."""
        last = max([since, self.began, *list(self.acknowledged.values())])
        return time.monotonic() - last > seconds

    def silences(self, since: float) -> float:
        """The longest time without an acknowledgement after a moment."""
        moments = [since, *sorted(at for at in list(self.acknowledged.values()) if at > since)]
        return max((later - earlier for earlier, later in itertools.pairwise(moments)), default=0.0)


def read_back(address: str, topic: str, run: str, expected: int, patience: float = 60) -> set[int]:
    """The numbers of the run's records, read from the topic's start until `expected` are there or no other comes."""
    with lost_sockets_collected():
        return _read(address, topic, run, expected, patience)


def _read(address: str, topic: str, run: str, expected: int, patience: float) -> set[int]:
    consumer = KafkaConsumer(
        bootstrap_servers=address,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=200,
        **RETRY,
    )
    found: set[int] = set()
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        before, since = 0, time.monotonic()
        while len(found) < expected and time.monotonic() - since < patience:
            if len(found) > before:
                before, since = len(found), time.monotonic()
            for records in consumer.poll(timeout_ms=500, max_records=5000).values():
                for record in records:
                    name, _, number = record.value.decode().rpartition("-")
                    if name == run:
                        found.add(int(number))
    finally:
        consumer.close()
    return found
