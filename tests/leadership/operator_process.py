"""The operator as it is shipped, with a Lease of short times and a Kafka that other processes share.

    python -m tests.leadership.operator_process

Beside what `agent-memory-operator run` reads from the environment: LEADERSHIP_KAFKA and LEADERSHIP_S3 (the URLs of a
KafkaServer and a StoreServer), LEADERSHIP_TIMING and LEADERSHIP_PACE (JSON objects with the fields of
core.elector.Timing and kube.resync.Pace). Its time of day is ahead of the apiserver's by a minute and more, so that the
shortest grace period of a bucket is over when it begins.

SIGUSR1 keeps the main thread busy for nine tenths of the Lease's deadline, SIGUSR2 for twice the Lease's duration.
"""

import json
import os
import signal
import sys
import time
from datetime import datetime, timedelta
from functools import partial

from agentmemory import app, cli
from agentmemory.core.clock import SystemClock
from agentmemory.core.elector import Timing
from agentmemory.kube.resync import Pace

from .kafka_client import RemotePool
from .store_client import RemoteStores

AHEAD = timedelta(seconds=65)


class ClockAhead(SystemClock):
    """A machine whose clock is wrong."""

    def now(self) -> datetime:
        return super().now() + AHEAD


def main() -> int:
    """Exit codes are those of `agentmemory.app.main`."""
    timing = Timing(**json.loads(os.environ["LEADERSHIP_TIMING"]))
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(0.9 * timing.deadline))
    signal.signal(signal.SIGUSR2, lambda *_: time.sleep(2 * timing.duration))
    app.Process = partial(  # type: ignore[misc,assignment]
        app.Process,
        kafka=RemotePool(os.environ["LEADERSHIP_KAFKA"], os.environ["POD_NAME"]),
        stores=RemoteStores(os.environ["LEADERSHIP_S3"], os.environ["POD_NAME"]),
        clock=ClockAhead(),
        timing=timing,
        pace=Pace(**json.loads(os.environ["LEADERSHIP_PACE"])),
    )
    return cli._until_complete(app.main(os.environ))


if __name__ == "__main__":
    sys.exit(main())
