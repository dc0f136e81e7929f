"""`python -m tests.fakekube`: the fake apiserver as a process. Prints {"url": ...} once it listens; ends on SIGTERM."""

import argparse
import asyncio
import gc
import json
import os
import signal
import sys

import uvloop

from .cluster import FakeCluster
from .definitions import Definitions
from .log import EVENTS
from .server import FakeKube

NAMESPACES = ("default", "kube-system")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakekube", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--no-schemas", action="store_true", help="neither check nor default what our CRDs define")
    parser.add_argument("--events", type=int, default=EVENTS, help="events kept per kind; older watches get 410")
    parser.add_argument("--bookmark-seconds", type=float, default=60.0, help="how often watches get a bookmark")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input ends")
    return parser.parse_args()


async def serve(options: argparse.Namespace) -> None:
    """Serve until a signal or, if asked for, until the parent is gone."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if options.with_parent:
        loop.add_reader(sys.stdin.fileno(), _read, ended)
    definitions = None if options.no_schemas else Definitions.ours()
    cluster = FakeCluster(definitions=definitions, events=options.events, faithful=True)
    for name in NAMESPACES:
        cluster.namespace(name)
    fake = FakeKube(cluster, record=False)
    fake.bookmark_seconds = options.bookmark_seconds
    await fake.start(options.port)
    # What was made so far stays; objects have no cycles, so that the collector finds little in a large heap.
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
    print(json.dumps({"url": fake.url}), flush=True)  # noqa: T201 - whoever started us reads it
    try:
        await ended.wait()
    finally:
        await fake.stop()


def _read(ended: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        ended.set()


if __name__ == "__main__":
    uvloop.run(serve(arguments()))
