"""Which broker leads how many partitions of a topic, by Kafka's own metadata; runs as a pod beside agent_client.py.

    leaders.py --topic support.agents.trail.events [--on 1002 --seconds 60]     # waits until 1002 leads one

The last line of output is one JSON object: brokers' ids with counts, "-1" for partitions that have no leader.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from typing import Any

from agent_client import connection  # type: ignore[import-not-found]  # beside this file in the pod
from kafka import KafkaAdminClient


def counted(topics: list[dict[str, Any]]) -> dict[str, int]:
    """Of all partitions that are described."""
    return dict(Counter(str(partition["leader_id"]) for topic in topics for partition in topic["partitions"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--on", default="", help="wait until this broker leads a partition")
    parser.add_argument("--seconds", type=float, default=60.0, help="wait no longer than that")
    args = parser.parse_args()
    admin = KafkaAdminClient(**connection())
    began = time.monotonic()
    leaders = counted(admin.describe_topics([args.topic]))
    while args.on and args.on not in leaders and time.monotonic() - began < args.seconds:
        time.sleep(1)
        leaders = counted(admin.describe_topics([args.topic]))
    admin.close()
    print(json.dumps(leaders))


if __name__ == "__main__":
    main()
