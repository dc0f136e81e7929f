"""Writes records that look hours old and reads them back byte for byte; runs as a pod beside examples/agent_client.py.

    history.py write --topic support.agents.trail.events --run a --records 600 --size 10000 --oldest 36000 --span 4200
    history.py read  --topic support.agents.trail.events --run a --records 600 --size 10000 --seconds 30

The contents follow from the run's name, so that a reader needs nothing from the writer. Timestamps hours back make
Kafka roll and move segments now that it would else move in hours. The last line of output is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from typing import Any

from agent_client import connection  # type: ignore[import-not-found]  # beside this file in the pod
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError


def contents(run: str, records: int, size: int) -> list[bytes]:
    """The values of a run, in order."""
    dice = random.Random(run)
    return [dice.randbytes(size) for _ in range(records)]


def write(args: argparse.Namespace) -> dict[str, Any]:
    """All of the run to partition 0, the first record `oldest` seconds old, the last one `span` younger."""
    producer = KafkaProducer(**connection(), acks="all", linger_ms=5)
    first, step = int((time.time() - args.oldest) * 1000), args.span * 1000 / args.records
    sent = []
    for number, value in enumerate(contents(args.run, args.records, args.size)):
        key = f"{args.run}-{number}".encode()
        moment = first + int(number * step)
        sent.append(producer.send(args.topic, value=value, key=key, partition=0, timestamp_ms=moment))
    producer.flush(timeout=args.seconds)
    producer.close(timeout=5)
    return {"acknowledged": sum(future.succeeded() for future in sent)}


def read(args: argparse.Namespace) -> dict[str, Any]:
    """The run, from the topic's first record on, until all is there or time is up."""
    wanted, began = contents(args.run, args.records, args.size), time.monotonic()
    consumer = KafkaConsumer(**connection(), enable_auto_commit=False)
    partition = TopicPartition(args.topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    found: dict[int, bytes] = {}
    refused: set[str] = set()
    while len(found) < args.records and time.monotonic() - began < args.seconds:
        try:
            polled = consumer.poll(timeout_ms=500)
        except KafkaError as error:
            refused.add(type(error).__name__)
            continue
        for record in polled.get(partition, []):
            run, _, number = record.key.decode().rpartition("-")
            if run == args.run:
                found[int(number)] = record.value
    consumer.close(autocommit=False)
    different = [number for number, value in found.items() if value != wanted[number]]
    seconds = round(time.monotonic() - began, 3)
    return {"read": len(found), "different": sorted(different), "refused": sorted(refused), "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=("write", "read"))
    parser.add_argument("--topic", required=True)
    parser.add_argument("--run", required=True, help="names the records, and is what their contents follow from")
    parser.add_argument("--records", type=int, default=600)
    parser.add_argument("--size", type=int, default=10_000, help="bytes of each")
    parser.add_argument("--oldest", type=float, default=0.0, help="seconds by which the first one looks old")
    parser.add_argument(
        "--span", type=float, default=0.0, help="seconds between the first and the last one's timestamp"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="give up after so long")
    args = parser.parse_args()
    print(json.dumps(write(args) if args.do == "write" else read(args)))


if __name__ == "__main__":
    main()
