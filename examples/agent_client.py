"""An agent application in one file: leaves its trail on a memory topic, and reads it back.

Runs as a pod with the Secret of its MemoryClient mounted at /etc/agent-memory. The last line of its output is one JSON
object with what it did.

    agent_client.py produce --topic support.agents.trail.events --run a1 --sessions 50 --events 10000 [--rate 500]
    agent_client.py consume --topic support.agents.trail.events --run a1 --expect 10000 --group context-builder
    agent_client.py consume ... --group audit --replay     # reads everything again from the start

Events follow CloudEvents' binary mode for Kafka: attributes in ce_ headers, data in the value, the session as the key.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

SECRET = Path(os.environ.get("AGENT_MEMORY_SECRET", "/etc/agent-memory"))
TERMINATION_LOG = Path("/dev/termination-log")

# What one turn of a support agent leaves behind, in its order.
TURN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("prompt", {"role": "user", "text": "My parcel has not arrived. Can I have my money back?"}),
    ("retrieval.result", {"index": "policies", "documents": [{"id": "refunds-7", "score": 0.83}]}),
    ("policy.decision", {"policy": "refund-limit", "input": {"amount": 42.0}, "decision": "allow"}),
    ("tool.call", {"tool": "orders.lookup", "arguments": {"order": "A-1001"}}),
    ("tool.result", {"tool": "orders.lookup", "status": "ok", "result": {"state": "lost"}}),
    ("model.response", {"model": "support-large", "text": "I am sorry. I have started your refund.", "tokens": 61}),
    ("correction", {"by": "human", "field": "tone", "before": "I am sorry.", "after": "I am very sorry."}),
    ("evaluation", {"judge": "helpfulness-v2", "score": 0.91}),
)


def setting(name: str) -> str:
    path = SECRET / name
    if not path.is_file():
        sys.exit(f"{path} is missing: mount the Secret of a MemoryClient at {SECRET}")
    return path.read_text().strip()


def connection() -> dict[str, Any]:
    """The client settings that the operator wrote into the Secret, as kafka-python names them."""
    return {
        "bootstrap_servers": setting("bootstrap.servers").split(","),
        "security_protocol": setting("security.protocol"),
        "sasl_mechanism": setting("sasl.mechanism"),
        "sasl_plain_username": setting("username"),
        "sasl_plain_password": setting("password"),
        "ssl_cafile": str(SECRET / "ca.crt"),
        "reconnect_backoff_max_ms": 1000,
    }


def event(run: str, number: int, sessions: int) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Key, value and headers of the run's event `number`; a session's events come in the order of TURN."""
    session = f"{run}-session-{number % sessions}"
    step = number // sessions
    kind, data = TURN[step % len(TURN)]
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": f"{run}-{number}",
        "ce_type": kind,
        "ce_source": "/agents/support",
        "ce_time": datetime.now(UTC).isoformat(),
        "content-type": "application/json",
    }
    value = json.dumps({"session": session, "step": step, **data}).encode()
    return session.encode(), value, [(name, text.encode()) for name, text in attributes.items()]


