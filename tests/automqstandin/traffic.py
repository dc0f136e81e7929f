"""A producer that never stops, and what it was told is safe. In threads: the fronts need the event loop."""

import asyncio
import ssl
import threading
import time
from types import TracebackType
from typing import Any, Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from agentmemory.kafka.library import Socket


class Producer(threading.Thread):
    """Writes numbered records to all partitions until it is left; `acknowledged` are those that Kafka took."""

    def __init__(self, bootstrap: str, authority: str, topic: str) -> None:
        super().__init__(name="producer", daemon=True)
        self.topic = topic
        self.acknowledged: set[int] = set()
        self.failed: list[BaseException] = []
        self._settings: dict[str, Any] = {
            "bootstrap_servers": bootstrap.split(","),
            "security_protocol": "SSL",
            "ssl_context": ssl.create_default_context(cadata=authority),
            "proxy_url": f"{Socket.SCHEMES[0]}://",  # closes what could not connect
        }
        self._ended = threading.Event()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Returns when all that was sent was taken or refused."""
        self._ended.set()
        await asyncio.to_thread(self.join, 60)

    def run(self) -> None:
        producer = KafkaProducer(**self._settings, acks="all", retries=1000, linger_ms=5, max_block_ms=30_000)
        number = 0
        while not self._ended.wait(0.005):  # some 200 records a second
            sent = producer.send(self.topic, str(number).encode(), key=str(number).encode())
            sent.add_callback(lambda _, number=number: self.acknowledged.add(number))
            sent.add_errback(self.failed.append)
            number += 1
        producer.flush(timeout=30)
        producer.close(timeout=5)

    async def read_back(self, limit: float = 60.0) -> set[int]:
        """All that is in the topic now."""
        return await asyncio.to_thread(self._read, limit)

    def _read(self, limit: float) -> set[int]:
        consumer = KafkaConsumer(**self._settings)
        try:
            numbers = sorted(consumer.partitions_for_topic(self.topic) or ())
            parts = [TopicPartition(self.topic, number) for number in numbers]
            consumer.assign(parts)
            ends = consumer.end_offsets(parts)
            consumer.seek_to_beginning(*parts)
            found: set[int] = set()
            deadline = time.monotonic() + limit
            while any(consumer.position(part) < ends[part] for part in parts) and time.monotonic() < deadline:
                for records in consumer.poll(timeout_ms=500).values():
                    found |= {int(record.value) for record in records}
            return found
        finally:
            consumer.close()
