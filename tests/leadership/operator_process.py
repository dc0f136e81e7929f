"""The operator as it is shipped, with a Lease of short times and a Kafka that other processes share.

    python -m tests.leadership.operator_process

Beside what `agent-memory-operator run` reads from the environment: LEADERSHIP_KAFKA (the URL of a KafkaServer),
LEADERSHIP_TIMING and LEADERSHIP_PACE (JSON objects with the fields of core.elector.Timing and kube.resync.Pace).

SIGUSR1 keeps the main thread busy for nine tenths of the Lease's deadline, SIGUSR2 for twice the Lease's duration.
"""

import json
import os
import signal
import sys
import time
from functools import partial

from agentmemory import app, cli
from agentmemory.core.elector import Timing
from agentmemory.kube.resync import Pace

from .kafka_client import RemotePool


def main() -> int:
    """Exit codes are those of `agentmemory.app.main`."""
    timing = Timing(**json.loads(os.environ["LEADERSHIP_TIMING"]))
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(0.9 * timing.deadline))
    signal.signal(signal.SIGUSR2, lambda *_: time.sleep(2 * timing.duration))
    app.Process = partial(  # type: ignore[misc,assignment]
        app.Process,
        kafka=RemotePool(os.environ["LEADERSHIP_KAFKA"], os.environ["POD_NAME"]),
        timing=timing,
        pace=Pace(**json.loads(os.environ["LEADERSHIP_PACE"])),
    )
    return cli._until_complete(app.main(os.environ))


if __name__ == "__main__":
    sys.exit(main())