def produce(args: argparse.Namespace) -> dict[str, Any]:
    producer = KafkaProducer(**connection(), acks="all", linger_ms=5, compression_type=None)
    began = time.monotonic()
    sent: dict[int, tuple[float, Any]] = {}
    acknowledged: dict[int, float] = {}
    kinds: Counter[str] = Counter()
    for number in range(args.events):
        due = began + number / args.rate if args.rate else 0.0
        while time.monotonic() < due:
            time.sleep(min(0.01, max(0.0, due - time.monotonic())))
        key, value, headers = event(args.run, number, args.sessions)
        future = producer.send(args.topic, value=value, key=key, headers=headers)
        at = time.monotonic()
        future.add_callback(lambda _, number=number: acknowledged.__setitem__(number, time.monotonic()))
        sent[number] = (at, future)
        kinds[TURN[number // args.sessions % len(TURN)][0]] += 1
    producer.flush(timeout=args.seconds)
    producer.close(timeout=5)
    failed = sorted(set(sent) - set(acknowledged))
    waits = sorted(acknowledged[number] - sent[number][0] for number in acknowledged)
    moments = sorted(acknowledged.values())
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    return {
        "did": "produce",
        "sent": len(sent),
        "acknowledged": len(acknowledged),
        "unacknowledged": failed[:20],
        "byType": dict(kinds),
        "seconds": round(time.monotonic() - began, 3),
        "medianAckMs": round(1000 * waits[len(waits) // 2], 1) if waits else None,
        "longestSilenceMs": round(1000 * max(gaps), 1) if gaps else None,
    }


@dataclass
class Reading:
    """What a consumer saw of one run: how often each number came, types, and steps that came out of their order."""

    run: str
    seen: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    last_step: dict[bytes, int] = field(default_factory=dict)
    out_of_order: int = 0

    def take(self, record: Any) -> None:
        headers = {name: (text or b"").decode() for name, text in record.headers}
        run, _, number = headers.get("ce_id", "").rpartition("-")
        if run != self.run:
            return
        self.seen[int(number)] += 1
        if self.seen[int(number)] > 1:
            return
        self.kinds[headers["ce_type"]] += 1
        step = json.loads(record.value)["step"]
        self.out_of_order += step < self.last_step.get(record.key, -1)
        self.last_step[record.key] = step


def consume(args: argparse.Namespace) -> dict[str, Any]:
    group = f"{setting('group.prefix')}{args.group}"
    consumer = KafkaConsumer(**connection(), group_id=group, auto_offset_reset="earliest", enable_auto_commit=False)
    partitions = [TopicPartition(args.topic, p) for p in sorted(consumer.partitions_for_topic(args.topic) or ())]
    if not partitions:
        sys.exit(f"topic {args.topic} has no partitions that {setting('username')} may read")
    began = time.monotonic()
    consumer.subscribe([args.topic])
    reading = Reading(args.run)
    rewound = not args.replay
    while len(reading.seen) < args.expect and time.monotonic() - began < args.seconds:
        polled = consumer.poll(timeout_ms=500)
        if not rewound and consumer.assignment():
            consumer.seek_to_beginning()  # what was polled up to now comes again
            rewound = True
            continue
        for records in polled.values():
            for record in records:
                reading.take(record)
    consumer.commit()
    consumer.close()
    missing = sorted(set(range(args.expect)) - set(reading.seen))
    return {
        "did": "replay" if args.replay else "consume",
        "group": group,
        "read": len(reading.seen),
        "doubled": sum(count - 1 for count in reading.seen.values()),
        "outOfOrder": reading.out_of_order,
        "missing": missing[:20],
        "missingCount": len(missing),
        "byType": dict(reading.kinds),
        "seconds": round(time.monotonic() - began, 3),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Writes and reads the memory events of an agent.")
    parser.add_argument("do", choices=("produce", "consume"))
    parser.add_argument("--topic", required=True)
    parser.add_argument("--run", required=True, help="names this run's events")
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--events", type=int, default=800)
    parser.add_argument("--rate", type=float, default=0.0, help="events a second; 0: as fast as it goes")
    parser.add_argument("--expect", type=int, default=0, help="end when so many of the run's events were read")
    parser.add_argument("--group", default="reader", help="the rest of the group's name after the client's own prefix")
    parser.add_argument("--replay", action="store_true", help="read from the very start, whatever was committed")
    parser.add_argument("--seconds", type=float, default=120.0, help="give up after so long")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    result = produce(args) if args.do == "produce" else consume(args)
    text = json.dumps(result)
    print(text)
    if TERMINATION_LOG.exists():
        TERMINATION_LOG.write_text(text)


if __name__ == "__main__":
    main()
